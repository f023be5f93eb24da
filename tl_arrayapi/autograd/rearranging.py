"""``repeat``, as a plain function of the namespace ``xp``: broadcasting, or a gather, which have rules."""

import numbers
from typing import Any

from tl_arrayapi.autograd.axes import from_front
from tl_arrayapi.errors import ArgumentError, BackendError, DTypeError, ShapeError, TraceError

__all__ = ["repeat"]


def repeat(xp: Any, x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Repeat each element along an axis, as often as an integer says, or an array or a tuple with one for each."""
    x = xp.lift(x)
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    axis = from_front(axis, x.ndim, "the operand of repeat")
    before, count, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if isinstance(repeats, numbers.Integral):
        (times,) = _checked((int(repeats),))
        rows = xp.broadcast_to(xp.expand_dims(x, axis=axis + 1), (*before, count, times, *after))
        return xp.reshape(rows, (*before, count * times, *after))
    integer = xp.arange(0, device=x.device).dtype
    total = None
    if isinstance(repeats, (tuple, list)):
        total = sum(_checked(repeats)) * (count if len(repeats) == 1 else 1)
        repeats = xp.asarray(repeats, dtype=integer, device=x.device)
    repeats = xp.lift(repeats, "the numbers of repeats")
    if not xp.isdtype(repeats.dtype, "integral"):
        raise DTypeError(f"repeat takes integer numbers of repeats; got an array of dtype {repeats.dtype}: cast it")
    if repeats.shape not in ((), (1,), (count,)):
        raise ShapeError(f"repeat takes one number of repeats, or {count}, one an element; got shape {repeats.shape}")
    total = _total(xp, repeats, count) if total is None else total
    # Element i of the result lies before the end of its element's last repeat, and not before that of the one before.
    ends = xp.cumulative_sum(xp.broadcast_to(xp.astype(repeats, integer), (count,)))
    places = xp.searchsorted(ends, xp.arange(total, dtype=ends.dtype, device=x.device), side="right")
    return xp.take(x, places, axis=axis)


def _checked(repeats: Any) -> Any:
    if not all(isinstance(times, numbers.Integral) and int(times) >= 0 for times in repeats):
        raise ArgumentError(f"repeat takes integer numbers of repeats, 0 or more; got {repeats}")
    return repeats


def _total(xp: Any, repeats: Any, count: int) -> int:
    """Return the sum of an array of repeats, which is read for it."""
    if xp.backend.lazy:
        raise BackendError(
            f"{xp.backend.name} computes nothing before it is asked to, and the length of a repeat by an array "
            "would be unknown: give the repeats as an integer, or as a tuple of integers"
        )
    if xp.ground.traces:
        raise TraceError(
            "the length of a repeat by an array depends on values, which a trace has not: give them as an integer, "
            "or as a tuple of integers"
        )
    if bool(xp.any(repeats < 0)):
        raise ArgumentError("repeat takes numbers of repeats that are 0 or more; got a negative one in the array")
    return int(xp.sum(repeats)) * (1 if repeats.shape == (count,) else count)
