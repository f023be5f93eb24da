"""The program of a graph on Dask's arrays: one task a chunk, where the graph can be shared out among the chunks.

How the given arrays are chunked is known when the program is called, so that a plan is made for each chunking, once.
What cannot be shared out runs as the portable program, a task for each operation and chunk; `report` says why.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dask
import dask.array
from dask.utils import parse_bytes

from tl_arrayapi.backends.dask.partition.grid import Grid, grid_of
from tl_arrayapi.backends.dask.partition.lattice import Unsplittable
from tl_arrayapi.backends.dask.partition.plan import Plan
from tl_arrayapi.backends.program import Program, Report, Runtime, Step
from tl_arrayapi.graph.graph import Graph

__all__ = ["DaskProgram", "DaskReport"]

_MOST_PLANS = 32


@dataclass(frozen=True)
class DaskReport(Report):
    """The stages of the latest chunking, and in ``notes`` what was chunked anew or came together, or why there are no
    stages.
    """

    notes: tuple[str, ...] = ()


class DaskProgram(Program):
    """Run ``graph`` chunk by chunk, or as ``portable`` where that cannot be.

    ``runtime`` gives the functions of the library of the chunks, on the worker.

    >>> import dask.array, tl_arrayapi as tl
    >>> @tl.compile
    ... def mean_square(x):
    ...     return tl.array_namespace(x).mean(x * x)
    >>> y = mean_square(dask.array.arange(10.0, chunks=5))
    >>> float(y.compute())
    28.5
    """

    def __init__(self, graph: Graph, portable: Program, runtime: Callable[[Any], Runtime]) -> None:
        self.graph = graph
        self._portable = portable
        self._runtime = runtime
        self._plans: OrderedDict[Any, Plan | str] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *given: Any) -> list[Any]:
        """Return lazy outputs; nothing is computed."""
        arrays = [x if isinstance(x, dask.array.Array) else dask.array.asarray(x) for x in given]
        plan = self._plan(arrays)
        if isinstance(plan, str):
            return self._portable(*arrays)
        wanted = plan.grid.chunks
        return plan([x if c is None else x.rechunk(c) for x, c in zip(arrays, wanted, strict=True)])

    def _plan(self, arrays: list[Any]) -> Plan | str:
        key = tuple(x.chunks for x in arrays)
        with self._lock:
            found = self._plans.pop(key, None)
            if found is None:
                found = self._made(arrays)
            self._plans[key] = found
            if len(self._plans) > _MOST_PLANS:
                self._plans.popitem(last=False)
        return found

    def _made(self, arrays: list[Any]) -> Plan | str:
        for i, x in enumerate(arrays):
            if any(math.isnan(n) for n in x.shape):
                return f"input {i} has chunks of unknown lengths: call its compute_chunk_sizes() first"
        try:
            return Plan(self.graph, _grid(arrays), self._runtime)
        except Unsplittable as reason:
            return str(reason)

    # ---- what is shown
    def _latest(self) -> Plan | str:
        with self._lock:
            return next(reversed(self._plans.values()), "not called yet: the chunks of the arrays decide")

    @property
    def source(self) -> str:  # type: ignore[override]
        """The stages for the latest chunking, each as the equations that run there; else the portable program."""
        plan = self._latest()
        if isinstance(plan, str):
            return f"# {plan}\n{self._portable.source}"
        return "\n".join(plan.lines())

    def report(self) -> DaskReport:
        """Return what runs together for the latest chunking, and notes on it."""
        plan = self._latest()
        if isinstance(plan, str):
            return DaskReport(self._portable.report().steps, notes=(plan,))
        steps = []
        for stage in plan.stages:
            numbers = tuple(sorted({entry.number for entry in stage.entries}))
            lines = tuple(dict.fromkeys(line for i in numbers if (line := self.graph.equations[i].line)))
            where = f"in each of {len(plan.grid.steps)} chunks" if stage.chunks else "once"
            steps.append(Step(f"{where}, round {stage.round}", numbers, lines))
        return DaskReport(tuple(steps), notes=plan.notes)


def _grid(arrays: list[Any]) -> Grid:
    largest = max((math.prod(x.chunksize) * x.dtype.itemsize for x in arrays), default=0)
    limit = max(largest, parse_bytes(dask.config.get("array.chunk-size")))
    return grid_of([(x.chunks, x.dtype.itemsize) for x in arrays], limit)
