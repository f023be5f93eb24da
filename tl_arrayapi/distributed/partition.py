"""How work is cut and put together again: chunks of fixed bounds, and a tree of fixed shape.

Both depend on the number of samples alone, never on who does the work or when. Nothing here knows what a chunk holds.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

__all__ = ["Tree", "chunk_size", "fold", "spans"]

_T = TypeVar("_T")

_SMALL, _LARGE = 8 * 2**20, 64 * 2**20  # bytes


class Tree(Generic[_T]):
    """Merge a sequence of values pairwise, in a tree whose shape depends on their number alone.

    It is a binary counter: two neighbours that stand for equally many values are merged at once, so that n values need
    room for log2(n). Cutting the sequence into runs of 2^k, and merging what the runs give, is the same tree.

    >>> tree = Tree(lambda left, right: f"({left}{right})")
    >>> for letter in "abcdefg":
    ...     tree.push(letter)
    >>> tree.result()
    '(((ab)(cd))((ef)g))'
    """

    def __init__(self, merge: Callable[[_T, _T], _T]) -> None:
        self._merge = merge
        self._stack: list[tuple[int, _T]] = []

    def push(self, value: _T) -> None:
        """Append one value."""
        height = 0
        while self._stack and self._stack[-1][0] == height:
            value = self._merge(self._stack.pop()[1], value)
            height += 1
        self._stack.append((height, value))

    def result(self) -> _T:
        """Return all values merged, of which there must be one at least; the tree is empty after that."""
        _, value = self._stack.pop()
        while self._stack:
            value = self._merge(self._stack.pop()[1], value)
        return value


def fold(merge: Callable[[_T, _T], _T], values: Iterable[_T]) -> _T:
    """Return ``values``, one at least, merged in a `Tree`.

    >>> fold(max, [3, 1, 2])
    3
    """
    tree = Tree(merge)
    for value in values:
        tree.push(value)
    return tree.result()


def chunk_size(count: int, micro_batch: int, sample_bytes: int | None = None, fewest: int = 64) -> int:
    """Return how many of ``count`` samples make a task: ``micro_batch``, doubled while tasks are too many or too small.

    A task costs client, scheduler and worker milliseconds. So there are no more than ``fewest``, or four times as many
    where they then have eight megabytes each; and no fewer, where that can be: nobody knows how long a sample takes,
    and workers would wait for the last ones. No task has more than 64 megabytes that need not.

    >>> chunk_size(1_000, 64), chunk_size(100_000, 64), chunk_size(10**9, 64, 44), chunk_size(10**9, 64, 44, 4000)
    (64, 2048, 1048576, 262144)
    """
    size, row = micro_batch, sample_bytes or 0

    def are_many(tasks: int) -> bool:
        return tasks > 4 * fewest or (tasks > fewest and size * row < _SMALL)

    while are_many(-(-count // size)) and size * 2 * row <= _LARGE:
        size *= 2
    return size


def spans(count: int, size: int) -> list[tuple[int, int]]:
    """Return the bounds of runs of ``size`` among ``count`` places, the last one shorter.

    >>> spans(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(start, min(start + size, count)) for start in range(0, count, size)]
