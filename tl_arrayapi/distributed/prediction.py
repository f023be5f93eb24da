"""What a mean loss will take on a cluster, before anything is read: tasks, bytes, memory and time."""

import math
import pickle
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from tl_arrayapi.distributed.cluster import OnCluster
from tl_arrayapi.distributed.costs import Costs, Work
from tl_arrayapi.distributed.measuring import Load, measure_cluster, measure_here
from tl_arrayapi.distributed.replica import Version
from tl_arrayapi.distributed.runner import InProcess, connected
from tl_arrayapi.distributed.samples import Source, open_samples
from tl_arrayapi.distributed.samples.kinds import Kind
from tl_arrayapi.distributed.samples.sequences import Rows
from tl_arrayapi.distributed.samples.table import Tables
from tl_arrayapi.distributed.simulate import simulate
from tl_arrayapi.distributed.sizing import (
    FETCHED_AT_ONCE,
    chunk_samples,
    fewest_pieces,
    pieces_to_time,
    pieces_together,
    suited,
    window_pieces,
)
from tl_arrayapi.errors import StructureError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.optim.checks import count

__all__ = ["Prediction", "plan"]


@dataclass(frozen=True)
class Prediction:
    """Hold what a run is expected to take: see `plan`.

    ``tasks`` of pieces of ``chunk_size`` samples, of one each where the size was given, and otherwise of as many as are
    put together; ``sent`` bytes leave the client, and ``wire`` bytes go from one process to
    another, those that the scheduler passes on twice; ``memory`` bytes at the peak of a worker, and ``seconds`` in all.
    ``limit`` says what the run waits for most, and ``best_chunk_size`` with what ``chunk_size`` it should be shortest.

    >>> import numpy, tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> samples = tl.stack_samples(numpy.ones(100_000, dtype=numpy.float32))
    >>> plan(module, samples, workers=2, costs=Costs(sample=1e-6)).tasks
    17
    """

    workers: int
    samples: int
    chunk_size: int
    tasks: int
    sent: int
    wire: int
    memory: int
    seconds: float
    limit: str
    best_chunk_size: int
    costs: Costs

    def __str__(self) -> str:
        rows = [
            ("workers", f"{self.workers:,}"),
            ("samples", f"{self.samples:,}"),
            ("samples of a piece", f"{self.chunk_size:,}"),
            ("tasks", f"{self.tasks:,}"),
            ("sent by the client", f"{self.sent / 1e6:,.3g} MB"),
            ("over the wire", f"{self.wire / 1e6:,.3g} MB"),
            ("a worker's memory", f"{self.memory / 1e6:,.3g} MB"),
            ("time", f"{self.seconds:,.3g} s"),
            ("limited by", self.limit),
            ("best chunk_size", f"{self.best_chunk_size:,}"),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)

    __repr__ = __str__


def plan(
    module: ScalarModule,
    samples: Any,
    client: Any = None,
    *,
    weights: Any = None,
    exact: bool = True,
    micro_batch: int = 64,
    chunk_size: int | None = None,
    workers: int | None = None,
    costs: Costs | None = None,
) -> Prediction:
    """Return what `mean_loss` with these arguments should take; no sample is read.

    What a task, a byte and a sample take is measured on the cluster of ``client``, in some seconds, with made-up
    samples, or is given as ``costs``: those of an earlier `Prediction`, say. ``workers`` is their number where it is
    not that of the cluster: each then has a core of its own. Without a client and workers it is for this process.

    Raises as `mean_loss` does for samples that cannot be right; StructureError for those that nothing is known of
    before they are read (bags, Delayed, iterators), or of several shapes; and what the loss raises for made-up samples.

    >>> import numpy, tl_arrayapi as tl
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> samples = tl.stack_samples(numpy.ones(1000, "float32"))
    >>> found = plan(module, samples, workers=100, costs=Costs(), chunk_size=10)
    >>> found.tasks, found.sent >= 4000
    (100, True)
    """
    micro_batch = count("micro_batch", micro_batch, at_least=1)
    if workers is not None:
        workers = count("workers", workers, at_least=1)
    source = open_samples(module, samples, weights, micro_batch, chunk_size)
    if client is None:
        if chunk_size is None:
            source = suited(source, micro_batch, InProcess.fewest if workers is None else fewest_pieces(workers))
        load = _load(source, micro_batch, exact)
        if costs is None:
            costs = measure_here(module, load) if workers is None else _apart(measure_here(module, load))
        return _predicted(module, source, load, costs, workers, together=workers is not None and chunk_size is None)
    with connected(client) as runner:
        assert isinstance(runner, OnCluster)
        if chunk_size is None:
            source = suited(source, micro_batch, fewest_pieces(workers or runner.workers))
        load = _load(source, micro_batch, exact)
        if costs is None:
            costs = measure_cluster(module, load, runner)
        if workers is not None and workers != runner.workers:
            costs = replace(costs, cores=None, together=False)
        return _predicted(module, source, load, costs, workers or runner.workers, together=chunk_size is None)


