"""Where a pass over samples is cut into pieces: a function of numbers alone."""

from collections.abc import Sequence

__all__ = ["bounds"]


def bounds(total: int, size: int, borders: Sequence[int] | None = None, align: int = 1) -> Sequence[int]:
    """Return where ``total`` samples are cut into pieces of about ``size``: rising places from 0 to ``total``.

    ``borders`` are places, from 0 to ``total``, at which reading is cheap: pieces end only there, and have at least
    ``size`` samples but for the last. All bounds but the last are multiples of ``align``.

    >>> list(bounds(10, 4)), list(bounds(10, 4, align=5))
    ([0, 4, 8, 10], [0, 5, 10])
    >>> list(bounds(10, 4, borders=[0, 3, 5, 6, 10])), list(bounds(10, 1, borders=[0, 3, 5, 10], align=2))
    ([0, 5, 10], [0, 4, 6, 10])
    """
    size = -(-size // align) * align
    if borders is None:
        return _Even(total, size)
    found = [0]
    for border in borders:
        place = min(-(-border // align) * align, total)
        if place - found[-1] >= size:
            found.append(place)
    if found[-1] != total:
        found.append(total)
    return found


class _Even(Sequence[int]):
    """0, size, 2 size, ... and the total, without a list of them."""

    def __init__(self, total: int, size: int) -> None:
        self._total = total
        self._size = size

    def __len__(self) -> int:
        return -(-self._total // self._size) + 1

    def __getitem__(self, index: int) -> int:  # type: ignore[override]  # slices are not asked for
        if not 0 <= index < len(self):
            raise IndexError(f"bound {index} of {len(self)}")
        return min(index * self._size, self._total)
