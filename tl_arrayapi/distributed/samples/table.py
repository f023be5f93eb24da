"""Tables: columns of known length and kinds, read together, cut into pieces without reading them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

from tl_arrayapi.distributed.samples.bounds import bounds
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.kinds import Kind
from tl_arrayapi.distributed.samples.names import named
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.distributed.samples.piece import Piece
from tl_arrayapi.distributed.samples.weights import checked_weights

__all__ = ["Part", "Table", "Tables"]


class Part(Protocol):
    """Some rows of a table on their way."""

    @property
    def nbytes(self) -> int:
        """The bytes that travel with it."""

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Dask's Delayed objects and futures, whose values `read` is to be given; they do not travel with it."""

    @property
    def arity(self) -> int:
        """How many these are."""

    def read(self, *inputs: Any) -> tuple[Packed, ...]:
        """Return the rows, one array a column."""


class Table(Protocol):
    """Columns that share their first axis, and are read together."""

    @property
    def label(self) -> str:
        """What the columns are in, such as a file's name; empty for memory."""

    @property
    def length(self) -> int:
        """The number of rows."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What is known of each column."""

    @property
    def borders(self) -> Sequence[int] | None:
        """Where cutting it makes reading cheap, from 0 to its length; None where that is anywhere."""

    def parts(self, bounds: Sequence[int]) -> Iterator[Part]:
        """Give the rows between each two neighbours of ``bounds``."""

    def take(self, places: Sequence[int]) -> Part:
        """Return the rows at ``places``."""


@dataclass(frozen=True)
class _Piece:
    """Rows of several tables side by side, the last of which has the weights where there are any."""

    name: str
    first: int
    offsets: Sequence[int]
    parts: tuple[Part, ...]
    kinds: tuple[Kind, ...]
    has_weights: bool

    @property
    def count(self) -> int:
        return len(self.offsets)

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts)

    @property
    def inputs(self) -> tuple[Any, ...]:
        return tuple(x for part in self.parts for x in part.inputs)

    def load(self, *inputs: Any) -> Chunk:
        rest = iter(inputs)
        read = [x for part in self.parts for x in part.read(*[next(rest) for _ in range(part.arity)])]
        found = [kind.check(self.count, x, self.name) for kind, x in zip(self.kinds, read, strict=True)]
        weights = checked_weights(found.pop().values, self.name) if self.has_weights else None
        return Chunk(self.name, self.first, self.offsets, None, True, tuple(found)).weighed(weights)


@dataclass(frozen=True)
class Tables:
    """A source over tables side by side; ``weights`` is a table of one column, or None.

    Pieces have ``size`` samples, or more where reading is cheap in other places only, and a multiple of ``align``.
    """

    inputs: tuple[Table, ...]
    weights: Table | None
    size: int
    align: int = 1

    @cached_property
    def bounds(self) -> Sequence[int]:
        """Where the samples are cut."""
        borders = next((table.borders for table in self.inputs if table.borders is not None), None)
        return bounds(self.total, self.size, borders, self.align)

    @property
    def total(self) -> int:
        """The number of samples."""
        return self.inputs[0].length

    @property
    def pieces(self) -> int:
        """The number of pieces."""
        return len(self.bounds) - 1

    @property
    def sample_nbytes(self) -> int:
        """The bytes of one sample's inputs."""
        return sum(kind.nbytes for table in self.inputs for kind in table.kinds)

    def resized(self, size: int) -> "Tables":
        """Return the same samples in pieces of about ``size``."""
        return replace(self, size=size)

    def __iter__(self) -> Iterator[Piece]:
        parts = zip(*(table.parts(self.bounds) for table in self._tables), strict=True)
        for (low, high), found in zip(pairwise(self.bounds), parts, strict=True):
            yield self._piece(low, range(high - low), range(low, high), found)

    def take(self, places: Sequence[int]) -> Piece:
        """Return the piece of the samples at ``places``."""
        return self._piece(0, places, places, tuple(table.take(places) for table in self._tables))

    @property
    def _tables(self) -> tuple[Table, ...]:
        return self.inputs if self.weights is None else (*self.inputs, self.weights)

    def _piece(self, first: int, offsets: Sequence[int], places: Sequence[int], parts: tuple[Part, ...]) -> Piece:
        labels = dict.fromkeys(table.label for table in self.inputs if table.label)
        name = f"{named('row', places)} of {' and '.join(labels)}" if labels else named("sample", places)
        kinds = tuple(kind for table in self._tables for kind in table.kinds)
        return _Piece(name, first, offsets, parts, kinds, self.weights is not None)
