"""Indexing as the standard has it, to read and to write, made of the primitives of one axis: plain functions of the
namespace ``xp``.

Nothing is written in place: `setitem` returns a new array, and leaves what was recorded before as it was.
"""

import math
import numbers
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.autograd.array import Array, StandIn, bind, held, watched
from tl_arrayapi.autograd.axes import from_front
from tl_arrayapi.autograd.rules.indexing import GETITEM, PUT, WRITERS
from tl_arrayapi.errors import DTypeError, IndexShapeError, ShapeError, WatchedError

__all__ = ["getitem", "setitem", "take_along_axis"]


def getitem(xp: Any, x: Any, key: Any, /) -> Any:
    """Index as the standard says: integers, slices, None and Ellipsis; boolean arrays; or integer arrays side by side.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.grad(lambda x: x[-1] * x[1])(numpy.asarray([1.0, 2.0, 3.0]))
    array([0., 3., 2.])
    """
    parts = _parts(xp, x, key)
    if _is_mask(xp, parts):
        return _masked(xp, x, _fitting(xp, x, parts[0]))
    if any(type(part) is Array for part in parts):
        return _Gather.of(xp, x, parts).read()
    return _Basic.of(x.shape, parts).read(xp, x)


def setitem(xp: Any, x: Any, key: Any, value: Any, /) -> Any:
    """Return ``x`` with ``value`` in the places that ``key`` selects; keys are those of `getitem`.

    ``value`` is broadcast to the shape of ``x[key]`` and converted to the dtype of ``x``. Where an integer array names
    a place twice the last value stays.

    >>> import numpy, tl_arrayapi as tl
    >>> def squares(x):
    ...     y = tl.array_namespace(x).zeros(3)
    ...     y[1:] = x * x
    ...     return y[1] + 10 * y[2]
    >>> tl.grad(squares)(numpy.asarray([1.0, 2.0]))
    array([ 2., 40.])
    """
    value = _value(xp, x, value)
    parts = _parts(xp, x, key)
    if _is_mask(xp, parts):
        return _written_where(xp, x, _fitting(xp, x, parts[0]), value)
    if any(type(part) is Array for part in parts):
        return _Gather.of(xp, x, parts).written(value)
    return _Basic.of(x.shape, parts).written(xp, x, value)


def _value(xp: Any, x: Any, value: Any) -> Any:
    value = xp.ground.as_number(value)
    if isinstance(value, (bool, int, float, complex)) and not hasattr(value, "shape"):
        value = xp.asarray(value, device=x.device)
    elif isinstance(value, (list, tuple)):
        value = xp.asarray(value, dtype=x.dtype, device=x.device)
    value = xp.lift(value, "the value assigned")
    if value.dtype == x.dtype:
        return value
    if xp.isdtype(value.dtype, "complex floating") and not xp.isdtype(x.dtype, "complex floating"):
        raise DTypeError(f"a value of dtype {value.dtype} does not fit into an array of {x.dtype}: take its real part")
    if watched(value) and not xp.ground.is_inexact(x.dtype):
        raise WatchedError(
            f"a watched value of dtype {value.dtype} would lose its gradient in an array of {x.dtype}: "
            "make that array a floating one"
        )
    return xp.astype(value, x.dtype)


# ---- keys
def _parts(xp: Any, x: Any, key: Any) -> tuple[Any, ...]:
    """Return ``key`` as a tuple of ints, slices, None, Ellipsis, and Arrays: integer ones, or one boolean one alone."""
    parts = key if isinstance(key, tuple) else (key,)
    if all(_is_basic(part) for part in parts):
        return parts
    parts = tuple(_canonical(xp, x, part) for part in parts)
    masks = [part for part in parts if type(part) is Array and xp.isdtype(part.dtype, "bool")]
    if not masks:
        return parts
    others = [part for part in parts if part is not Ellipsis]
    if len(others) == 1 and (len(parts) == 1 or parts[0] is not Ellipsis):
        return (masks[0],)
    # Among other parts a mask is the integer arrays of its true places.
    found: list[Any] = []
    for part in parts:
        if type(part) is not Array or not xp.isdtype(part.dtype, "bool"):
            found.append(part)
        elif part.ndim == 0:
            raise ShapeError("a 0-d boolean stands alone in an index")
        else:
            _refuse_lazy(xp)
            found.extend(xp.nonzero(part))
    return tuple(found)


