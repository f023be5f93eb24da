"""Indexing as the standard has it, written with the primitives of one axis: plain functions of the namespace ``xp``."""

import math
import numbers
from typing import Any

from tl_arrayapi.autograd.array import Array, bind
from tl_arrayapi.autograd.rules.indexing import GETITEM
from tl_arrayapi.errors import ShapeError

__all__ = ["getitem", "take_along_axis"]


def getitem(xp: Any, x: Any, key: Any, /) -> Any:
    """Index as the standard says: integers, slices, None and Ellipsis; one boolean array; or integer arrays for the
    first axes.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if not all(_is_basic(part) for part in parts):
        parts = tuple(_index(xp, part) for part in parts)
        arrays = [part for part in parts if isinstance(part, Array)]
        if any(xp.isdtype(part.dtype, "bool") for part in arrays):
            return _masked(xp, x, parts)
        if arrays:
            return _gathered(xp, x, parts)
    return _basic(xp, x, parts)


def _is_basic(part: Any) -> bool:
    return part is None or part is Ellipsis or isinstance(part, (int, slice))


def _basic(xp: Any, x: Any, parts: tuple[Any, ...]) -> Any:
    """Index by integers, slices, None and Ellipsis. The primitive knows neither None, nor negative steps, nor fewer
    parts than axes: not all libraries do.
    """
    if not any(part is Ellipsis for part in parts):
        parts = (*parts, Ellipsis)
    plain = tuple(part for part in parts if part is not None)
    backwards = any(isinstance(part, slice) and part.step is not None and part.step < 0 for part in plain)
    if len(plain) == len(parts) and not backwards:
        return bind(GETITEM, (x,), {"key": parts})
    at = next(i for i, part in enumerate(plain) if part is Ellipsis)
    full = plain[:at] + (slice(None),) * (x.ndim - len(plain) + 1) + plain[at + 1 :]
    if len(full) != x.ndim:
        raise IndexError(f"{len(plain) - 1} indices for an array of {x.ndim} axes, of shape {x.shape}")
    kept = [i for i, part in enumerate(full) if isinstance(part, slice)]
    flipped = tuple(place for place, i in enumerate(kept) if (full[i].step or 1) < 0)
    forward = tuple(
        _forward(part, n) if isinstance(part, slice) else part for part, n in zip(full, x.shape, strict=True)
    )
    x = bind(GETITEM, (x,), {"key": (*forward, Ellipsis)})
    if flipped:
        x = xp.flip(x, axis=flipped)
    if len(plain) == len(parts):
        return x
    lengths = iter(x.shape)
    shape: list[int] = []
    for part in parts:
        if part is None:
            shape.append(1)
        elif part is Ellipsis:
            shape.extend(next(lengths) for _ in range(len(full) - len(plain) + 1))
        elif isinstance(part, slice):
            shape.append(next(lengths))
    return xp.reshape(x, tuple(shape))


def _forward(part: slice, length: int) -> slice:
    """Return the slice with a positive step that selects the same positions."""
    chosen = range(*part.indices(length))
    if chosen.step > 0:
        return part
    chosen = chosen[::-1]
    return slice(chosen.start, chosen[-1] + 1, chosen.step) if len(chosen) else slice(0, 0)


def _index(xp: Any, part: Any) -> Any:
    """Return one part of a key in canonical form: an int for what is a 0-d integer, an Array for an index array."""
    if _is_basic(part):
        return part
    if isinstance(part, numbers.Integral):
        return int(part)
    if isinstance(part, list):
        part = xp.asarray(part)
    part = xp.lift(part, "an index")
    if part.ndim == 0 and xp.isdtype(part.dtype, "integral") and not xp.backend.lazy:
        return int(part)
    return part


def _masked(xp: Any, x: Any, parts: tuple[Any, ...]) -> Any:
    mask, rest = parts[0], parts[1:]
    if not isinstance(mask, Array) or any(part is not Ellipsis for part in rest):
        raise ShapeError("a boolean array stands alone in an index: x[mask], or x[mask, ...]")
    if mask.shape != x.shape[: mask.ndim]:
        raise ShapeError(
            f"a boolean index of shape {mask.shape} does not fit the first axes of an array of shape {x.shape}"
        )
    if xp.backend.lazy:
        raise ShapeError(
            "a boolean index has a result of unknown length on a lazy array: use xp.where, or compute it first"
        )
    rows = xp.reshape(x, (math.prod(mask.shape), *x.shape[mask.ndim :]))
    return xp.take(rows, xp.nonzero(xp.reshape(mask, (-1,)))[0], axis=0)


def _gathered(xp: Any, x: Any, parts: tuple[Any, ...]) -> Any:
    """Gather by integer arrays: leading axes indexed by arrays and integers become one axis, which a single ``take``
    indexes.
    """
    used = len([part for part in parts if part is not None and part is not Ellipsis])
    if Ellipsis in [part for part in parts if part is Ellipsis]:
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts = parts[:at] + (slice(None),) * (x.ndim - used) + parts[at + 1 :]
    first = next(i for i, part in enumerate(parts) if isinstance(part, Array))
    last = max(i for i, part in enumerate(parts) if isinstance(part, Array))
    between = parts[first : last + 1]
    if any(not isinstance(part, (Array, int)) for part in between) or any(part is None for part in parts):
        raise ShapeError("integer arrays in an index must stand side by side, without None: index in two steps instead")
    while first and isinstance(parts[first - 1], int):
        first -= 1
    while last + 1 < len(parts) and isinstance(parts[last + 1], int):
        last += 1
    before, chosen, after = parts[:first], parts[first : last + 1], parts[last + 1 :]
    rest = before + (slice(None),) * len(chosen) + after
    x = _basic(xp, x, rest)
    axis = len([part for part in before if not isinstance(part, int)])
    lengths = x.shape[axis : axis + len(chosen)]
    indices = xp.broadcast_arrays(*chosen)
    flat = indices[0] * 0
    outside = flat > 0
    for index, length in zip(indices, lengths, strict=True):
        flat = flat * length + xp.where(index < 0, index + length, index)
        outside = outside | (index < -length) | (index >= length)
    # Out of one axis can be inside of all of them together: what was outside stays there, for the library to refuse.
    flat = xp.where(outside, math.prod(lengths), flat)
    shape = x.shape[:axis] + flat.shape + x.shape[axis + len(chosen) :]
    joined = xp.reshape(x, (*x.shape[:axis], math.prod(lengths), *x.shape[axis + len(chosen) :]))
    return xp.reshape(xp.take(joined, xp.reshape(flat, (-1,)), axis=axis), shape)


def take_along_axis(xp: Any, x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Gather along one axis, by one index for every element of the result."""
    x, indices = xp.lift(x), xp.lift(indices)
    axis = axis % x.ndim
    shape = tuple(max(n, m) if i != axis else 1 for i, (n, m) in enumerate(zip(x.shape, indices.shape, strict=True)))
    indices = xp.broadcast_to(indices, (*shape[:axis], indices.shape[axis], *shape[axis + 1 :]))
    x = xp.broadcast_to(x, (*shape[:axis], x.shape[axis], *shape[axis + 1 :]))
    length = x.shape[axis]
    flat = xp.where(indices < 0, indices + length, indices)
    outside = (indices < -length) | (indices >= length)
    stride = 1
    offset: Any = None
    for i in reversed(range(x.ndim)):
        if i == axis:
            flat = flat * stride
        elif x.shape[i] > 1:
            steps = xp.arange(0, x.shape[i] * stride, stride, dtype=indices.dtype, device=indices.device)
            steps = xp.reshape(steps, tuple(-1 if j == i else 1 for j in range(x.ndim)))
            offset = steps if offset is None else offset + steps
        stride *= x.shape[i]
    flat = flat if offset is None else flat + offset
    flat = xp.where(outside, stride, flat)  # there is no such place, and the library refuses it
    return xp.reshape(xp.take(xp.reshape(x, (stride,)), xp.reshape(flat, (-1,)), axis=0), indices.shape)
