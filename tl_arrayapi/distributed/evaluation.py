"""The losses of a chunk's samples, and what an evaluation adds up of them.

Nothing here knows where a chunk comes from, or who asks.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy

from tl_arrayapi.distributed.branches import Branches
from tl_arrayapi.distributed.exact import Moments
from tl_arrayapi.distributed.plain import PlainMoments
from tl_arrayapi.distributed.receipts import Evidence, evidence
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.errors import NonFiniteError, NoRuleError, TraceError, UnsteadyError, WatchedError
from tl_arrayapi.module import ScalarModule

__all__ = ["ExactLosses", "Part", "PlainLosses", "Tally", "losses", "same_micro_batch"]

# OpenBLAS's float32 products for AVX2 take 12 rows at a time, and what is left in another way; 8 are all alike.
_FEW = 8

_Floats = numpy.ndarray[Any, numpy.dtype[numpy.float64]]


def losses(module: ScalarModule, chunk: Chunk, micro_batch: int, *, steady: bool) -> tuple[_Floats, int | None]:
    """Return the loss of each sample of ``chunk``, and how many samples were computed at a time, None where there are
    none.

    Stacked samples are mapped over, ``micro_batch`` at a time; those of several shapes, or a micro-batch of 1, are one
    forward each. ``steady``: see `ScalarModule.mapped_losses`; where a library is not, with so many at a time, it is
    fewer.
    """
    if not len(chunk):
        return numpy.empty(0), None
    if chunk.stacked:
        columns = chunk.columns(module)
        for rows in dict.fromkeys((micro_batch, min(micro_batch, _FEW))):
            if rows == 1 or not module.is_mapped:
                break
            # Those of a loss that cannot be mapped, or not so many at a time.
            with suppress(NoRuleError, TraceError, WatchedError, UnsteadyError):
                (found,) = _on_host(module, [module.mapped_losses(columns, rows, steady=steady)])
                return found, rows
    return _one_by_one(module, chunk), 1


def same_micro_batch(one: int | None, other: int | None) -> int | None:
    """Return how many samples at a time two parts of an evaluation were computed, None where both have none; raise
    UnsteadyError where these differ: then so may bits.

    >>> same_micro_batch(64, 64), same_micro_batch(None, 8)
    (64, 8)
    """
    if one is None or other is None or one == other:
        return one or other
    raise UnsteadyError(
        f"the losses of some samples were computed {one} at a time, and those of others {other}, since there may be no "
        f"more of them before places among them change bits: give micro_batch={min(one, other)}, or exact=False"
    )


def _one_by_one(module: ScalarModule, chunk: Chunk) -> _Floats:
    found = []
    for i, (_, xs) in enumerate(chunk.samples(module)):
        try:
            found.append(module.forward(xs))
        except Exception as error:
            error.add_note(f"This was {chunk.place(i)}.")
            raise
    # Read together: a device then works through the chunk without waiting for the host.
    return numpy.asarray([float(x) for x in _on_host(module, found)])


def _on_host(module: ScalarModule, arrays: list[Any]) -> list[_Floats]:
    backend = module.backend
    if module.options.dtype == "bfloat16":  # the host has none
        arrays = [backend.namespace.astype(x, backend.dtype("float32")) for x in arrays]
    return [numpy.asarray(backend.to_host(x), dtype=numpy.float64) for x in backend.persist(arrays)]


_S = TypeVar("_S", bound=Any)


@dataclass(frozen=True)
class Part:
    """Hold the losses of one piece: see `Chunk` for ``first`` and ``offsets``."""

    number: int
    first: int | None
    offsets: Sequence[int]
    losses: _Floats


@dataclass(frozen=True)
class Tally(Generic[_S]):
    """Hold what an evaluation adds up: sums of losses, how many there are, and on request each one, and evidence.

    ``micro_batch`` is the number of samples computed at a time, None where there are none, or bits do not matter.
    """

    sums: _S
    count: int
    micro_batch: int | None
    parts: tuple[Part, ...] = ()
    evidence: Evidence | None = None

    def merge(self, other: "Tally[_S]") -> "Tally[_S]":
        """Return the tally of the samples of both; raise as `same_micro_batch` does."""
        known = None if self.evidence is None or other.evidence is None else self.evidence.merge(other.evidence)
        return Tally(
            self.sums.merge(other.sums),
            self.count + other.count,
            same_micro_batch(self.micro_batch, other.micro_batch),
            (*self.parts, *other.parts),
            known,
        )


@dataclass(frozen=True)
class _Losses:
    """Compute losses, ``micro_batch`` at a time; with ``finite``, raise for one that is not.

    With ``each``, keep them all; with ``receipt``, bring evidence of what they are the losses of.
    """

    micro_batch: int
    finite: bool = False
    each: bool = False

    large = False

    def _found(self, module: ScalarModule, chunk: Chunk, number: int, *, steady: bool) -> tuple[_Floats, Any, Any]:
        """Return the losses of a piece, how many were computed at a time, and what is kept of them."""
        found, rows = losses(module, chunk, self.micro_batch, steady=steady)
        if self.finite and not numpy.isfinite(found).all():
            i = int(numpy.argmin(numpy.isfinite(found)))
            raise NonFiniteError(f"the loss of {chunk.place(i)} is {found[i]}: finite=False lets such losses pass")
        return found, rows, (Part(number, chunk.first, chunk.offsets, found),) if self.each else ()


@dataclass(frozen=True)
class ExactLosses(_Losses):
    """Add losses up without rounding, so that a sample's share is the same whatever comes with it: see `_Losses`."""

    receipt: bool = False

    name = "losses"

    def __call__(self, module: ScalarModule, chunk: Chunk, number: int) -> Tally[Moments]:
        """Return the tally of one piece."""
        found, rows, parts = self._found(module, chunk, number, steady=True)
        known = evidence(module, chunk, found) if self.receipt else None
        return Tally(Moments.of(found, chunk.weights), len(chunk), rows, parts, known)


@dataclass(frozen=True)
class PlainLosses(_Losses):
    """Add losses up as float64 numbers, in an order that the pieces decide: see `_Losses`."""

    name = "fast-losses"

    def __call__(self, module: ScalarModule, chunk: Chunk, number: int) -> Tally[Branches[PlainMoments]]:
        """Return the tally of one piece."""
        found, _, parts = self._found(module, chunk, number, steady=False)
        sums = PlainMoments.of(found, chunk.weights)
        return Tally(Branches.of(PlainMoments.merge, [(number, sums)]), len(chunk), None, parts)
