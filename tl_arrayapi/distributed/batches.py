"""Mini-batches of training: which samples each step takes, and in which pieces.

Nothing here knows what is done with them, or where.
"""

import itertools
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tl_arrayapi.distributed.samples import Source
from tl_arrayapi.distributed.samples.piece import Piece
from tl_arrayapi.train import shuffled

__all__ = ["Batch", "Batches", "one_ahead"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Batches:
    """Say which samples each step takes: what decides, besides parameters and samples, to which bits training comes.

    >>> [places for places, _ in zip(Batches(5, 2, 1, seed=0, block=16).places(1), range(3))]
    [[2, 1], [3], [2, 4]]
    >>> Batches(5, 2, 2, seed=0, block=16).places(0).__next__()
    [0, 4, 2, 1]
    """

    samples: int
    batch_size: int
    accumulate: int
    seed: int
    block: int

    def places(self, start: int) -> Iterator[list[int]]:
        """Yield the places of the samples of each step, from step ``start`` on, without end."""
        batches = self._batches(start * self.accumulate)
        while True:
            yield [place for _ in range(self.accumulate) for place in next(batches)]

    def _batches(self, start: int) -> Iterator[list[int]]:
        size = self.batch_size
        epoch, skipped = divmod(start, -(-self.samples // size))
        for number in itertools.count(epoch):
            order = shuffled(self.samples, self.seed, number)
            for low in range(skipped * size, self.samples, size):
                yield order[low : low + size]
            skipped = 0

    def piece_blocks(self, places: int, fewest: int, workers: int) -> int:
        """Return how many blocks a task has, a power of two: its sums are then one branch of the tree.

        >>> batches = Batches(10_000, 1_000, 1, seed=0, block=64)
        >>> [batches.piece_blocks(1_000, 16, workers) for workers in (1, 2, 3, 20)]
        [16, 8, 8, 1]
        """
        blocks = -(-places // self.block)
        wanted = max(-(-blocks // workers), -(-fewest // self.block))
        return 1 << (wanted - 1).bit_length()


@dataclass(frozen=True)
class Batch:
    """The samples at ``places``, in that order, in pieces of ``size``: see `Source`."""

    samples: Source
    places: Sequence[int]
    size: int

    @property
    def total(self) -> int:
        """The number of samples."""
        return len(self.places)

    @property
    def pieces(self) -> int:
        """The number of pieces."""
        return -(-len(self.places) // self.size)

    @property
    def sample_nbytes(self) -> int | None:
        """The bytes of one sample's inputs, None where samples differ."""
        return self.samples.sample_nbytes

    def resized(self, size: int) -> "Batch":
        """Return the same samples in pieces of ``size``."""
        return replace(self, size=size)

    def __iter__(self) -> Iterator[Piece]:
        """Give all pieces, in order."""
        for low in range(0, len(self.places), self.size):
            yield self.samples.take(self.places[low : low + self.size])

    def take(self, places: Sequence[int]) -> Piece:
        """Return the piece of the samples at ``places`` of the batch."""
        return self.samples.take([self.places[i] for i in places])


def one_ahead(items: Iterator[_T]) -> Generator[_T, None, None]:
    """Yield ``items``, each made by another thread while the one before it is in use.

    >>> list(one_ahead(iter("abc")))
    ['a', 'b', 'c']
    """
    end: Any = object()
    with ThreadPoolExecutor(1, "tl_arrayapi-ahead") as thread:
        upcoming = thread.submit(next, items, end)
        while (item := upcoming.result()) is not end:
            upcoming = thread.submit(next, items, end)
            yield item
