"""The adjoint of a basic slice: zeros with an array put where the slice was."""

from typing import Any

import array_api_compat

__all__ = ["embed"]


def embed(xp: Any, x: Any, shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    """Return zeros of ``shape`` in which the elements that ``key`` selects are those of ``x``.

    ``key`` holds integers, slices of positive steps, and Ellipsis. Where the library's arrays can be written to, one
    assignment does it; elsewhere each axis is gathered from ``x`` with a row of zeros behind it.

    >>> import array_api_compat.numpy as xp
    >>> embed(xp, xp.asarray([1.0, 2.0]), (5,), (slice(0, 4, 2),))
    array([1., 0., 2., 0., 0.])
    """
    where = {} if (device := array_api_compat.device(x)) is None else {"device": device}
    zeros = xp.zeros(shape, dtype=x.dtype, **where)
    if 0 in x.shape:
        return zeros
    if array_api_compat.is_writeable_array(zeros) and hasattr(type(zeros), "__setitem__"):
        zeros[key] = x
        return zeros
    return _gathered(xp, x, shape, key, where)


def _gathered(xp: Any, x: Any, shape: tuple[int, ...], key: tuple[Any, ...], where: dict[str, Any]) -> Any:
    selected = _per_axis(key, shape)
    x = xp.reshape(x, tuple(len(positions) for positions in selected))
    for axis, (positions, count) in enumerate(zip(selected, shape, strict=True)):
        if list(positions) == list(range(count)):
            continue
        row = xp.zeros((*x.shape[:axis], 1, *x.shape[axis + 1 :]), dtype=x.dtype, **where)
        source = [len(positions)] * count
        for place, position in enumerate(positions):
            source[position] = place
        x = xp.take(xp.concat([x, row], axis=axis), xp.asarray(source, **where), axis=axis)
    return x


def _per_axis(key: tuple[Any, ...], shape: tuple[int, ...]) -> list[range]:
    """Return the positions that ``key`` selects along each axis."""
    items = list(key)
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (len(shape) - len(items) + 1)
    items += [slice(None)] * (len(shape) - len(items))
    return [
        range(*item.indices(n)) if isinstance(item, slice) else range(item % n, item % n + 1)
        for item, n in zip(items, shape, strict=True)
    ]
