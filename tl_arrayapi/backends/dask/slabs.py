"""Arrays in parts that follow one another in row-major order, so that one larger than the memory can be read."""

import itertools
from collections.abc import Iterator
from typing import Any

__all__ = ["slabs"]

_MOST = 2**28  # bytes


def slabs(array: Any, most: int = _MOST) -> Iterator[Any]:
    """Yield parts of a Dask array in row-major order, of ``most`` bytes at most.

    A part is as many whole chunks along the first axis as fit. Where one does not fit, it is cut, and computed anew for
    each part: large arrays that are to be read are best chunked along the first axis alone.

    >>> import dask.array
    >>> [part.shape for part in slabs(dask.array.zeros((5, 3), chunks=(2, 3)), most=100)]
    [(4, 3), (1, 3)]
    """
    if array.nbytes <= most or array.ndim == 0:
        yield array
        return
    row = array.nbytes // array.shape[0]
    if row > most:
        for place in range(array.shape[0]):
            yield from slabs(array[place], most)
        return
    low = 0
    while low < array.shape[0]:
        high = _stop(array.chunks[0], low, most // row)
        yield array[low:high]
        low = high


def _stop(sizes: tuple[int, ...], low: int, rows: int) -> int:
    """Return the last border of chunks that is ``rows`` or fewer after ``low``; where there is none, cut a chunk."""
    borders = [border for border in itertools.accumulate(sizes) if low < border <= low + rows]
    return borders[-1] if borders else low + rows
