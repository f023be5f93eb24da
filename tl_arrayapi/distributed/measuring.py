"""What a cluster takes for a task, a byte and a sample, measured on the cluster itself; no sample of anybody's is read.

A processor's time is what is taken down of client, scheduler and workers, so that a machine that is shared, or busy,
tells little of it. Samples are made up: uniform numbers, and zeros for integers.
"""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy

from tl_arrayapi.distributed.cluster import OnCluster
from tl_arrayapi.distributed.costs import Costs
from tl_arrayapi.distributed.environment import one_thread, own_scheduler
from tl_arrayapi.distributed.evaluation import ExactLosses, PlainLosses
from tl_arrayapi.distributed.replica import Replica, Version
from tl_arrayapi.distributed.runner import Terms
from tl_arrayapi.distributed.samples import open_samples
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.kinds import Kind
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.train import stack_samples

__all__ = ["Load", "measure_cluster", "measure_here", "wire_bytes"]

_TASKS = 192
_TIMES = 5
_PIECE = 4 << 20
_PIECES = 4
_REPEATS = 4
# A sample's time is taken over as much work as this, if the piece has it.
_ENOUGH = 0.2


@dataclass(frozen=True)
class Load:
    """What a run puts on a worker: the kinds of a sample's inputs, a piece's samples, and how they are worked on."""

    kinds: tuple[Kind, ...]
    chunk: int
    micro_batch: int
    exact: bool

    @property
    def job(self) -> ExactLosses | PlainLosses:
        """What is computed of a piece."""
        return (ExactLosses if self.exact else PlainLosses)(self.micro_batch)

    def made_up(self, count: int) -> Chunk:
        """Return a chunk of ``count`` samples of these kinds."""
        rng = numpy.random.default_rng(0)
        packed = tuple(Packed(_values(rng, (count, *kind.shape), kind.dtype), kind.dtype) for kind in self.kinds)
        return Chunk("made-up samples", 0, range(count), None, True, packed)


def _values(rng: "numpy.random.Generator", shape: tuple[int, ...], dtype: str) -> numpy.ndarray[Any, Any]:
    if dtype.startswith(("float", "bfloat")):
        return rng.random(shape, dtype="float64" if dtype == "float64" else "float32").astype(
            "float32" if dtype == "bfloat16" else dtype, copy=False
        )
    return numpy.zeros(shape, dtype)


@dataclass(frozen=True)
class _Timed:
    """What one process takes for samples: seconds for each, for a piece whatever its samples, and before the first
    one; and bytes of memory.
    """

    sample: float
    piece: float
    setup: float
    base: int
    workspace: int
    read_byte: float


def _timed(load: Load, replica: Replica, version: Version) -> _Timed:
    with one_thread(), own_scheduler():
        small = min(load.chunk, load.micro_batch * 16)
        chunk = load.made_up(small)
        setup = _seconds(lambda: _run(replica, version, load, chunk))
        steady = min(_seconds(lambda: _run(replica, version, load, chunk)) for _ in range(3))
        count = min(load.chunk, max(small, int(small * _ENOUGH / max(steady, 1e-6))))
        chunk = load.made_up(count)
        base = _resident("VmRSS")
        _reset_peak()
        first = _seconds(lambda: _run(replica, version, load, chunk))
        workspace = max(0, _resident("VmHWM") - base)
        best = min(first, *(_seconds(lambda: _run(replica, version, load, chunk)) for _ in range(3)))
        # A run of few samples and one of many: the line through both.
        sample = (best - steady) / (count - small) if count > 2 * small else best / count
        sample, piece = max(sample, 0.0), max(steady - small * max(sample, 0.0), 0.0)
        return _Timed(sample, piece, max(setup - steady, 0.0), base, workspace, _reading())


def _run(replica: Replica, version: Version, load: Load, chunk: Chunk) -> Any:
    with replica.at(version) as module:
        return load.job(module, chunk, 0)


def _seconds(step: Callable[[], Any]) -> float:
    # A thread's own time: where there are more workers than cores, others' turns are not counted. A device's work is.
    start, own = time.perf_counter(), time.thread_time()
    step()
    wall, worked = time.perf_counter() - start, time.thread_time() - own
    return worked if worked > wall / 4 else wall


def _reading() -> float:
    """Return what a byte of a file takes that is in the system's cache."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        numpy.save(path, numpy.zeros(_PIECE, numpy.uint8))
        return min(_seconds(lambda: numpy.array(numpy.load(path, mmap_mode="r"))) for _ in range(3)) / _PIECE


def _resident(field: str) -> int:
    """Return a field of the process's status in bytes; 0 where the system has none."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def _reset_peak() -> None:
    peak = Path("/proc/self/clear_refs")
    if peak.exists():
        peak.write_text("5")


def measure_here(module: ScalarModule, load: Load) -> Costs:
    """Return the costs of work in this process: nothing is sent."""
    found = _timed(load, Replica(module), Version.of(module))
    return Costs(
        client_task=0.0,
        scheduler_task=0.0,
        worker_task=found.piece,
        latency=0.0,
        client_byte=0.0,
        scheduler_byte=0.0,
        worker_byte=0.0,
        peer_byte=0.0,
        read_byte=found.read_byte,
        sample=found.sample,
        setup=found.setup,
        start=0.0,
        base=found.base,
        workspace=found.workspace,
        together=True,
    )