def _load(source: Source, micro_batch: int, exact: bool) -> Load:
    kinds, bounds = _known(source)
    return Load(kinds, max(high - low for low, high in pairwise(bounds)), micro_batch, exact)


def _predicted(
    module: ScalarModule, source: Source, load: Load, costs: Costs, workers: int | None, *, together: bool
) -> Prediction:
    _, bounds = _known(source)
    total, pieces = bounds[len(bounds) - 1], len(bounds) - 1
    sample = sum(kind.nbytes for kind in load.kinds)
    first = next(iter(source))
    parameters = Version.of(module).nbytes
    others = workers is not None
    sent = sample if others and first.nbytes else 0
    read = sample if not first.nbytes and not first.inputs else 0
    tasks, joined = pieces, 0
    if together:
        threads, begun = workers or 1, pieces_to_time(workers or 1)
        seconds = load.chunk * (costs.sample + read * costs.read_byte)
        size = pieces_together(seconds, pieces, threads, load.chunk * sent)
        tasks = min(pieces, begun + max(0, -(-(pieces - begun) // size)))
        # Beyond the first of its task a piece brings itself alone: to the scheduler, and to the worker.
        joined = (pieces - tasks) * 2 * len(pickle.dumps(first)) if tasks < pieces else 0
    work = Work(total, -(-total // tasks), sent=sent, read=read, parameters=parameters if others else 0)
    found = simulate(work, costs, workers or 1)
    window = window_pieces(workers or 1, load.chunk * sent)
    # Those that are done are held, too, until so many values are fetched at once: half of that on average.
    held = min(window + FETCHED_AT_ONCE / 2, pieces) / (workers or 1) if sent else 1
    leaves = round(total * sent + work.parameters)
    return Prediction(
        workers=workers or 1,
        samples=total,
        chunk_size=load.chunk,
        tasks=tasks,
        sent=leaves,
        # What is scattered goes by the scheduler; workers get parameters from one another.
        wire=round(2 * leaves + ((workers or 1) - 1) * parameters + tasks * costs.task_bytes + joined) if others else 0,
        memory=round(costs.base + costs.workspace + parameters + math.ceil(held) * load.chunk * sample),
        seconds=found.seconds,
        limit=found.limit,
        best_chunk_size=chunk_samples(
            total,
            sample,
            workers=workers or 1,
            micro_batch=load.micro_batch,
            sample_seconds=costs.sample + read * costs.read_byte + sent * costs.worker_byte,
            costs=costs,
        ),
        costs=costs,
    )


def _apart(costs: Costs) -> Costs:
    """Return the costs of workers that are not there: a sample takes them what it takes this process."""
    usual = Costs()
    return replace(usual, sample=costs.sample, setup=costs.setup, base=costs.base, workspace=costs.workspace)


def _known(source: Source) -> tuple[tuple[Kind, ...], Any]:
    """Return the kinds of the inputs, and where pieces begin and end."""
    if isinstance(source, Tables):
        return tuple(kind for table in source.inputs for kind in table.kinds), source.bounds
    if isinstance(source, Rows) and source.uniform:
        packed = source.take([0]).load().packed
        return tuple(Kind(f"input {k}", x.shape[1:], x.dtype) for k, x in enumerate(packed)), source.bounds
    raise StructureError(
        "how many samples there are, or of what shapes, is not known before they are read, so that nothing can be "
        "planned: give stacked arrays, Dask arrays, files, or a list of samples of one shape"
    )
