"""What a cluster's tasks get, do and bring back, and what the client knows of those under way.

Nothing here speaks to a cluster.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tl_arrayapi.distributed.environment import one_thread, own_scheduler
from tl_arrayapi.distributed.record import Done
from tl_arrayapi.distributed.replica import Replica, Version
from tl_arrayapi.distributed.runner import Job, Mergeable, work
from tl_arrayapi.distributed.samples.piece import Piece

__all__ = ["Bundle", "Found", "Sent", "Task", "merged", "worked"]

_P = TypeVar("_P", bound=Mergeable)


@dataclass(frozen=True)
class Bundle:
    """Hold the pieces that one task works on, one after another, and their numbers."""

    numbers: tuple[int, ...]
    pieces: tuple[Piece, ...]

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def nbytes(self) -> int:
        """The bytes that travel with it."""
        return sum(piece.nbytes for piece in self.pieces)

    @property
    def inputs(self) -> list[list[Any]]:
        """What each piece is to be given."""
        return [list(piece.inputs) for piece in self.pieces]

    def count(self, found: int) -> int:
        """Return of how many samples it is made; ``found`` where only reading told."""
        counts = [piece.count for piece in self.pieces if piece.count is not None]
        return sum(counts) if len(counts) == len(self.pieces) else found

    def __str__(self) -> str:
        last = "" if len(self) == 1 else f" to {self.numbers[-1]}"
        names = ", ".join(piece.name for piece in self.pieces)
        return f"chunk{'s' * (len(self) > 1)} {self.numbers[0]}{last} ({names})"


@dataclass(frozen=True)
class Found(Generic[_P]):
    """What a task brings back: its value, who worked on what, and one worker for each fingerprint met."""

    value: _P
    done: tuple[Done, ...]
    workers: dict[str, str]

    def merge(self, other: "Found[_P]") -> "Found[_P]":
        """Return what both bring."""
        workers = {**other.workers, **self.workers}
        return Found(self.value.merge(other.value), (*self.done, *other.done), workers)


def worked(
    bundle: Bundle, inputs: Sequence[Sequence[Any]], replica: Replica, version: Version, job: Job[_P]
) -> Found[_P]:
    """Return what ``job`` gives for the pieces of ``bundle``."""
    from distributed import get_worker

    worker = get_worker().address
    found = []
    with one_thread(), own_scheduler(), replica.at(version) as module:
        for number, piece, own in zip(bundle.numbers, bundle.pieces, inputs, strict=True):
            value, done = work(job, module, number, piece, own, worker)
            found.append(Found(value, (done,), {replica.fingerprint: worker}))
    return merged(found)


def merged(found: Sequence[Found[_P]]) -> Found[_P]:
    """Return what all of ``found``, one at least, bring together."""
    return functools.reduce(Found.merge, found)


@dataclass(eq=False)
class Sent:
    """Pieces under way together, and what became of them so far; ``data`` is the future of their bundle, where that
    holds samples.
    """

    bundle: Bundle
    data: Any = None
    since: float = 0.0
    sendings: int = 0
    lost: int = 0
    killed: int = 0
    helped: bool = False
    is_done: bool = False  # a task for it has ended well
    is_counted: bool = False

    @property
    def is_there(self) -> bool:
        """Whether the samples that it holds are on a worker, as far as is known."""
        return self.data is not None and self.data.status == "finished"

    def apart(self) -> list["Sent"]:
        """Return its pieces, each by itself."""
        return [
            Sent(Bundle((number,), (piece,)), sendings=self.sendings, is_counted=self.is_counted)
            for number, piece in zip(self.bundle.numbers, self.bundle.pieces, strict=True)
        ]


@dataclass(frozen=True)
class Task:
    """A task, and what was sent for its value; ``merges`` where it merges the values of other tasks."""

    future: Any
    sent: tuple[Sent, ...]
    merges: tuple[Any, ...] = ()