def _is_basic(part: Any) -> bool:
    return part is None or part is Ellipsis or (isinstance(part, (int, slice)) and not isinstance(part, bool))


def _canonical(xp: Any, x: Any, part: Any) -> Any:
    """Return one part of a key in canonical form: an int for what is a 0-d integer, an Array for an index array."""
    if isinstance(part, slice):
        return part
    if isinstance(part, bool):
        return xp.asarray(part, device=x.device)
    if _is_basic(part):
        return part
    if isinstance(part, numbers.Integral):
        return int(part)
    if isinstance(part, list):
        part = xp.asarray(part, device=x.device)
        if part.size == 0:
            part = xp.astype(part, xp.ground.index_dtype)
    part = xp.lift(part, "an index")
    if part.ndim == 0 and xp.isdtype(part.dtype, "integral") and _is_readable(xp, part):
        return int(part)
    if not xp.isdtype(part.dtype, ("bool", "integral")):
        raise IndexError(f"an index of dtype {part.dtype}: integers and booleans select")
    return part


def _is_mask(xp: Any, parts: tuple[Any, ...]) -> bool:
    return len(parts) == 1 and type(parts[0]) is Array and bool(xp.isdtype(parts[0].dtype, "bool"))


def _is_readable(xp: Any, x: Any) -> bool:
    """Say whether ``x`` has one value, that can be read without computing anything."""
    while type(x) is Array:
        x = x.value
    return not xp.backend.lazy and not isinstance(x, StandIn)


def _refuse_lazy(xp: Any) -> None:
    if xp.backend.lazy:
        raise ShapeError(
            f"{xp.backend.name} computes nothing before it is asked to, and the length of what a boolean index selects "
            "would be unknown: use xp.where, or compute the array first"
        )


# ---- integers, slices, None and Ellipsis
@dataclass(frozen=True)
class _Basic:
    """A key of integers, slices, None and Ellipsis, for the primitives, which know neither None, nor negative steps,
    nor fewer parts than axes: not all libraries do.
    """

    key: tuple[Any, ...]
    flipped: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    """The shape of the primitive's result, before what ``flipped`` and ``shape`` say; not used without ``shape``."""
    shape: tuple[int, ...] | None = None
    """The shape of the result; None where the primitive's is it already."""

    @classmethod
    def of(cls, shape: tuple[int, ...], parts: tuple[Any, ...]) -> "_Basic":
        if not any(part is Ellipsis for part in parts):
            parts = (*parts, Ellipsis)
        plain = tuple(part for part in parts if part is not None)
        backwards = any(isinstance(part, slice) and part.step is not None and part.step < 0 for part in plain)
        if len(plain) - 1 > len(shape):
            raise IndexError(f"{len(plain) - 1} indices for an array of {len(shape)} axes, of shape {shape}")
        if len(plain) == len(parts) and not backwards:
            return cls(parts)
        at = next(i for i, part in enumerate(plain) if part is Ellipsis)
        full = plain[:at] + (slice(None),) * (len(shape) - len(plain) + 1) + plain[at + 1 :]
        kept = [i for i, part in enumerate(full) if isinstance(part, slice)]
        flipped = tuple(place for place, i in enumerate(kept) if (full[i].step or 1) < 0)
        key = (
            *(_forward(part, n) if isinstance(part, slice) else part for part, n in zip(full, shape, strict=True)),
            Ellipsis,
        )
        left = tuple(len(range(*full[i].indices(shape[i]))) for i in kept)
        lengths = iter(left)
        result: list[int] = []
        for part in parts:
            if part is None:
                result.append(1)
            elif part is Ellipsis:
                result.extend(next(lengths) for _ in range(len(full) - len(plain) + 1))
            elif isinstance(part, slice):
                result.append(next(lengths))
        return cls(key, flipped, left, tuple(result))

    def read(self, xp: Any, x: Any) -> Any:
        x = bind(GETITEM, (x,), {"key": self.key})
        if self.flipped:
            x = xp.flip(x, axis=self.flipped)
        return x if self.shape is None or x.shape == self.shape else xp.reshape(x, self.shape)

    def written(self, xp: Any, x: Any, value: Any) -> Any:
        if self.shape is not None:
            value = xp.reshape(xp.broadcast_to(value, self.shape), self.kept)
            value = xp.flip(value, axis=self.flipped) if self.flipped else value
        return bind(PUT, (x, value), {"key": self.key})