def measure_cluster(module: ScalarModule, load: Load, runner: OnCluster) -> Costs:
    """Return the costs of a cluster, and of a module's samples on all of its workers at the same time; in some seconds.

    Its workers should have nothing else to do.
    """
    client = runner.client
    timed = _timed_everywhere(module, load, client)
    together = bool(client.run_on_scheduler(os.getpid) == os.getpid())
    costs = _with_bytes(_tasks(runner, together), client)
    return replace(
        costs,
        worker_task=costs.worker_task + median(x.piece for x in timed),
        read_byte=median(x.read_byte for x in timed),
        sample=median(x.sample for x in timed),
        setup=median(x.setup for x in timed),
        # With what all this has left behind: allocators keep some of what they had.
        base=max(client.run(_resident, "VmRSS").values()),
        workspace=max(x.workspace for x in timed),
        cores=_cores(client),
    )


def _timed_everywhere(module: ScalarModule, load: Load, client: Any) -> list[_Timed]:
    replica, version = Replica(module), Version.of(module)
    tasks = [
        client.submit(_timed, load, replica, version, pure=False, workers=[address]) for address in client.nthreads()
    ]
    found: list[_Timed] = client.gather(tasks)
    return found


def _cores(client: Any) -> int | None:
    """Return how many cores this machine has, if all workers are on it."""
    hosts = {*client.run(socket.gethostname).values(), socket.gethostname()}
    return len(os.sched_getaffinity(0)) if len(hosts) == 1 and hasattr(os, "sched_getaffinity") else None


@dataclass(frozen=True)
class _Busy:
    """The processor time that client, scheduler and workers have taken."""

    client: float
    scheduler: float
    workers: float

    @classmethod
    def now(cls, client: Any) -> "_Busy":
        workers = sum(client.run(time.process_time).values())
        return cls(time.process_time(), client.run_on_scheduler(time.process_time), workers)

    def since(self, before: "_Busy") -> "_Busy":
        return _Busy(self.client - before.client, self.scheduler - before.scheduler, self.workers - before.workers)


def wire_bytes() -> int:
    """Return how many bytes have gone over this machine's loopback so far; 0 where the system does not tell."""
    counters = Path("/proc/net/dev")
    for line in counters.read_text().splitlines() if counters.exists() else ():
        name, _, numbers = line.partition(":")
        if name.strip() == "lo":
            return int(numbers.split()[0])
    return 0


def _nothing(w: Any, x: Any) -> Any:
    return w * x


def _tasks(runner: OnCluster, together: bool) -> Costs:
    """Run pieces of one sample each, of next to no work."""
    client = runner.client
    module = ScalarModule.create(_nothing, [1.0])
    job = ExactLosses(1)

    def run(count: int) -> float:
        samples = stack_samples(numpy.ones(count, numpy.float32))
        start = time.perf_counter()
        runner.total(job, module, open_samples(module, samples, None, 1, 1), Terms())
        return time.perf_counter() - start

    run(_TASKS // 4)
    before, bytes_before = _Busy.now(client), wire_bytes()
    run(_TASKS)
    bytes_after, busy = wire_bytes(), _Busy.now(client).since(before)
    ones = median(run(1) for _ in range(_TIMES))
    turns = median(_seconds_waited(client) for _ in range(_TIMES))
    client_task = busy.client / _TASKS
    # One process cannot tell whose time it was, nor need it.
    each = (client_task / 2, client_task / 2) if together else (client_task, busy.scheduler / _TASKS)
    worker_task = busy.workers / _TASKS
    worked = sum(each) + worker_task
    return Costs(
        client_task=each[0],
        scheduler_task=each[1],
        together=together,
        worker_task=worker_task,
        latency=max(turns - worked, 0.0),
        start=max(ones - turns, 0.0),
        # Where nobody else uses the loopback; and not all goes over it.
        task_bytes=max((bytes_after - bytes_before) / _TASKS, Costs().task_bytes / 4),
    )


def _seconds_waited(client: Any) -> float:
    start = time.perf_counter()
    client.submit(_nothing, 1, 1, pure=False).result()
    return time.perf_counter() - start


def _with_bytes(costs: Costs, client: Any) -> Costs:
    """Send some arrays to workers, and these to all of them."""
    total, workers = _PIECE * _PIECES, len(client.nthreads())
    sent, copied = [], []
    for i in range(_REPEATS):
        arrays = [numpy.full(_PIECE // 8, float(i + j)) for j in range(_PIECES)]
        before = _Busy.now(client)
        held = client.scatter(arrays, hash=False)
        sent.append(_Busy.now(client).since(before))
        if workers > 1:
            before = _Busy.now(client)
            client.replicate(held)
            copied.append(_Busy.now(client).since(before).workers)
        client.cancel(held, force=True)
    from_client = min(busy.client for busy in sent) / total
    return replace(
        costs,
        client_byte=from_client / 2 if costs.together else from_client,
        scheduler_byte=from_client / 2 if costs.together else min(busy.scheduler for busy in sent) / total,
        worker_byte=min(busy.workers for busy in sent) / total,
        peer_byte=min(copied) / total / (workers - 1) if copied else costs.peer_byte,
    )
