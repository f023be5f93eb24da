"""``repeat``, as a plain function of the namespace ``xp``: broadcasting, or a gather, which have rules."""

import numbers
from typing import Any

from tl_arrayapi.errors import ArgumentError, BackendError, ShapeError

__all__ = ["repeat"]


def repeat(xp: Any, x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Repeat each element along an axis, as often as an integer says, or an array or a tuple with one for each."""
    x = xp.lift(x)
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    axis = axis % x.ndim
    before, count, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if not isinstance(repeats, numbers.Integral):
        return xp.take(x, _places(xp, repeats, count, x.device), axis=axis)
    times = int(repeats)
    if times < 0:
        raise ArgumentError(f"repeat takes numbers of repeats that are 0 or more; got {times}")
    rows = xp.broadcast_to(xp.expand_dims(x, axis=axis + 1), (*before, count, times, *after))
    return xp.reshape(rows, (*before, count * times, *after))


def _places(xp: Any, repeats: Any, count: int, device: Any) -> Any:
    """Return, for each element of the result, its place among the ``count`` elements that are repeated."""
    total: int | None = None
    if isinstance(repeats, (tuple, list)):
        if any(times < 0 for times in repeats):
            raise ArgumentError(f"repeat takes numbers of repeats that are 0 or more; got {repeats}")
        total = sum(repeats) * (count if len(repeats) == 1 else 1)
        repeats = xp.asarray(repeats, dtype=xp.int64, device=device)
    repeats = xp.lift(repeats, "the repeats")
    if repeats.shape not in ((), (1,), (count,)):
        raise ShapeError(f"repeat takes one number of repeats, or {count}, one an element; got shape {repeats.shape}")
    repeats = xp.broadcast_to(repeats, (count,))
    if total is None:
        if xp.backend.lazy:
            raise BackendError(
                f"{xp.backend.name} computes nothing before it is asked to, and the length of a repeat by an array "
                "would be unknown: give the repeats as an integer, or as a tuple of integers"
            )
        if bool(xp.any(repeats < 0)):
            raise ArgumentError("repeat takes numbers of repeats that are 0 or more; got a negative one")
        total = int(xp.sum(repeats))
    # Element i of the result lies before the end of its element's last repeat, and not before that of the one before.
    ends = xp.cumulative_sum(repeats)
    return xp.searchsorted(ends, xp.arange(total, dtype=ends.dtype, device=device), side="right")