def _forward(part: slice, length: int) -> slice:
    """Return the slice with a positive step that selects the same positions."""
    chosen = range(*part.indices(length))
    if chosen.step > 0:
        return part
    chosen = chosen[::-1]
    return slice(chosen.start, chosen[-1] + 1, chosen.step) if len(chosen) else slice(0, 0)


# ---- one boolean array
def _fitting(xp: Any, x: Any, mask: Any) -> Any:
    """Return ``mask`` with the lengths of the first axes of ``x``; an empty axis of it selects nothing."""
    lengths = x.shape[: mask.ndim]
    if mask.ndim > x.ndim or any(n not in (0, m) for n, m in zip(mask.shape, lengths, strict=True)):
        raise IndexShapeError(
            f"a boolean index of shape {mask.shape} does not fit the first axes of an array of shape {x.shape}"
        )
    return mask if mask.shape == lengths else xp.zeros(lengths, dtype=mask.dtype, device=x.device)


def _masked(xp: Any, x: Any, mask: Any) -> Any:
    _refuse_lazy(xp)
    rows = xp.reshape(x, (math.prod(mask.shape), *x.shape[mask.ndim :]))
    return xp.take(rows, xp.nonzero(xp.reshape(mask, (-1,)))[0], axis=0)


def _written_where(xp: Any, x: Any, mask: Any, value: Any) -> Any:
    """Return ``x`` with ``value`` where ``mask`` is True: one for all places, or one for each of them in order."""
    rest = x.shape[mask.ndim :]
    count = math.prod(mask.shape)
    chosen = xp.reshape(mask, (count,) + (1,) * len(rest))
    rows = xp.reshape(x, (count, *rest))
    if value.ndim > len(rest) and value.shape[0] == 1:
        value = xp.squeeze(value, axis=0)
    if value.ndim > len(rest):
        order = xp.cumulative_sum(xp.astype(xp.reshape(mask, (count,)), xp.ground.index_dtype)) - 1
        if _is_readable(xp, mask) and int(xp.count_nonzero(mask)) != value.shape[0]:
            raise ShapeError(
                f"{value.shape[0]} values for {int(xp.count_nonzero(mask))} places: give one for each, or one for all"
            )
        if value.shape[0] == 0:
            return held(x)
        value = xp.take(value, xp.clip(order, 0, value.shape[0] - 1), axis=0)
    return xp.reshape(xp.where(chosen, xp.broadcast_to(value, rows.shape), rows), x.shape)


