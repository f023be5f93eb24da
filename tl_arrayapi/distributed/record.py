"""What a run did: who worked on what, when, how many bytes went where, what had to be sent again, what was left out.

Nothing here knows how a run is shown, or a cluster.
"""

import time
from bisect import insort
from dataclasses import dataclass, field

__all__ = ["Done", "Record", "Skipped", "WorkerTotals"]

_MOST_KEPT = 10_000


@dataclass(frozen=True)
class Done:
    """Hold one piece that was worked on: times are in seconds, ``start`` and ``stop`` by the worker's clock."""

    name: str
    worker: str
    start: float
    stop: float
    read_seconds: float
    work_seconds: float
    samples: int
    nbytes: int
    attempts: int = 1


@dataclass(frozen=True)
class Skipped:
    """Name a piece that was left out, and why; ``samples`` is None where nobody knows how many it has.

    ``number`` is its place among the pieces.
    """

    name: str
    samples: int | None
    reason: str
    number: int = field(default=0, compare=False, repr=False)


@dataclass
class WorkerTotals:
    """Add up what one worker did."""

    pieces: int = 0
    samples: int = 0
    read_seconds: float = 0.0
    work_seconds: float = 0.0
    nbytes: int = 0

    def add(self, done: Done) -> None:
        """Count one piece."""
        self.pieces += 1
        self.samples += done.samples
        self.read_seconds += done.read_seconds
        self.work_seconds += done.work_seconds
        self.nbytes += done.nbytes


@dataclass
class Record:
    """Keep what happened in one run; totals of everything, and the first 10,000 pieces one by one.

    ``where`` is the scheduler's address, or "this process"; ``dashboard`` the address of Dask's, or None.
    ``environments`` maps each fingerprint (see `environment.fingerprint`) to one worker that has it. ``tasks`` counts
    those that worked on pieces, one or several. ``sent`` is how many bytes the client sent: parameters, and samples
    that it held. ``resent`` counts pieces that were sent again because a worker was lost, or because they failed
    together, ``duplicated`` tasks given to a second worker because the first was slow.

    >>> record = Record("this process")
    >>> record.add(Done("samples 0 to 9", "this process", 1.0, 1.5, 0.1, 0.4, 10, 80))
    >>> record.workers["this process"].samples, record.samples_done
    (10, 10)
    """

    where: str = "this process"
    dashboard: str | None = None
    started: float = field(default_factory=time.time)
    stopped: float | None = None
    done: list[Done] = field(default_factory=list)
    workers: dict[str, WorkerTotals] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    environments: dict[str, str] = field(default_factory=dict)
    tasks: int = 0
    sent: int = 0
    resent: int = 0
    duplicated: int = 0
    workers_lost: int = 0

    def add(self, done: Done) -> None:
        """Take down one piece."""
        if len(self.done) < _MOST_KEPT:
            self.done.append(done)
        self.workers.setdefault(done.worker, WorkerTotals()).add(done)

    def skip(self, number: int, name: str, samples: int | None, error: BaseException) -> None:
        """Take down that a piece was left out; they stay in the order of their numbers, whichever failed first."""
        skipped = Skipped(name, samples, f"{type(error).__name__}: {error}", number)
        insort(self.skipped, skipped, key=lambda one: one.number)

    def stop(self) -> None:
        """Take down that the run has ended."""
        self.stopped = time.time()

    @property
    def seconds(self) -> float:
        """How long the run took, or has taken until now."""
        return (time.time() if self.stopped is None else self.stopped) - self.started

    @property
    def samples_done(self) -> int:
        """How many samples were worked on."""
        return sum(totals.samples for totals in self.workers.values())
