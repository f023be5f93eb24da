"""A table of arrays in memory, of any library."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.distributed.samples.kinds import Kind
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.distributed.samples.table import Part
from tl_arrayapi.train import StackedSamples

__all__ = ["InMemory"]


@dataclass(frozen=True)
class _Rows:
    """Rows that are held."""

    columns: tuple[Packed, ...]

    @property
    def nbytes(self) -> int:
        return sum(x.nbytes for x in self.columns)

    @property
    def inputs(self) -> tuple[Any, ...]:
        return ()

    @property
    def arity(self) -> int:
        return 0

    def read(self) -> tuple[Packed, ...]:
        return self.columns


class InMemory:
    """The table of arrays that share their first axis; rows are packed when they are asked for.

    >>> import numpy
    >>> from tl_arrayapi import backends
    >>> table = InMemory(backends.get(None), (numpy.arange(6).reshape(3, 2),))
    >>> table.length, [part.read()[0].values.tolist() for part in table.parts([0, 2, 3])]
    (3, [[[0, 1], [2, 3]], [[4, 5]]])
    """

    label = ""
    borders = None

    def __init__(self, backend: Backend, arrays: tuple[Any, ...], names: Sequence[str] | None = None) -> None:
        self._backend = backend
        self._samples = StackedSamples(arrays)
        self.length = len(self._samples)
        self.kinds = tuple(
            Kind(f"input {k}" if names is None else names[k], tuple(x.shape[1:]), backend.dtype_name(x.dtype))
            for k, x in enumerate(arrays)
        )

    def parts(self, bounds: Sequence[int]) -> Iterator[Part]:
        """Give the rows between each two neighbours of ``bounds``."""
        for low, high in pairwise(bounds):
            yield self._packed(self._samples[low:high].arrays)

    def take(self, places: Sequence[int]) -> Part:
        """Return the rows at ``places``."""
        return self._packed(self._samples.take(places))

    def _packed(self, columns: tuple[Any, ...]) -> _Rows:
        return _Rows(tuple(Packed.of(self._backend, x) for x in columns))
