"""Sources whose samples only reading shows: Dask bags, and lists of Delayed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy

from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.expected import Expected
from tl_arrayapi.distributed.samples.graphs import Work, is_collection, shared_out
from tl_arrayapi.distributed.samples.piece import Piece
from tl_arrayapi.distributed.samples.weights import checked_weights
from tl_arrayapi.errors import StructureError

__all__ = ["Collected", "is_bag", "is_delayed"]


def is_bag(x: Any) -> bool:
    """Say whether ``x`` is one of Dask's bags.

    >>> is_bag([1])
    False
    """
    return is_collection(x) and hasattr(type(x), "foldby")


def is_delayed(x: Any) -> bool:
    """Say whether ``x`` is one of Dask's Delayed objects.

    >>> is_delayed([1])
    False
    """
    return type(x).__module__ == "dask.delayed"


@dataclass(frozen=True)
class _Loose:
    """Samples of an unknown number."""

    name: str
    work: Work
    expected: Expected
    first: None = None
    count: None = None

    @property
    def nbytes(self) -> int:
        return self.work.nbytes

    @property
    def inputs(self) -> tuple[Any, ...]:
        return self.work.inputs

    def load(self, *inputs: Any) -> Chunk:
        samples, *weights = self.work.values(*inputs)
        chunk = self.expected.chunk(self.name, None, samples)
        return chunk.weighed(_weights(weights[0], len(chunk), self.name)) if weights else chunk


def _weights(weights: Any, count: int, where: str) -> numpy.ndarray[Any, Any]:
    found = numpy.asarray(weights if hasattr(weights, "shape") else list(weights))
    if found.shape != (count,):
        raise StructureError(
            f"{where} has {count} samples and weights of shape {found.shape}: one for each is expected"
        )
    return checked_weights(found, where)


@dataclass(frozen=True)
class Collected:
    """The source of values of Dask ``collections`` at ``keys``, of the samples and, where there are any, the weights of
    each piece; ``label`` is the name of a piece, with room for its number.
    """

    kind: str
    label: str
    collections: tuple[Any, ...]
    keys: Sequence[tuple[Any, ...]]
    expected: Expected
    total: None = None
    sample_nbytes: None = None

    @property
    def pieces(self) -> int:
        """The number of partitions."""
        return len(self.keys)

    def resized(self, size: int) -> "Collected":
        """Return the source itself: pieces come as they are."""
        return self

    def __iter__(self) -> Iterator[Piece]:
        for i, work in enumerate(shared_out(self.collections, self.keys)):
            yield _Loose(self.label.format(i), work, self.expected)

    def take(self, places: Sequence[int]) -> NoReturn:
        """Refuse: which partition has a sample, only reading all tells."""
        raise StructureError(
            f"the samples of a {self.kind} can be read from beginning to end only: to pick some, give Dask "
            "arrays of known chunks, files or arrays"
        )
