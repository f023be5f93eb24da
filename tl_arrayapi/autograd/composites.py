"""Functions of the standard that are written with others: each is a plain function of the namespace ``xp`` and its
arguments.

They need no rule, and work at every level.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.indexing import getitem, setitem, take_along_axis
from tl_arrayapi.autograd.rules.reduction import reduced_axes
from tl_arrayapi.errors import ShapeError

__all__ = ["COMPOSITES", "EXTENSIONS", "bound"]

_Axis = int | tuple[int, ...] | None


def bound(function: Callable[..., Any], xp: Any) -> Callable[..., Any]:
    """Return ``function`` with its first argument, the namespace, filled in."""
    return partial(function, xp)


# ---- statistics
def _count(x: Any, axis: _Axis) -> int:
    shape: tuple[int, ...] = x.shape
    return math.prod(shape if axis is None else [shape[a] for a in reduced_axes(axis, len(shape))])


def _mean(xp: Any, x: Any, /, *, axis: _Axis = None, keepdims: bool = False) -> Any:
    count = _count(x, axis)
    wide = xp.ground.wider(x.dtype)
    if wide is None:
        return xp.sum(x, axis=axis, keepdims=keepdims) / (count if count else math.nan)
    return xp.astype(_mean(xp, xp.astype(x, wide), axis=axis, keepdims=keepdims), x.dtype)


def _var(xp: Any, x: Any, /, *, axis: _Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    wide = xp.ground.wider(x.dtype)
    if wide is not None:
        spread = _var(xp, xp.astype(x, wide), axis=axis, correction=correction, keepdims=keepdims)
        return xp.astype(spread, x.dtype)
    count = _count(x, axis)
    centred = x - _mean(xp, x, axis=axis, keepdims=True)
    squared = xp.real(centred * xp.conj(centred)) if xp.isdtype(x.dtype, "complex floating") else centred * centred
    freedom = count - correction
    return xp.sum(squared, axis=axis, keepdims=keepdims) / (freedom if freedom > 0 else math.nan)


def _std(xp: Any, x: Any, /, *, axis: _Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return xp.sqrt(_var(xp, x, axis=axis, correction=correction, keepdims=keepdims))


# ---- elementwise
def _clip(xp: Any, x: Any, /, min: Any = None, max: Any = None) -> Any:
    x = xp.lift(x)
    if min is not None:
        x = xp.astype(xp.maximum(x, min), x.dtype)
    if max is not None:
        x = xp.astype(xp.minimum(x, max), x.dtype)
    return xp.positive(x) if min is None and max is None else x


# ---- manipulation
def _unstack(xp: Any, x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    x = xp.moveaxis(x, axis, 0)
    return tuple(x[i, ...] for i in range(x.shape[0]))


def _broadcast_arrays(xp: Any, *arrays: Any) -> tuple[Any, ...]:
    lifted = [xp.lift(x) for x in arrays]
    shape = (
        xp.broadcast_shapes(*(x.shape for x in lifted)) if hasattr(xp, "broadcast_shapes") else _shape_of_all(lifted)
    )
    return tuple(xp.broadcast_to(x, tuple(shape)) for x in lifted)


def _shape_of_all(arrays: list[Any]) -> tuple[int, ...]:
    rank = max((x.ndim for x in arrays), default=0)
    padded = [(1,) * (rank - x.ndim) + x.shape for x in arrays]
    shape = tuple(max(lengths) if 0 not in lengths else 0 for lengths in zip(*padded, strict=True))
    for lengths in padded:
        if any(n not in (1, m) for n, m in zip(lengths, shape, strict=True)):
            raise ShapeError(f"shapes {[x.shape for x in arrays]} do not broadcast with one another")
    return shape


def _meshgrid(xp: Any, *arrays: Any, indexing: str = "xy") -> tuple[Any, ...]:
    lifted = [xp.lift(x) for x in arrays]
    rank = len(lifted)
    axes = list(range(rank))
    if indexing == "xy" and rank > 1:
        axes[:2] = [1, 0]
    grid = [
        xp.reshape(x, tuple(-1 if i == axis else 1 for i in range(rank))) for x, axis in zip(lifted, axes, strict=True)
    ]
    return _broadcast_arrays(xp, *grid)


def _diff(xp: Any, x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    parts = [part for part in (prepend, x, append) if part is not None]
    x = xp.concat(parts, axis=axis) if len(parts) > 1 else xp.lift(x)
    before = (slice(None),) * (axis % x.ndim)
    for _ in range(n):
        x = x[(*before, slice(1, None), ...)] - x[(*before, slice(None, -1), ...)]
    return x


def _sort(xp: Any, x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)
    return take_along_axis(xp, xp.lift(x), order, axis=axis)


# ---- products
def _tensordot(xp: Any, x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    x1, x2 = xp.lift(x1), xp.lift(x2)
    if isinstance(axes, int):
        left, right = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    else:
        left, right = (tuple(a % x.ndim for a in along) for x, along in zip((x1, x2), axes, strict=True))
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


def _vecdot(xp: Any, x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = xp.lift(x1), xp.lift(x2)
    x1, x2 = xp.moveaxis(x1, axis, -1), xp.moveaxis(x2, axis, -1)
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"vecdot of vectors of {x1.shape[-1]} and {x2.shape[-1]} elements: their lengths differ")
    x1 = xp.conj(x1) if xp.isdtype(x1.dtype, "complex floating") else x1
    return xp.sum(x1 * x2, axis=-1)


def _outer(xp: Any, x1: Any, x2: Any, /) -> Any:
    x1, x2 = xp.lift(x1), xp.lift(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"outer takes two vectors; got shapes {x1.shape} and {x2.shape}")
    return xp.expand_dims(x1, axis=1) * x2


def _trace(xp: Any, x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return xp.sum(_diagonal(xp, x, offset=offset), axis=-1, dtype=dtype)


def _diagonal(xp: Any, x: Any, /, *, offset: int = 0) -> Any:
    x = xp.lift(x)
    rows, columns = x.shape[-2:]
    first = -offset * columns if offset < 0 else offset
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    flat = xp.reshape(x, (*x.shape[:-2], rows * columns))
    return flat[..., first : first + (count - 1) * (columns + 1) + 1 : columns + 1] if count else flat[..., :0]


def _vector_norm(xp: Any, x: Any, /, *, axis: _Axis = None, keepdims: bool = False, ord: float = 2) -> Any:
    size = xp.abs(xp.lift(x))
    if ord == math.inf:
        return xp.max(size, axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return xp.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return xp.sum(xp.astype(size != 0, size.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return xp.sum(size, axis=axis, keepdims=keepdims)
    if ord == 2:
        return xp.sqrt(xp.sum(size * size, axis=axis, keepdims=keepdims))
    return xp.pow(xp.sum(xp.pow(size, ord), axis=axis, keepdims=keepdims), 1.0 / ord)


# ---- dtypes
def _result_type(xp: Any, *arrays_and_dtypes: Any) -> Any:
    return xp.inner.result_type(*(x.dtype if type(x) is Array else x for x in arrays_and_dtypes))


COMPOSITES: dict[str, Callable[..., Any]] = {
    "mean": _mean,
    "var": _var,
    "std": _std,
    "clip": _clip,
    "unstack": _unstack,
    "broadcast_arrays": _broadcast_arrays,
    "meshgrid": _meshgrid,
    "diff": _diff,
    "sort": _sort,
    "tensordot": _tensordot,
    "vecdot": _vecdot,
    "getitem": getitem,
    "setitem": setitem,
    "take_along_axis": take_along_axis,
    "result_type": _result_type,
}

EXTENSIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "linalg": {
        "diagonal": _diagonal,
        "outer": _outer,
        "tensordot": _tensordot,
        "trace": _trace,
        "vecdot": _vecdot,
        "vector_norm": _vector_norm,
        "matmul": lambda xp, x1, x2, /: xp.matmul(x1, x2),
        "matrix_transpose": lambda xp, x, /: xp.matrix_transpose(x),
    },
    "fft": {},
}
