"""Samples on their way to a task: checked, cut into chunks, and packed as host arrays.

A chunk is the same host arrays in C order wherever it goes, this process included: what a loss computes may depend on
how its inputs lie in memory. Nothing here knows what is computed of a chunk.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy
from array_api_compat import array_namespace, is_array_api_obj

from tl_arrayapi import backends
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.distributed.partition import chunk_size
from tl_arrayapi.errors import ArgumentError, ShapeError, StructureError, TLError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.optim.checks import count, nonnegative
from tl_arrayapi.train import StackedSamples, count_samples, sample_at

__all__ = ["Chunk", "Chunks", "check_samples", "cut", "located"]


@dataclass(frozen=True)
class _Packed:
    """One array on the host, and the name of the dtype that it has on the library (NumPy lacks some)."""

    values: numpy.ndarray[Any, Any]
    dtype: str

    @classmethod
    def of(cls, backend: Backend, x: Any) -> "_Packed":
        return cls(numpy.asarray(backend.to_host(x), order="C"), backend.dtype_name(x.dtype))

    def on(self, module: ScalarModule) -> Any:
        return module.backend.from_host(self.values, self.dtype, module.options.device)


@dataclass(frozen=True)
class Chunk:
    """Hold the samples of one task: ``places`` are their indices among all samples, ``weights`` theirs, or None.

    ``packed`` is one stacked array for each input (``stacked``), or one tuple of arrays for each sample.
    """

    places: Sequence[int]
    weights: Sequence[float] | None
    packed: tuple[Any, ...]
    stacked: bool
    micro_batch: int = 1

    def __len__(self) -> int:
        return len(self.places)

    def __str__(self) -> str:
        low, high = min(self.places), max(self.places)
        return f"sample {low}" if low == high else f"{len(self)} samples between {low} and {high}"

    def columns(self, module: ScalarModule) -> Iterator[tuple[Sequence[int], tuple[Any, ...]]]:
        """Yield (places, inputs) of ``micro_batch`` stacked samples at a time, the last ones filled up with the last
        sample: what is computed of a sample may depend on how many others there are.
        """
        for start in range(0, len(self), self.micro_batch):
            places = self.places[start : start + self.micro_batch]
            rows = [*range(start, start + len(places)), *[len(self) - 1] * (self.micro_batch - len(places))]
            yield places, tuple(_Packed(x.values[rows], x.dtype).on(module) for x in self.packed)

    def samples(self, module: ScalarModule) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield (place, inputs) of the samples, as arrays of the module's library on its device."""
        if self.stacked:
            columns = [x.on(module) for x in self.packed]
            for i, place in enumerate(self.places):
                yield place, tuple(x[i, ...] for x in columns)
        else:
            for place, row in zip(self.places, self.packed, strict=True):
                yield place, tuple(x.on(module) for x in row)


@dataclass(frozen=True)
class Chunks(Sequence[Chunk]):
    """Cut samples into chunks of ``size``, each packed when it is asked for.

    ``places`` says which samples, in what order; ``weights`` are those of all samples, or None.
    """

    backend: Backend
    samples: Any
    places: Sequence[int]
    weights: Sequence[float] | None
    size: int
    micro_batch: int = 1

    def __len__(self) -> int:
        return -(-len(self.places) // self.size)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"chunk {index} of {len(self)}")
        places = self.places[index * self.size : (index + 1) * self.size]
        weights = None if self.weights is None else [self.weights[i] for i in places]
        stacked = isinstance(self.samples, StackedSamples)
        packed = self._stacked(places) if stacked else self._rows(places)
        return Chunk(places, weights, packed, stacked, self.micro_batch)

    def _stacked(self, places: Sequence[int]) -> tuple[_Packed, ...]:
        if isinstance(places, range):
            columns = self.samples[places.start : places.stop].arrays
        else:
            columns = self.samples.take(places)
        return tuple(_Packed.of(self.backend, x) for x in columns)

    def _rows(self, places: Sequence[int]) -> tuple[tuple[_Packed, ...], ...]:
        return tuple(tuple(_Packed.of(self.backend, x) for x in sample_at(self.samples, i)) for i in places)


def check_samples(module: ScalarModule, samples: Any) -> int:
    """Return the number of samples, or raise unless all are inputs of ``module`` and of one kind.

    Sizes may differ where the module's input shapes leave them free; numbers of inputs, ranks and dtypes may not.
    """
    total = count_samples(samples)
    first: list[tuple[int, Any]] = []
    for i in range(1 if isinstance(samples, StackedSamples) else total):
        sample = sample_at(samples, i)
        try:
            module.check_inputs(sample)
        except TLError as error:
            raise type(error)(f"sample {i} of {total}: {error}") from error
        kinds = [(len(x.shape), x.dtype) for x in sample]
        first = first or kinds
        if len(kinds) != len(first):
            raise StructureError(
                f"sample {i} has {len(kinds)} inputs, and sample 0 has {len(first)}: equal numbers are expected"
            )
        for k, (kind, expected) in enumerate(zip(kinds, first, strict=True)):
            if kind != expected:
                raise ShapeError(
                    f"input {k} of sample {i} has {kind[0]} axes of {kind[1]}, and that of sample 0 has "
                    f"{expected[0]} of {expected[1]}: samples of one kind are expected"
                )
    return total


def cut(module: ScalarModule, samples: Any, weights: Any, micro_batch: int) -> Chunks:
    """Return the samples of a whole pass in chunks, those of weight 0 left out, or raise where they cannot be right."""
    total = check_samples(module, samples)
    given = _check_weights(weights, total)
    micro_batch = count("micro_batch", micro_batch, at_least=1)
    size = chunk_size(total, micro_batch)
    places = range(total) if given is None else [i for i, w in enumerate(given) if w]
    return Chunks(module.backend, samples, places, given, size, micro_batch)


@contextmanager
def located(place: int) -> Iterator[None]:
    """Say in an error which sample it comes from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This was sample {place}.")
        raise


def _check_weights(weights: Any, total: int) -> list[float] | None:
    """Return ``weights`` as Python floats, or raise unless there is one a sample, finite, at least 0, and not all 0."""
    if weights is None:
        return None
    if is_array_api_obj(weights):
        weights = backends.get(array_namespace(weights)).to_host(weights).tolist()
    if not isinstance(weights, Sequence) or isinstance(weights, str | bytes):
        raise StructureError(f"weights are a {type(weights).__name__}: a sequence of {total} numbers is expected")
    if len(weights) != total:
        raise StructureError(f"there are {len(weights)} weights for {total} samples: one for each is expected")
    found = [nonnegative(f"weights[{i}]", w) for i, w in enumerate(weights)]
    if not math.isfinite(sum(found)):
        raise ArgumentError("the weights add up to more than float64 holds: divide them by their largest")
    if not any(found):
        raise ArgumentError("the weights add up to 0: a mean needs one weight above 0 at least")
    return found
