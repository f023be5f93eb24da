"""Functions of linear algebra that are written with others: each is a plain function of the namespace ``xp`` and its
arguments, in the standard's signature.

They need no rule, and work at every level. All norms have the derivative 0 at 0.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

from tl_arrayapi.autograd.array import Array, StandIn, bind, bottom
from tl_arrayapi.autograd.axes import from_front
from tl_arrayapi.autograd.rules.linalg import MATRIX_RANK, PINV, SOLVE
from tl_arrayapi.errors import ArgumentError, NoRuleError, ShapeError

__all__ = ["LINALG", "tensordot", "vecdot"]

_Axis = int | tuple[int, ...] | None


def _matrices(xp: Any, x: Any, name: str, *, square: bool = False) -> Any:
    x = xp.lift(x)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        wanted = "square matrices, in the last two axes" if square else "matrices, in the last two axes"
        raise ShapeError(f"{name} takes {wanted}; got shape {x.shape}")
    return x


# ---- products
def tensordot(xp: Any, x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """Sum products of elements over several axes at once: one product of matrices between reshapes."""
    x1, x2 = xp.lift(x1), xp.lift(x2)
    if isinstance(axes, int):
        left, right = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    else:
        left, right = (
            tuple(from_front(a, x.ndim, "an operand of tensordot") for a in along)
            for x, along in zip((x1, x2), axes, strict=True)
        )
    if tuple(x1.shape[a] for a in left) != tuple(x2.shape[a] for a in right):
        raise ShapeError(
            f"tensordot over axes {left} of shape {x1.shape} and axes {right} of shape {x2.shape}: their lengths differ"
        )
    kept1 = tuple(a for a in range(x1.ndim) if a not in left)
    kept2 = tuple(a for a in range(x2.ndim) if a not in right)
    rows, columns = tuple(x1.shape[a] for a in kept1), tuple(x2.shape[a] for a in kept2)
    count = math.prod(x1.shape[a] for a in left)
    matrix1 = xp.reshape(xp.permute_dims(x1, kept1 + left), (math.prod(rows), count))
    matrix2 = xp.reshape(xp.permute_dims(x2, right + kept2), (count, math.prod(columns)))
    return xp.reshape(xp.matmul(matrix1, matrix2), rows + columns)


def vecdot(xp: Any, x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sum the products of the conjugates of ``x1`` and of ``x2`` along ``axis``."""
    x1, x2 = xp.lift(x1), xp.lift(x2)
    x1, x2 = xp.moveaxis(x1, axis, -1), xp.moveaxis(x2, axis, -1)
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"vecdot of vectors of {x1.shape[-1]} and {x2.shape[-1]} elements: their lengths differ")
    x1 = xp.conj(x1) if xp.isdtype(x1.dtype, "complex floating") else x1
    products = x1 * x2
    return xp.sum(products, axis=-1, dtype=products.dtype)


def _outer(xp: Any, x1: Any, x2: Any, /) -> Any:
    x1, x2 = xp.lift(x1), xp.lift(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"outer takes two vectors; got shapes {x1.shape} and {x2.shape}")
    return xp.expand_dims(x1, axis=1) * x2


