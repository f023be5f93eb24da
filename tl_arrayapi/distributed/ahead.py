"""A source whose samples are on their way to workers before anybody works on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.distributed.samples.piece import Piece, Source

__all__ = ["Ahead"]


@dataclass(frozen=True)
class Ahead:
    """A source whose pieces are made, with the futures of those that hold samples, by number."""

    source: Source
    made: Sequence[Piece]
    futures: dict[int, Any]

    @property
    def total(self) -> int | None:
        """The number of samples, None where only reading tells."""
        return self.source.total

    @property
    def pieces(self) -> int:
        """The number of pieces."""
        return len(self.made)

    @property
    def sample_nbytes(self) -> int | None:
        """The bytes of one sample's inputs."""
        return self.source.sample_nbytes

    def resized(self, size: int) -> Source:
        """Return the same samples in pieces of about ``size``, none of which is sent."""
        return self.source.resized(size)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.made)

    def take(self, places: Sequence[int]) -> Piece:
        """Return the piece of the samples at ``places``."""
        return self.source.take(places)
