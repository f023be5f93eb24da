"""Functions of the standard that are written with others: each is a plain function of the namespace ``xp`` and its
arguments.

They need no rule, and work at every level.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tl_arrayapi.autograd.array import Array, bind
from tl_arrayapi.autograd.axes import from_front
from tl_arrayapi.autograd.indexing import getitem, setitem, take_along_axis
from tl_arrayapi.autograd.linear import LINALG, tensordot, vecdot
from tl_arrayapi.autograd.rearranging import repeat
from tl_arrayapi.autograd.rules.indexing import SEARCHSORTED
from tl_arrayapi.autograd.rules.reduction import reduced_axes
from tl_arrayapi.errors import ArgumentError, ShapeError

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
    x = xp.lift(x)
    count = _count(x, axis)
    wide = xp.ground.wider(x.dtype)
    if wide is None:
        return xp.sum(x, axis=axis, keepdims=keepdims) / (count if count else math.nan)
    return xp.astype(_mean(xp, xp.astype(x, wide), axis=axis, keepdims=keepdims), x.dtype)


def _var(xp: Any, x: Any, /, *, axis: _Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    x = xp.lift(x)
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
    wide = xp.ground.wider(x.dtype)
    if wide is not None:
        return xp.astype(_std(xp, xp.astype(x, wide), axis=axis, correction=correction, keepdims=keepdims), x.dtype)
    return xp.sqrt(_var(xp, x, axis=axis, correction=correction, keepdims=keepdims))


# ---- elementwise
def _clip(xp: Any, x: Any, /, min: Any = None, max: Any = None) -> Any:
    x = xp.lift(x)
    dtype = x.dtype
    if xp.isdtype(dtype, "integral"):
        # A Python integer may lie outside of what the dtype holds, where it bounds nothing.
        info = xp.iinfo(dtype)
        min = None if isinstance(min, int) and min <= info.min else min
        max = None if isinstance(max, int) and max >= info.max else max
    if min is None and max is None:
        return xp.positive(x)
    x = x if min is None else xp.maximum(x, min)
    x = x if x.dtype == dtype else xp.astype(x, dtype)
    x = x if max is None else xp.minimum(x, max)
    return x if x.dtype == dtype else xp.astype(x, dtype)


# ---- manipulation
def _unstack(xp: Any, x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    x = xp.moveaxis(x, axis, 0)
    return tuple(x[i, ...] for i in range(x.shape[0]))


def _broadcast_shapes(xp: Any, *shapes: tuple[int | float | None, ...]) -> tuple[Any, ...]:
    """Return the shape that ``shapes`` broadcast to; a length that is unknown (None or NaN) stays unknown."""
    rank = max(map(len, shapes), default=0)
    result = []
    for lengths in zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes), strict=True):
        unknown = [n for n in lengths if n is None or n != n]
        known = {n for n in lengths if n is not None and n == n} - {1}
        if len(known) > 1:
            raise ShapeError(f"shapes {', '.join(map(str, map(tuple, shapes)))} do not broadcast with one another")
        result.append(unknown[0] if unknown else known.pop() if known else 1)
    return tuple(result)


def _broadcast_arrays(xp: Any, *arrays: Any) -> Sequence[Any]:
    lifted = [xp.lift(x) for x in arrays]
    shape = _broadcast_shapes(xp, *(x.shape for x in lifted))
    # The standard made a tuple of this list, in the version of 2025.
    together = list if getattr(xp, "__array_api_version__", "2025.12") < "2025.12" else tuple
    return together(xp.broadcast_to(x, shape) for x in lifted)


def _meshgrid(xp: Any, *arrays: Any, indexing: str = "xy") -> Sequence[Any]:
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid's indexing is 'xy' or 'ij'; got {indexing!r}")
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
    if n == 0:
        return xp.lift(x)
    parts = [part for part in (prepend, x, append) if part is not None]
    x = xp.concat(parts, axis=axis) if len(parts) > 1 else xp.lift(x)
    before = (slice(None),) * from_front(axis, x.ndim, "the operand of diff")
    for _ in range(min(n, x.shape[axis])):  # no differences of nothing
        x = x[(*before, slice(1, None), ...)] - x[(*before, slice(None, -1), ...)]
    return x


def _sort(xp: Any, x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    order = xp.argsort(x, axis=axis, descending=descending, stable=stable)
    return take_along_axis(xp, xp.lift(x), order, axis=axis)


# ---- searching
def _searchsorted(xp: Any, x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    ordered = x1 if sorter is None else xp.take(x1, sorter)
    return bind(SEARCHSORTED, (ordered, x2), {"side": side}, xp.ground)


# ---- dtypes
def _of_dtypes(name: str) -> Callable[..., Any]:
    """Return the library's function of that name, which is asked about the dtypes of Arrays."""

    def function(xp: Any, /, *arrays_and_dtypes: Any) -> Any:
        return getattr(xp.inner, name)(*(x.dtype if type(x) is Array else x for x in arrays_and_dtypes))

    return function


COMPOSITES: dict[str, Callable[..., Any]] = {
    "mean": _mean,
    "var": _var,
    "std": _std,
    "clip": _clip,
    "unstack": _unstack,
    "broadcast_arrays": _broadcast_arrays,
    "broadcast_shapes": _broadcast_shapes,
    "meshgrid": _meshgrid,
    "diff": _diff,
    "repeat": repeat,
    "sort": _sort,
    "tensordot": tensordot,
    "vecdot": vecdot,
    "getitem": getitem,
    "setitem": setitem,
    "take_along_axis": take_along_axis,
    "searchsorted": _searchsorted,
    **{name: _of_dtypes(name) for name in ("can_cast", "finfo", "iinfo", "result_type")},
}

EXTENSIONS: dict[str, dict[str, Callable[..., Any]]] = {
    "linalg": LINALG,
    "fft": {},
}
