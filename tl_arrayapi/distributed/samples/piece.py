"""What a source of samples gives: pieces, each what one task gets, small or holding its data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tl_arrayapi.distributed.samples.chunk import Chunk

__all__ = ["Held", "Piece", "Source"]


class Piece(Protocol):
    """What one task gets: samples, or how to come by them where the work is done. It can be pickled."""

    @property
    def name(self) -> str:
        """What errors call it, such as "samples 0 to 4095"."""

    @property
    def first(self) -> int | None:
        """The place of its first sample among all, None where only reading all tells."""

    @property
    def count(self) -> int | None:
        """How many samples it is cut from, None where only reading tells."""

    @property
    def nbytes(self) -> int:
        """The bytes that travel with it."""

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Dask's Delayed objects and futures, whose values `load` is to be given; they do not travel with it."""

    def load(self, *inputs: Any) -> Chunk:
        """Return the samples, in the process that works on them; raise, naming the piece, where they are not as
        expected.
        """


class Source(Protocol):
    """Where samples come from."""

    @property
    def total(self) -> int | None:
        """The number of samples, None where only reading tells."""

    @property
    def pieces(self) -> int | None:
        """The number of pieces, None where only reading tells."""

    @property
    def sample_nbytes(self) -> int | None:
        """The bytes of one sample's inputs, None where samples differ or only reading tells."""

    def resized(self, size: int) -> "Source":
        """Return the same samples in pieces of about ``size``; the source itself where pieces come as they are."""

    def __iter__(self) -> Iterator[Piece]:
        """Give all pieces, in order, each made when it is asked for."""

    def take(self, places: Sequence[int]) -> Piece:
        """Return the piece of the samples at ``places``, in that order; its first is 0, its offsets are the places.

        Raises StructureError where a source can only be read from beginning to end.
        """


@dataclass(frozen=True)
class Held:
    """A piece that holds its samples.

    >>> piece = Held(Chunk("samples 0 to 1", 0, range(2), None, True, ()), 2)
    >>> piece.name, piece.first, piece.nbytes, len(piece.load())
    ('samples 0 to 1', 0, 0, 2)
    """

    chunk: Chunk
    count: int | None

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.chunk.name

    @property
    def first(self) -> int | None:
        """The place of its first sample among all."""
        return self.chunk.first

    @property
    def nbytes(self) -> int:
        """The bytes of its arrays."""
        return self.chunk.nbytes

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Nothing: all is here."""
        return ()

    def load(self) -> Chunk:
        """Return the samples."""
        return self.chunk
