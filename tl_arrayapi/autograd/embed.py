"""Writing as a function, with the functions of the standard alone: an array put into a slice of zeros, which is the
adjoint of that slice, or of another array; and which of many writers to a place is the last.
"""

from typing import Any

import array_api_compat

__all__ = ["embed", "is_writeable", "put", "writers"]


def is_writeable(x: Any) -> bool:
    """Say whether items of ``x`` can be assigned.

    >>> import numpy
    >>> is_writeable(numpy.zeros(3)), is_writeable(numpy.broadcast_to(0.0, (3,)))
    (True, False)
    """
    return bool(array_api_compat.is_writeable_array(x)) and hasattr(type(x), "__setitem__")


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
    if is_writeable(zeros):
        zeros[key] = x
        return zeros
    return _gathered(xp, x, shape, key, where)


def put(xp: Any, x: Any, value: Any, key: tuple[Any, ...]) -> Any:
    """Return a copy of ``x`` in which the elements that ``key`` selects are those of ``value``, which is broadcast.

    >>> import array_api_compat.numpy as xp
    >>> put(xp, xp.asarray([1.0, 2.0, 3.0]), xp.asarray(7.0), (slice(0, 2),))
    array([7., 7., 3.])
    """
    kept = zip(_per_axis(key, x.shape), _items(key, x.ndim), strict=True)
    shape = tuple(len(positions) for positions, item in kept if isinstance(item, slice))
    if 0 in shape:
        return x
    if is_writeable(x):
        copy = xp.asarray(x, copy=True)
        copy[key] = value
        return copy
    value = xp.broadcast_to(value, shape)
    return xp.where(embed(xp, xp.ones_like(value), x.shape, key) != 0, embed(xp, value, x.shape, key), x)


def writers(xp: Any, indices: Any, count: int) -> Any:
    """Return, for each of ``count`` places, the last position in the 1-d ``indices`` that names it, or -1.

    >>> import array_api_compat.numpy as xp
    >>> writers(xp, xp.asarray([2, 0, 2]), 4)
    array([ 1, -1,  2, -1])
    """
    where = {} if (device := array_api_compat.device(indices)) is None else {"device": device}
    places = xp.arange(count, dtype=indices.dtype, **where)
    if indices.shape[0] == 0:
        return places * 0 - 1
    order = xp.argsort(indices, stable=True)
    ordered = xp.take(indices, order, axis=0)
    last = xp.searchsorted(ordered, places, side="right") - 1
    last = xp.where(last < 0, xp.zeros_like(last), last)
    found = xp.astype(xp.take(order, last, axis=0), indices.dtype)
    return xp.where(xp.take(ordered, last, axis=0) == places, found, places * 0 - 1)


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


def _items(key: tuple[Any, ...], rank: int) -> list[Any]:
    """Return an integer or a slice for each of ``rank`` axes."""
    items = list(key)
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (rank - len(items) + 1)
    return items + [slice(None)] * (rank - len(items))


def _per_axis(key: tuple[Any, ...], shape: tuple[int, ...]) -> list[range]:
    """Return the positions that ``key`` selects along each axis."""
    return [
        range(*item.indices(n)) if isinstance(item, slice) else range(item % n, item % n + 1)
        for item, n in zip(_items(key, len(shape)), shape, strict=True)
    ]