# ---- integer arrays
@dataclass(frozen=True)
class _Gather:
    """A key with integer arrays. The axes that arrays index, and integers beside them, become one axis, along which one
    ``take`` reads.
    """

    xp: Any
    x: Any
    rest: _Basic
    """What the key says of all other axes."""
    axis: int
    """Where the indexed axes begin, once that is done."""
    indices: tuple[Any, ...]
    after: tuple[int, ...] | None
    """The order of axes that puts the indexed ones first, where they do not stand side by side; else None."""

    @classmethod
    def of(cls, xp: Any, x: Any, parts: tuple[Any, ...]) -> "_Gather":
        used = sum(part is not None and part is not Ellipsis for part in parts)
        if used > x.ndim:
            raise IndexError(f"{used} indices for an array of {x.ndim} axes, of shape {x.shape}")
        if not any(part is Ellipsis for part in parts):
            parts = (*parts, Ellipsis)
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts = parts[:at] + (slice(None),) * (x.ndim - used) + parts[at + 1 :]
        chosen = [i for i, part in enumerate(parts) if isinstance(part, (Array, int))]
        together = chosen == list(range(chosen[0], chosen[-1] + 1))
        rest = _Basic.of(x.shape, tuple(slice(None) if i in chosen else part for i, part in enumerate(parts)))
        indices = xp.broadcast_arrays(*(_index(xp, parts[i], x) for i in chosen))
        # Apart from one another, the axes that arrays index come first in the result, as in NumPy.
        moved = None if together else (*chosen, *(i for i in range(len(parts)) if i not in chosen))
        return cls(xp, x, rest, chosen[0] if together else 0, indices, moved)

    def _selected(self) -> tuple[Any, Any, tuple[int, ...]]:
        """Return the rest of the key applied, with the indexed axes side by side; flat indices; the axes' lengths."""
        xp = self.xp
        x = self.rest.read(xp, self.x)
        x = x if self.after is None else xp.permute_dims(x, self.after)
        lengths = x.shape[self.axis : self.axis + len(self.indices)]
        flat: Any = None
        outside: Any = None
        for index, length in zip(self.indices, lengths, strict=True):
            beyond = (index < -length) | (index >= length)
            outside = beyond if outside is None else outside | beyond
            index = xp.where(index < 0, index + length, index)
            flat = index if flat is None else flat * length + index
        _refuse_outside(xp, outside, lengths)
        # Out of one axis can be inside of all of them together: what was outside stays so, for the library to refuse.
        return x, xp.where(outside, math.prod(lengths), flat), lengths

    def read(self) -> Any:
        xp, axis = self.xp, self.axis
        x, flat, lengths = self._selected()
        before, after = x.shape[:axis], x.shape[axis + len(lengths) :]
        joined = xp.reshape(x, (*before, math.prod(lengths), *after))
        return xp.reshape(xp.take(joined, xp.reshape(flat, (-1,)), axis=axis), before + flat.shape + after)

    def written(self, value: Any) -> Any:
        xp, axis = self.xp, self.axis
        x, flat, lengths = self._selected()
        before, after = x.shape[:axis], x.shape[axis + len(lengths) :]
        count = math.prod(lengths)
        value = xp.broadcast_to(value, before + flat.shape + after)
        if value.size == 0:
            return held(self.x)
        value = xp.reshape(value, (*before, flat.size, *after))
        writers = bind(WRITERS, (xp.reshape(flat, (-1,)),), {"count": count})
        written = xp.reshape(writers >= 0, (count,) + (1,) * len(after))
        taken = xp.take(value, xp.where(writers < 0, 0, writers), axis=axis)
        new = xp.where(written, taken, xp.reshape(x, (*before, count, *after)))
        new = xp.reshape(new, x.shape)
        if self.after is not None:
            new = xp.permute_dims(new, tuple(self.after.index(i) for i in range(len(self.after))))
        return self.rest.written(xp, self.x, new)


def _index(xp: Any, part: Any, x: Any) -> Any:
    """Return an index as an Array of the library's own dtype for indices: a narrow one does not hold flat places."""
    part = xp.asarray(part, device=x.device) if isinstance(part, int) else part
    return xp.astype(part, xp.ground.index_dtype, copy=False)


def _known(x: Any) -> Any:
    """Return the library's own array under ``x``: that of all examples, where it shows one of them; None where there is
    no array yet.
    """
    while True:
        if type(x) is Array:
            x = x.value
        elif isinstance(x, StandIn):
            x = x.below
        else:
            return x


def _refuse_outside(xp: Any, outside: Any, lengths: tuple[int, ...]) -> None:
    """Refuse indices outside of their axes, where their values are known; a lazy library finds them later."""
    values = _known(outside)
    known = values is not None and xp.backend.keep_scalars and not xp.backend.lazy
    if known and bool(xp.inner.any(values)):
        raise IndexError(f"an index lies outside of its axis: the axes indexed have {lengths} elements")


def take_along_axis(xp: Any, x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Gather along one axis, by one index for every element of the result.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.namespace(numpy).take_along_axis(numpy.asarray([5.0, 6.0]), numpy.asarray([1, 1, 0]))
    Array(array([6., 6., 5.]), a constant)
    """
    x, indices = xp.lift(x), xp.lift(indices)
    axis = from_front(axis, x.ndim, "the operand of take_along_axis")
    indices = xp.astype(indices, xp.ground.index_dtype, copy=False)
    pairs = enumerate(zip(x.shape, indices.shape, strict=True))
    shape = tuple(1 if i == axis else n if m == 1 else m for i, (n, m) in pairs)
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
            steps = xp.arange(x.shape[i], dtype=indices.dtype, device=indices.device) * stride
            steps = xp.reshape(steps, tuple(-1 if j == i else 1 for j in range(x.ndim)))
            offset = steps if offset is None else offset + steps
        stride *= x.shape[i]
    flat = flat if offset is None else flat + offset
    _refuse_outside(xp, outside, (length,))
    flat = xp.where(outside, stride, flat)  # there is no such place, and the library refuses it
    return xp.reshape(xp.take(xp.reshape(x, (stride,)), xp.reshape(flat, (-1,)), axis=0), indices.shape)
