"""A source over a sequence of samples that are tuples of arrays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.distributed.samples.bounds import bounds
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.names import named
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.distributed.samples.piece import Held, Piece
from tl_arrayapi.errors import ShapeError, StructureError, TLError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.train import count_samples, sample_at

__all__ = ["Rows", "check_rows"]


def check_rows(module: ScalarModule, samples: Any) -> bool:
    """Say whether all samples have inputs of the same shapes, or raise unless all are inputs of ``module``, and of one
    kind.

    Sizes may differ where the module's input shapes leave them free; numbers of inputs, ranks and dtypes may not.
    """
    total = count_samples(samples)
    kinds: list[tuple[int, Any]] = []
    shapes: set[Any] = set()
    seen: set[Any] = set()
    for i in range(total):
        sample = sample_at(samples, i)
        # On one device these three are all that is looked at.
        described = tuple((type(x), getattr(x, "shape", None), getattr(x, "dtype", None)) for x in sample)
        if module.backend.one_device and described in seen:
            continue
        try:
            module.check_inputs(sample)
        except TLError as error:
            raise type(error)(f"sample {i} of {total}: {error}") from error
        seen.add(described)
        shapes.add(tuple(x.shape for x in sample))
        found = [(len(x.shape), x.dtype) for x in sample]
        kinds = kinds or found
        if len(found) != len(kinds):
            raise StructureError(
                f"sample {i} has {len(found)} inputs, and sample 0 has {len(kinds)}: equal numbers are expected"
            )
        for k, (kind, expected) in enumerate(zip(found, kinds, strict=True)):
            if kind != expected:
                raise ShapeError(
                    f"input {k} of sample {i} has {kind[0]} axes of {kind[1]}, and that of sample 0 has "
                    f"{expected[0]} of {expected[1]}: samples of one kind are expected"
                )
    return len(shapes) == 1


@dataclass(frozen=True)
class Rows:
    """Pack a sequence of checked samples piece by piece: stacked where they are ``uniform``, one by one otherwise."""

    backend: Backend
    samples: Any
    uniform: bool
    weights: numpy.ndarray[Any, Any] | None
    size: int
    align: int = 1

    @cached_property
    def bounds(self) -> Sequence[int]:
        """Where the samples are cut."""
        return bounds(self.total, self.size, align=self.align)

    @property
    def total(self) -> int:
        """The number of samples."""
        return len(self.samples)

    @property
    def pieces(self) -> int:
        """The number of pieces."""
        return len(self.bounds) - 1

    @property
    def sample_nbytes(self) -> int | None:
        """The bytes of one sample's inputs."""
        return sum(x.nbytes for x in self._packed(0)) if self.uniform else None

    def resized(self, size: int) -> "Rows":
        """Return the same samples in pieces of ``size``."""
        return replace(self, size=size)

    def __iter__(self) -> Iterator[Piece]:
        for low, high in pairwise(self.bounds):
            yield self._piece(low, range(high - low), range(low, high))

    def take(self, places: Sequence[int]) -> Piece:
        """Return the piece of the samples at ``places``."""
        return self._piece(0, places, places)

    def _piece(self, first: int, offsets: Sequence[int], places: Sequence[int]) -> Piece:
        if self.weights is None:
            kept, weights = places, None
        else:
            weights = self.weights[numpy.asarray(places, dtype=numpy.int64)]
            offsets = [o for o, w in zip(offsets, weights.tolist(), strict=True) if w] if not weights.all() else offsets
            kept, weights = [first + o for o in offsets], weights[weights > 0]
        packed: tuple[Any, ...]
        if self.uniform and kept:
            columns = zip(*(sample_at(self.samples, place) for place in kept), strict=True)
            packed = tuple(Packed.stacked(self.backend, column) for column in columns)
        else:
            packed = tuple(self._packed(place) for place in kept)
        return Held(Chunk(named("sample", places), first, offsets, weights, self.uniform, packed), len(places))

    def _packed(self, place: int) -> tuple[Packed, ...]:
        return tuple(Packed.of(self.backend, x) for x in sample_at(self.samples, place))
