"""Adding rows at indices with the functions of the standard alone: for libraries that have nothing better."""

import math
from typing import Any

__all__ = ["scatter_add"]

_BLOCK = 1 << 22


def scatter_add(
    xp: Any, shape: tuple[int, ...], indices: Any, updates: Any, axis: int, device: Any, block: int = _BLOCK
) -> Any:
    """Return zeros of ``shape`` plus ``updates``, added along ``axis`` at the 1-d integer ``indices``.

    Each row of the result is a sum over all updates, those of other rows replaced by 0: not a product with a one-hot
    matrix, in which an infinite update would make NaN of every row. ``block`` bounds the number of elements that are
    held at once. The work is that of the product, ``shape[axis]`` times the size of ``updates``.

    >>> import array_api_strict as xp
    >>> rows = xp.asarray([1.0, 2.0, 4.0])
    >>> [float(x) for x in xp.unstack(scatter_add(xp, (3,), xp.asarray([0, 0, -1]), rows, 0, rows.device))]
    [3.0, 0.0, 4.0]
    """
    count = shape[axis]
    where = {} if device is None else {"device": device}
    updates = xp.moveaxis(updates, axis, 0)
    if count == 0 or math.prod(updates.shape) == 0:
        return xp.zeros(shape, dtype=updates.dtype, **where)
    # The indices' own dtype may be too narrow for the length of the axis.
    integer = xp.arange(0, **where).dtype
    indices = xp.astype(indices, integer, copy=False)
    indices = xp.expand_dims(xp.where(indices < 0, indices + count, indices), axis=0)
    zero = xp.zeros((), dtype=updates.dtype, **where)
    rows = max(1, block // math.prod(updates.shape))
    parts = []
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        positions = xp.expand_dims(xp.arange(start, stop, dtype=integer, **where), axis=1)
        chosen = xp.reshape(positions == indices, (stop - start, updates.shape[0]) + (1,) * (updates.ndim - 1))
        kept = xp.where(chosen, xp.expand_dims(updates, axis=0), zero)
        parts.append(xp.sum(kept, axis=1, dtype=updates.dtype))
    return xp.moveaxis(xp.concat(parts, axis=0), 0, axis)
