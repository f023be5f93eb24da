"""The job of gradients: sums over blocks of samples, which meet in one tree whoever computed them, and when.

A block is a run of samples by their places among all, mapped over by one program: what else is in the chunk, and who
works on it, changes no bit. Gradients of blocks are added up on the host, where all processors add alike.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy

from tl_arrayapi.distributed.branches import Branches
from tl_arrayapi.distributed.evaluation import losses, same_micro_batch
from tl_arrayapi.distributed.exact import ExactSum
from tl_arrayapi.distributed.partition import fold
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.errors import NoRuleError, TraceError, WatchedError
from tl_arrayapi.module import ScalarModule

__all__ = ["GradientSums", "Gradients", "block_size"]

_HALVES = ("float16", "bfloat16")
# What a block's inputs may have: more hardly makes it faster, and less has more sums of gradients to add up.
_BLOCK_BYTES = 1 << 21
_FEWEST, _UNKNOWN, _MOST = 16, 64, 1024
_LARGE, _ITEM = 1 << 16, 8

_Host = numpy.ndarray[Any, Any]


def block_size(sample_nbytes: int | None, most: int = _MOST) -> int:
    """Return how many samples make a block, a power of two, by the bytes of one sample (None: they are not known).

    >>> block_size(168), block_size(3072), block_size(10**6), block_size(168, most=40), block_size(None)
    (1024, 512, 16, 32, 64)
    """
    wanted = _UNKNOWN if sample_nbytes is None else _BLOCK_BYTES // max(sample_nbytes, 1)
    return 1 << (min(max(min(wanted, most), _FEWEST), _MOST).bit_length() - 1)


@dataclass(frozen=True)
class _Sum:
    """Arrays times two to the ``exponent``: weights of any size make sums that their dtype can hold."""

    exponent: int
    arrays: tuple[_Host, ...]

    def at(self, exponent: int) -> tuple[_Host, ...]:
        """Return the arrays for a larger exponent."""
        if exponent == self.exponent:
            return self.arrays
        return tuple(numpy.ldexp(x, self.exponent - exponent) for x in self.arrays)


def _added(left: _Sum, right: _Sum) -> _Sum:
    exponent = max(left.exponent, right.exponent)
    # What is not finite already, or beyond the dtype, is seen in the result.
    with numpy.errstate(over="ignore", invalid="ignore"):
        pairs = zip(left.at(exponent), right.at(exponent), strict=True)
        # NumPy's operators turn 0-d arrays into scalars.
        return _Sum(exponent, tuple(numpy.asarray(x + y) for x, y in pairs))


def _added_up(left: _Sum, right: _Sum) -> _Sum:
    """Return what `_added` does, in the memory of ``left``, which nobody else holds."""
    if left.exponent < right.exponent or not all(x.flags.writeable for x in left.arrays):
        return _added(left, right)
    with numpy.errstate(over="ignore", invalid="ignore"):
        for x, y in zip(left.arrays, right.at(left.exponent), strict=True):
            numpy.add(x, y, out=x)
    return left


@dataclass(frozen=True)
class GradientSums:
    """The sum of losses, how many of them were computed at a time, None where that is up to the blocks, and sums of the
    gradients of trainable parameters over blocks.
    """

    losses: ExactSum
    micro_batch: int | None
    sums: Branches[_Sum]

    def merge(self, other: "GradientSums") -> "GradientSums":
        """Return the sums over the samples of both; raise as `same_micro_batch` does."""
        return GradientSums(
            self.losses.merge(other.losses),
            same_micro_batch(self.micro_batch, other.micro_batch),
            self.sums.merge(other.sums),
        )

    def mean(self) -> tuple[float, list[_Host]]:
        """Return the mean loss and the mean gradients.

        Raises ArgumentError where the weights add up to 0.
        """
        loss, total = self.losses.mean, self.sums.total()
        weight = float(numpy.ldexp(self.losses.total_weight, -total.exponent))
        return loss, [numpy.asarray(g / weight) for g in total.arrays]


@dataclass(frozen=True)
class Gradients:
    """Compute losses and gradients in blocks of ``block`` samples.

    ``rows`` is the micro-batch of the losses, which are then those of `mean_loss`; where it is None they are what the
    program of the gradients finds. ``piece_blocks`` is the number of blocks of each piece but the last, for pieces
    whose samples lie at any places; where it is None, blocks are numbered by the places of samples, a piece has whole
    ones, and one without places counts as one. The sums are ``large`` where workers should merge them.
    """

    block: int
    large: bool
    rows: int | None = None
    piece_blocks: int | None = None
    name = "gradients"

    @classmethod
    def of(cls, module: ScalarModule, block: int, **more: Any) -> "Gradients":
        """Return the job for ``module``."""
        numbers = sum(map(math.prod, module.param_shapes))
        return cls(block, numbers * _ITEM > _LARGE, **more)

    def __call__(self, module: ScalarModule, chunk: Chunk, number: int) -> GradientSums:
        """Return the sums over the samples of piece ``number``."""
        values: list[_Host] = []

        def leaves() -> Iterator[tuple[int, _Sum]]:
            for leaf, low, high in self._blocks(chunk, number):
                found, sums = _block(module, chunk.rows(low, high))
                values.append(found)
                yield leaf, sums

        if not len(chunk):
            return GradientSums(ExactSum(), None, Branches(_added, {}))
        if chunk.first is None and self.piece_blocks is None:
            sums = {(0, number): fold(_added_up, (sums for _, sums in leaves()))}
        else:
            sums = dict(Branches.of(_added_up, leaves()).values)
        if self.rows is None:
            own, rows = numpy.concatenate(values), None
        else:
            own, rows = losses(module, chunk, self.rows, steady=True)
        return GradientSums(ExactSum.of(own, chunk.weights), rows, Branches(_added, sums))

    def _blocks(self, chunk: Chunk, number: int) -> Iterator[tuple[int, int, int]]:
        """Yield (the block's number, low, high) of the samples of each block in a chunk."""
        if self.piece_blocks is not None:
            first, places = number * self.piece_blocks, numpy.arange(len(chunk))
        else:
            first, places = (chunk.first or 0) // self.block, numpy.asarray(chunk.offsets)
        numbers = places // self.block
        starts = [0, *(numpy.flatnonzero(numpy.diff(numbers)) + 1).tolist(), len(chunk)]
        for low, high in pairwise(starts):
            yield first + int(numbers[low]), low, high


def _block(module: ScalarModule, chunk: Chunk) -> tuple[_Host, _Sum]:
    """Return the losses of the samples of one block, and the sum of their weighted gradients."""
    exponent, weights = 0, numpy.ones(len(chunk))
    if chunk.weights is not None:
        exponent = int(numpy.frexp(chunk.weights.max())[1]) - 1
        weights = numpy.ldexp(chunk.weights, -exponent)
    # Sums of 16-bit numbers soon lose what they add, or overflow.
    if chunk.stacked and module.options.dtype not in _HALVES:
        try:
            found, arrays = _mapped(module, chunk, weights)
        except (NoRuleError, TraceError, WatchedError):
            pass
        else:
            return found, _Sum(exponent, arrays)
    found, arrays = _one_by_one(module, chunk, weights)
    return found, _Sum(exponent, arrays)


def _mapped(module: ScalarModule, chunk: Chunk, weights: _Host) -> tuple[_Host, tuple[_Host, ...]]:
    count = len(chunk)
    # Left out are samples of weight 0: of all numbers that may be left, programs are made for powers of two alone.
    more = (1 << (count - 1).bit_length()) - count if chunk.weights is not None else 0
    if more:
        chunk = chunk.at([*range(count), *[count - 1] * more])
        weights = numpy.concatenate([weights, numpy.zeros(more)])
    options = module.options
    with _noted(f"one of {chunk.place(0)} to {chunk.place(count - 1)}"):
        found, grads = module.mapped_gradients(
            chunk.columns(module), module.backend.from_host(weights, options.dtype, options.device)
        )
        own, *arrays = _on_host(module, [found, *_trainable(module, grads)])
    return own[:count].astype(numpy.float64), tuple(arrays)


def _one_by_one(module: ScalarModule, chunk: Chunk, weights: _Host) -> tuple[_Host, tuple[_Host, ...]]:
    values: list[float] = []

    def leaves() -> Iterator[_Sum]:
        for i, (_, xs) in enumerate(chunk.samples(module)):
            with _noted(chunk.place(i)):
                loss, grads = module.loss_and_grads(xs)
                own, *arrays = _on_host(module, [loss, *_trainable(module, grads)])
            values.append(float(own))
            weight = float(weights[i])
            yield _Sum(0, tuple(numpy.asarray(g * weight) for g in arrays) if weight != 1 else tuple(arrays))

    total = fold(_added_up, leaves())
    return numpy.asarray(values), total.arrays


def _trainable(module: ScalarModule, arrays: list[Any]) -> list[Any]:
    return [x for x, trainable in zip(arrays, module.requires_grad, strict=True) if trainable]


def _on_host(module: ScalarModule, arrays: list[Any]) -> list[_Host]:
    backend = module.backend
    if module.options.dtype in _HALVES:
        arrays = [backend.namespace.astype(x, backend.dtype("float32")) for x in arrays]
    return [numpy.asarray(backend.to_host(x), order="C") for x in backend.persist(arrays)]


@contextmanager
def _noted(where: str) -> Iterator[None]:
    """Say in an error which samples it comes from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This was {where}.")
        raise
