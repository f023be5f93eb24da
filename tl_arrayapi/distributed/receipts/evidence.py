"""What workers find out about samples for a receipt: digests and exact sums, of all of them and by place.

Evidence merges in any order. Parts are runs of places whose length is the power of two that leaves at most 64 of them;
a run twice as long is two runs merged, so that the parts of chunks can be told before anybody knows how many samples
there are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy

from tl_arrayapi.distributed.exact import ExactSum
from tl_arrayapi.distributed.receipts.data import MODULUS, sample_hashes, sum_of_hashes
from tl_arrayapi.distributed.receipts.program import Kinds, program_digest
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.errors import ClusterError
from tl_arrayapi.module import ScalarModule

__all__ = ["Evidence", "Known", "evidence"]

_MOST_PARTS = 64


@dataclass(frozen=True)
class Known:
    """Hold the digest of some samples' data, and the exact sum of their losses."""

    data: int = 0
    sum: ExactSum = field(default_factory=ExactSum)

    def merge(self, other: "Known") -> "Known":
        """Return what is known of the samples of both."""
        return Known((self.data + other.data) % MODULUS, self.sum.merge(other.sum))


@dataclass(frozen=True)
class Evidence:
    """Hold what is known of all samples, and of parts of them.

    ``last`` is the greatest place of a sample, -1 where there are none, None where places are not known; ``parts`` are
    numbered from 0, have ``2**level`` places each; there are none where places are not known. ``programs`` maps what
    samples are, shape and dtype of each input, to the digest of the loss's program for them, None where there is none;
    of many kinds of samples, only two are kept.
    """

    whole: Known
    last: int | None
    parts: Mapping[int, Known]
    programs: Mapping[Kinds, str | None]

    @classmethod
    def none(cls) -> "Evidence":
        """Return the evidence of no samples, which merges with any."""
        return cls(Known(), -1, {}, {})

    @property
    def level(self) -> int:
        """The logarithm of the length of a part."""
        return _level(self.last or 0)

    def merge(self, other: "Evidence") -> "Evidence":
        """Return the evidence of the samples of both, which have none in common.

        Raises ClusterError where the two were found by different code.
        """
        if self.last is None or other.last is None:
            last, parts = None, {}
        else:
            last = max(self.last, other.last)
            level = _level(last)
            parts = _coarser(self.parts, level - self.level)
            for number, part in _coarser(other.parts, level - other.level).items():
                parts[number] = parts[number].merge(part) if number in parts else part
        programs = dict(self.programs)
        for kinds, program in other.programs.items():
            known = programs.get(kinds)
            programs[kinds] = known or program
            if known and program and known != program:
                raise ClusterError(
                    "workers run different code: the loss is another program on some of them; install the same "
                    "version of what it imports on all workers, and restart those that have an old one loaded"
                )
        few = dict(sorted(programs.items(), key=lambda item: item[0])[:2])
        return Evidence(self.whole.merge(other.whole), last, parts, few)


def evidence(module: ScalarModule, chunk: Chunk, losses: Any) -> Evidence:
    """Return what is to be known of a chunk and of the losses of its samples, float64 on the host, one for each."""
    if not len(chunk):
        return Evidence.none()
    values = numpy.asarray(losses, dtype=numpy.float64)
    hashes = sample_hashes(chunk)
    programs = _programs(module, chunk)

    def known(rows: slice) -> Known:
        weights = None if chunk.weights is None else chunk.weights[rows]
        return Known(sum_of_hashes(hashes[rows]), ExactSum.of(values[rows], weights))

    if chunk.first is None:
        return Evidence(known(slice(None)), None, {}, programs)
    places = chunk.first + numpy.asarray(chunk.offsets)
    last = int(places.max())
    whole, parts = Known(), dict[int, Known]()
    for number, rows in _runs(places >> _level(last)):
        found = known(rows)
        whole = whole.merge(found)
        parts[number] = parts[number].merge(found) if number in parts else found
    return Evidence(whole, last, parts, programs)


def _level(last: int) -> int:
    return max(last.bit_length() - _MOST_PARTS.bit_length() + 1, 0)


def _coarser(parts: Mapping[int, Known], levels: int) -> dict[int, Known]:
    found: dict[int, Known] = {}
    for number, part in parts.items():
        above = number >> levels
        found[above] = found[above].merge(part) if above in found else part
    return found


def _runs(numbers: Any) -> Iterator[tuple[int, slice]]:
    """Yield each run of equal numbers, and its rows."""
    borders = [0, *(numpy.flatnonzero(numpy.diff(numbers)) + 1).tolist(), len(numbers)]
    for start, stop in pairwise(borders):
        yield int(numbers[start]), slice(start, stop)


def _programs(module: ScalarModule, chunk: Chunk) -> dict[Kinds, str | None]:
    if chunk.stacked:
        kinds = {tuple((tuple(x.shape[1:]), x.dtype) for x in chunk.packed)}
    else:
        kinds = {tuple((tuple(x.shape), x.dtype) for x in row) for row in chunk.packed}
    # Samples of many shapes have many programs: these are not compared.
    return {found: program_digest(module, found) if len(kinds) == 1 else None for found in sorted(kinds)[:2]}
