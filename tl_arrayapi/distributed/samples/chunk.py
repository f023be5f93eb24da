"""A chunk: samples at hand in the process that works on them. Nothing here knows what is computed of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.module import ScalarModule

__all__ = ["Chunk", "stack"]


@dataclass(frozen=True)
class Chunk:
    """Hold the samples of one piece.

    ``name`` is for errors. ``first`` is the place of the piece's first sample among all samples, None where only
    reading all of them tells. ``offsets`` say which samples of the piece are here, those of weight 0 being left out:
    sample i is the one at place ``first + offsets[i]``. ``weights`` are float64, finite and above 0, one a sample; None
    where all are 1. ``packed`` is one array for each input, with the samples along its first axis (``stacked``), or one
    tuple of arrays for each sample. A chunk may be empty.

    >>> chunk = Chunk("samples 4 to 5", 4, range(2), None, True, (Packed(numpy.ones((2, 3)), "float64"),))
    >>> len(chunk), chunk.place(1)
    (2, 'sample 5')
    """

    name: str
    first: int | None
    offsets: Sequence[int]
    weights: numpy.ndarray[Any, Any] | None
    stacked: bool
    packed: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(x.nbytes for x in (self.packed if self.stacked else (x for row in self.packed for x in row)))

    def place(self, index: int) -> str:
        """Return what an error calls the sample at ``index`` of this chunk."""
        offset = self.offsets[index]
        return f"sample {offset} of {self.name}" if self.first is None else f"sample {self.first + offset}"

    def columns(self, module: ScalarModule) -> tuple[Any, ...]:
        """Return one array for each input, the samples along its first axis, in the module's library on its device.

        They are to be read only. Only a chunk that is ``stacked`` has them.
        """
        return tuple(x.on(module) for x in self.packed)

    def samples(self, module: ScalarModule) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield (offset, inputs) of each sample, as arrays of the module's library on its device."""
        if self.stacked:
            columns = self.columns(module)
            for i, offset in enumerate(self.offsets):
                yield offset, tuple(x[i, ...] for x in columns)
        else:
            for offset, row in zip(self.offsets, self.packed, strict=True):
                yield offset, tuple(x.on(module) for x in row)

    def rows(self, low: int, high: int) -> "Chunk":
        """Return the chunk of the samples from ``low`` up to ``high``, of those that are here."""
        packed = tuple(x[low:high] for x in self.packed) if self.stacked else self.packed[low:high]
        weights = None if self.weights is None else self.weights[low:high]
        return replace(self, offsets=self.offsets[low:high], weights=weights, packed=packed)

    def at(self, indices: Sequence[int]) -> "Chunk":
        """Return the chunk of the samples at ``indices`` of those that are here."""
        rows = numpy.asarray(indices, dtype=numpy.int64)
        packed = tuple(x[rows] for x in self.packed) if self.stacked else tuple(self.packed[i] for i in indices)
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, offsets=[self.offsets[i] for i in indices], weights=weights, packed=packed)

    def weighed(self, weights: numpy.ndarray[Any, Any] | None) -> "Chunk":
        """Return the chunk with checked ``weights``, one a sample, those of weight 0 left out; None: all are 1."""
        if weights is None:
            return self
        weighed = replace(self, weights=weights)
        return weighed if weights.all() else weighed.at(numpy.flatnonzero(weights).tolist())


def stack(rows: Sequence[tuple[Packed, ...]]) -> tuple[Packed, ...]:
    """Return one array for each input of samples that are tuples of arrays on the host, of equal shapes."""
    return tuple(Packed(numpy.stack([row[k].values for row in rows]), first.dtype) for k, first in enumerate(rows[0]))
