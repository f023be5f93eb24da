"""What a cluster takes for a task, a byte and a sample, and what a job asks of it: plain numbers.

Nothing here measures, or knows a cluster: `measuring` fills these in, `sizing` and `simulate` read them.
"""

from dataclasses import dataclass

__all__ = ["Costs", "Work"]


@dataclass(frozen=True)
class Costs:
    """Hold what a cluster takes, in seconds of the one who does it.

    For a piece, work apart: ``client_task``, ``scheduler_task``, ``worker_task``; and ``latency``, that nobody works.
    For a byte: ``client_byte``, ``scheduler_byte`` and ``worker_byte`` where it comes from the client, ``peer_byte``
    from another worker, ``read_byte`` from a file, at the one who gets it. For a sample: ``sample``, the loss; it is
    the module's, as is ``setup``, what a worker takes before its first piece. ``start`` is what a run takes before the
    first piece is sent, besides parameters. ``cores`` are those that all share, None where each has its own;
    ``together`` says that client and scheduler are one process. ``base`` is a worker's memory before the run, and
    ``workspace`` what the loss needs above its inputs, in bytes; ``task_bytes`` is what goes to and fro for a piece
    that holds nothing.

    The values here are about those of Dask 2026.8 on one machine; `measuring.measure` gives those of a cluster.

    >>> Costs().turnaround > Costs().latency
    True
    """

    client_task: float = 6e-4
    scheduler_task: float = 5e-4
    worker_task: float = 1e-3
    latency: float = 5e-3
    client_byte: float = 1e-9
    scheduler_byte: float = 1e-9
    worker_byte: float = 1e-9
    peer_byte: float = 2e-9
    read_byte: float = 5e-10
    sample: float = 1e-6
    setup: float = 0.1
    start: float = 0.02
    cores: int | None = None
    together: bool = False
    base: int = 200_000_000
    workspace: int = 0
    task_bytes: float = 8_000.0

    @property
    def interval(self) -> float:
        """How long client and scheduler take for a piece: the slower of the two, or both if they are together."""
        one, other = self.client_task, self.scheduler_task
        return one + other if self.together else max(one, other)

    @property
    def turnaround(self) -> float:
        """How long a piece without work takes from the client and back."""
        return self.latency + self.client_task + self.scheduler_task + self.worker_task


@dataclass(frozen=True)
class Work:
    """Say what a job asks: ``samples`` in pieces of ``chunk``; of each sample ``sent`` bytes come from the client and
    ``read`` bytes from files.

    ``parameters`` bytes go to each worker once; a piece gives ``result`` bytes, which are merged on the workers
    ``merged`` at a time, or go to the client where that is 1.

    >>> Work(samples=1000, chunk=300).pieces
    4
    """

    samples: int
    chunk: int
    sent: float = 0.0
    read: float = 0.0
    parameters: int = 0
    result: int = 500
    merged: int = 1

    @property
    def pieces(self) -> int:
        """The number of pieces, the last of which may be smaller."""
        return -(-self.samples // self.chunk)

    @property
    def tasks(self) -> int:
        """The number of tasks: one a piece, and those that merge what these give."""
        tasks = level = self.pieces
        while self.merged > 1 and level > 1:
            level = -(-level // self.merged)
            tasks += level
        return tasks
