"""Where the pieces of a job are worked on: a runner turns a job and a source into one merged value.

This one is the process itself, and the pattern for the cluster's. Nothing here knows what a job computes.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from tl_arrayapi.distributed.environment import fingerprint, one_thread
from tl_arrayapi.distributed.record import Done, Record
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.graphs import computed
from tl_arrayapi.distributed.samples.piece import Piece, Source
from tl_arrayapi.errors import ClusterError
from tl_arrayapi.module import ScalarModule

__all__ = ["InProcess", "Job", "Mergeable", "Progress", "Runner", "Terms", "connected", "work"]

Progress = Callable[[int, int | None], Any] | None


class Mergeable(Protocol):
    """What a job returns: a value that merges with those of other pieces, in any order."""

    def merge(self, other: Any) -> Any:
        """Return the value for both."""


_P = TypeVar("_P", bound=Mergeable)
_P_co = TypeVar("_P_co", bound=Mergeable, covariant=True)


class Job(Protocol[_P_co]):
    """What is computed of a piece's samples; it can be pickled."""

    @property
    def name(self) -> str:
        """What its tasks are called."""

    @property
    def large(self) -> bool:
        """Whether its values are large: these are merged where they are, before they go to the client."""

    def __call__(self, module: ScalarModule, chunk: Chunk, number: int) -> _P_co:
        """Return the value of the samples of piece ``number``."""


@dataclass(frozen=True)
class Terms:
    """How a job is to be done.

    ``progress`` is called with (samples done, samples), the latter None where only reading all tells. With ``alike``,
    those who work must be alike enough to give the same bits. A piece that cannot be read or worked on fails the job,
    or is left out where ``skip``. Pieces may be worked on ``together`` in one task. After ``timeout`` seconds the job
    fails. ``record`` takes down what happened.
    """

    progress: Progress = None
    alike: bool = True
    skip: bool = False
    together: bool = False
    timeout: float | None = None
    record: Record = field(default_factory=Record)

    def seconds_left(self, done: int, total: int | None) -> float:
        """Return how long the job may still take; raise ClusterError where its time is up, ``done`` samples done."""
        left = math.inf if self.timeout is None else self.timeout - self.record.seconds
        if left <= 0:
            of = "" if total is None else f" of {total}"
            raise ClusterError(
                f"after {self.timeout:g} s, {done} samples{of} are done: give a longer timeout, or more workers"
            )
        return left


class Runner(Protocol):
    """Where pieces are worked on."""

    @property
    def workers(self) -> int:
        """How many pieces can be worked on at once, now."""

    @property
    def fewest(self) -> int:
        """Into how many pieces samples are to be cut at least, where there are so many micro-batches."""

    def total(self, job: Job[_P], module: ScalarModule, source: Source, terms: Terms) -> _P | None:
        """Return the values of all pieces, merged; None where there is not one piece."""

    def ahead(self, source: Source) -> Source:
        """Return ``source`` for `total`, its pieces made, and on their way to where they will be worked on; another
        thread may ask, while `total` is at work.
        """


def work(job: Job[_P], module: ScalarModule, number: int, piece: Piece, inputs: Any, worker: str) -> tuple[_P, Done]:
    """Return what ``job`` gives for one piece, and how long it took; the calling thread has BLAS for itself."""
    started = time.time(), time.perf_counter()
    chunk = piece.load(*inputs)
    read = time.perf_counter()
    value = job(module, chunk, number)
    stopped = time.perf_counter()
    return value, Done(
        name=piece.name,
        worker=worker,
        start=started[0],
        stop=started[0] + stopped - started[1],
        read_seconds=read - started[1],
        work_seconds=stopped - read,
        samples=len(chunk),
        nbytes=chunk.nbytes,
    )


_HERE = "this process"


class InProcess:
    """Work on all pieces here, one after another."""

    workers = 1
    fewest = 8  # for the progress; nobody waits for others

    def total(self, job: Job[_P], module: ScalarModule, source: Source, terms: Terms) -> _P | None:
        """Return the merged value: see `Runner`."""
        return _Pass(job, module, source, terms).total()

    def ahead(self, source: Source) -> Source:
        """Return ``source``: nothing is on its way anywhere."""
        return source


class _Pass(Generic[_P]):
    """One pass over the pieces."""

    def __init__(self, job: Job[_P], module: ScalarModule, source: Source, terms: Terms) -> None:
        self._job = job
        self._module = module
        self._source = source
        self._terms = terms
        self._total: _P | None = None

    def total(self) -> _P | None:
        record, samples = self._terms.record, 0
        with one_thread():
            record.environments[fingerprint(self._module.backend)] = _HERE
        for number, piece in enumerate(self._source):
            self._terms.seconds_left(samples, self._source.total)
            samples += self._take(number, piece)
            if self._terms.progress is not None:
                self._terms.progress(samples, self._source.total)
        return self._total

    def _take(self, number: int, piece: Piece) -> int:
        """Work on one piece; return how many samples that deals with."""
        record = self._terms.record
        try:
            with one_thread():
                value, done = work(self._job, self._module, number, piece, computed(piece.inputs), _HERE)
        except Exception as error:
            if not self._terms.skip:
                if not hasattr(error, "__notes__"):  # nobody has said which sample it was
                    error.add_note(f"This was chunk {number} ({piece.name}).")
                raise
            record.skip(number, piece.name, piece.count, error)
            return piece.count or 0
        record.add(done)
        record.tasks += 1
        self._total = value if self._total is None else self._total.merge(value)
        return done.samples if piece.count is None else piece.count


@contextmanager
def connected(client: Any) -> Iterator[Runner]:
    """Give the runner for ``client``: this process for None; a cluster for a Client, a LocalCluster or an address."""
    if client is None:
        yield InProcess()
        return
    from tl_arrayapi.distributed import cluster

    with cluster.connected(client) as runner:
        yield runner