def _cross(xp: Any, x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = xp.lift(x1), xp.lift(x2)
    # Counted from the end, it is the same axis of both, whatever their ranks.
    axis = axis if axis < 0 else axis - max(x1.ndim, x2.ndim)
    if min(x1.ndim, x2.ndim) < -axis or x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ShapeError(f"cross takes vectors of 3 elements along axis {axis}; got shapes {x1.shape} and {x2.shape}")
    ahead = xp.roll(x1, -1, axis=axis) * xp.roll(x2, -2, axis=axis)
    return ahead - xp.roll(x1, -2, axis=axis) * xp.roll(x2, -1, axis=axis)


def _matrix_power(xp: Any, x: Any, n: int, /) -> Any:
    x, n = _matrices(xp, x, "matrix_power", square=True), operator.index(n)
    if n == 0:
        return xp.broadcast_to(xp.eye(x.shape[-1], dtype=x.dtype, device=x.device), x.shape)
    if n < 0:
        x, n = xp.linalg.inv(x), -n
    power = None
    while True:
        if n % 2:
            power = x if power is None else xp.matmul(power, x)
        n //= 2
        if n == 0:
            return power
        x = xp.matmul(x, x)


# ---- equations
def _solve(xp: Any, x1: Any, x2: Any, /) -> Any:
    x1, x2 = _matrices(xp, x1, "solve", square=True), xp.lift(x2)
    if x2.ndim == 0 or x2.shape[-min(x2.ndim, 2)] != x1.shape[-1]:
        raise ShapeError(
            f"solve with matrices of shape {x1.shape} takes a vector of {x1.shape[-1]} elements, or matrices of as "
            f"many rows; got shape {x2.shape}"
        )
    # One dtype and matrices on both sides, so that the rules have nothing else to deal with.
    dtype = xp.result_type(x1, x2)
    x1, x2 = (x if x.dtype == dtype else xp.astype(x, dtype) for x in (x1, x2))
    if x2.ndim > 1:
        return bind(SOLVE, (x1, x2), {}, xp.ground)
    return xp.squeeze(bind(SOLVE, (x1, xp.expand_dims(x2, axis=-1)), {}, xp.ground), axis=-1)


def _pinv(xp: Any, x: Any, /, *, rtol: Any = None) -> Any:
    return bind(PINV, (_matrices(xp, x, "pinv"),), _limit(rtol), xp.ground)


def _matrix_rank(xp: Any, x: Any, /, *, rtol: Any = None) -> Any:
    return bind(MATRIX_RANK, (_matrices(xp, x, "matrix_rank"),), _limit(rtol), xp.ground)


def _limit(rtol: Any) -> dict[str, Any]:
    """Return ``rtol`` as a static argument: nothing depends on it smoothly."""
    if rtol is None:
        return {}
    plain = bottom(rtol) if type(rtol) is Array else rtol
    if isinstance(plain, StandIn):
        raise NoRuleError("rtol differs between the examples of vmap: give one for all of them")
    return {"rtol": plain}


# ---- parts and norms
def _diagonal(xp: Any, x: Any, /, *, offset: int = 0) -> Any:
    x = _matrices(xp, x, "diagonal")
    rows, columns = x.shape[-2:]
    first = -offset * columns if offset < 0 else offset
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    flat = xp.reshape(x, (*x.shape[:-2], rows * columns))
    return flat[..., first : first + (count - 1) * (columns + 1) + 1 : columns + 1] if count else flat[..., :0]


def _trace(xp: Any, x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return xp.sum(_diagonal(xp, x, offset=offset), axis=-1, dtype=dtype)


def _vector_norm(xp: Any, x: Any, /, *, axis: _Axis = None, keepdims: bool = False, ord: float = 2) -> Any:
    x = xp.lift(x)
    if ord == math.inf:
        return xp.max(xp.abs(x), axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return xp.min(xp.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        size = xp.abs(x)
        return xp.sum(xp.astype(size != 0, size.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return xp.sum(xp.abs(x), axis=axis, keepdims=keepdims)
    if ord < 0 or 0 in x.shape:
        return xp.pow(xp.sum(xp.pow(xp.abs(x), ord), axis=axis, keepdims=keepdims), 1.0 / ord)
    # Powers of what is at most 1 neither overflow nor vanish altogether. The norm does not depend on the scale that
    # is taken out and put back, so the scale is a constant.
    scale = xp.max(xp.abs(x.level.stop(x)), axis=axis, keepdims=True)
    scale = xp.where((scale == 0) | ~xp.isfinite(scale), xp.ones_like(scale), scale)
    x = x / scale
    if ord != 2:
        total = xp.pow(xp.sum(xp.pow(xp.abs(x), ord), axis=axis, keepdims=keepdims), 1.0 / ord)
    else:
        squares = xp.real(x * xp.conj(x)) if xp.isdtype(x.dtype, "complex floating") else x * x
        total = xp.sqrt(xp.sum(squares, axis=axis, keepdims=keepdims))
    return total * xp.reshape(scale, total.shape)


def _matrix_norm(xp: Any, x: Any, /, *, keepdims: bool = False, ord: float | str = "fro") -> Any:
    x = _matrices(xp, x, "matrix_norm")
    if ord == "fro":
        return _vector_norm(xp, x, axis=(-2, -1), keepdims=keepdims)
    if ord in (1, -1, math.inf, -math.inf):
        sizes = xp.sum(xp.abs(x), axis=-2 if abs(float(ord)) == 1 else -1, keepdims=True)
    elif ord in (2, -2, "nuc"):
        sizes = xp.linalg.svdvals(x)[..., None]
    else:
        raise ArgumentError(f"matrix_norm has no ord={ord!r}: it has 'fro', 'nuc', 1, -1, 2, -2, inf and -inf")
    reduced = xp.sum if isinstance(ord, str) else xp.max if ord > 0 else xp.min
    return reduced(sizes, axis=(-2, -1), keepdims=keepdims)


LINALG: dict[str, Callable[..., Any]] = {
    "cross": _cross,
    "diagonal": _diagonal,
    "matmul": lambda xp, x1, x2, /: xp.matmul(x1, x2),
    "matrix_norm": _matrix_norm,
    "matrix_power": _matrix_power,
    "matrix_rank": _matrix_rank,
    "matrix_transpose": lambda xp, x, /: xp.matrix_transpose(x),
    "outer": _outer,
    "pinv": _pinv,
    "solve": _solve,
    "tensordot": tensordot,
    "trace": _trace,
    "vecdot": vecdot,
    "vector_norm": _vector_norm,
}
