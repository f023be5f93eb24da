"""A source over an iterator of batches, of which only those under way are held."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy

from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.expected import Expected
from tl_arrayapi.distributed.samples.names import named
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.distributed.samples.piece import Held, Piece
from tl_arrayapi.errors import ShapeError, StructureError

__all__ = ["Batches"]


class Batches:
    """The source of an iterable of batches: tuples of stacked arrays, or lists of samples.

    Each is one piece; with ``align``, pieces but the last have a multiple of so many samples, what is over going on to
    the next one.
    """

    total: None = None
    pieces: None = None
    sample_nbytes: None = None

    def __init__(
        self, batches: Iterable[Any], expected: Expected, weights: numpy.ndarray[Any, Any] | None, align: int = 1
    ) -> None:
        self._batches = batches
        # What is here may have to travel.
        self._expected = replace(expected, home=None)
        self._weights = weights
        self._align = align
        self._is_spent = False

    def resized(self, size: int) -> "Batches":
        """Return the source itself: pieces come as they are."""
        return self

    def __iter__(self) -> Iterator[Piece]:
        if self._is_spent:
            raise StructureError(
                "these samples are an iterator, which gives them once: give an object whose __iter__ starts anew, or "
                "a new iterator"
            )
        self._is_spent = isinstance(self._batches, Iterator)
        chunks = self._chunks()
        return self._pieces(chunks if self._align == 1 else _recut(chunks, self._align))

    def _chunks(self) -> Iterator[Chunk]:
        done = 0
        for number, batch in enumerate(self._batches):
            chunk = self._expected.chunk(f"batch {number}", done, batch)
            yield chunk
            done += len(chunk)

    def _pieces(self, chunks: Iterator[Chunk]) -> Iterator[Piece]:
        done = 0
        for chunk in chunks:
            count = len(chunk)
            yield Held(chunk.weighed(self._weights_of(done, count)), count)
            done += count
        if not done:
            raise StructureError("there are no samples: at least one is expected")
        if self._weights is not None and done < len(self._weights):
            raise StructureError(f"there are {len(self._weights)} weights for {done} samples: one for each is expected")

    def _weights_of(self, done: int, count: int) -> numpy.ndarray[Any, Any] | None:
        if self._weights is None:
            return None
        if done + count > len(self._weights):
            raise StructureError(
                f"there are {len(self._weights)} weights, and {named('sample', range(done, done + count))} came: one "
                "for each is expected"
            )
        return self._weights[done : done + count]

    def take(self, places: Sequence[int]) -> NoReturn:
        """Refuse: what came by is gone."""
        raise StructureError(
            "the samples of an iterator can be read from beginning to end only: to pick some, give a sequence, arrays "
            "or files"
        )


def _recut(chunks: Iterator[Chunk], align: int) -> Iterator[Chunk]:
    """Yield the samples of stacked ``chunks`` in chunks of multiples of ``align``, the last one aside."""
    waiting: Chunk | None = None
    for chunk in chunks:
        if not len(chunk):
            continue
        joined = chunk if waiting is None else _joined(waiting, chunk)
        whole = len(joined) // align * align
        if whole:
            yield _between(joined, 0, whole)
        waiting = _between(joined, whole, len(joined)) if whole < len(joined) else None
    if waiting is not None:
        yield waiting


def _joined(left: Chunk, right: Chunk) -> Chunk:
    kinds = [[(x.shape[1:], x.dtype) for x in chunk.packed] for chunk in (left, right)]
    if kinds[0] != kinds[1]:
        raise ShapeError(
            f"{right.name} has samples of {_shown(right)}, and those before it are of {_shown(left)}: samples of one "
            "kind are expected"
        )
    packed = tuple(
        Packed(numpy.concatenate([x.values, y.values]), x.dtype) for x, y in zip(left.packed, right.packed, strict=True)
    )
    return replace(left, offsets=range(len(left) + len(right)), packed=packed)


def _between(chunk: Chunk, low: int, high: int) -> Chunk:
    start = (chunk.first or 0) + low
    name = named("sample", range(start, start + high - low))
    return replace(chunk.rows(low, high), name=name, first=start, offsets=range(high - low))


def _shown(chunk: Chunk) -> str:
    return ", ".join(f"{x.dtype} {x.shape[1:]}" for x in chunk.packed)
