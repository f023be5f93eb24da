"""Plans: a graph shared out among the chunks of given inputs, as tasks of Dask's.

A plan is made once for a chunking, and written into a graph of tasks at every call, with nothing computed.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import dask.array
import numpy
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from tl_arrayapi.backends.dask.partition.blocks import block_of
from tl_arrayapi.backends.dask.partition.grid import Grid
from tl_arrayapi.backends.dask.partition.joins import Join
from tl_arrayapi.backends.dask.partition.lattice import Lattice, Split, nbytes
from tl_arrayapi.backends.dask.partition.local import Counted, Read, Written, written
from tl_arrayapi.backends.dask.partition.positions import Positions
from tl_arrayapi.backends.dask.partition.stages import PART, Form, Stage, stages_of
from tl_arrayapi.backends.dask.partition.tasks import Item, Run
from tl_arrayapi.backends.dask.partition.work import Gathered, Joined, Source, Taken, Work
from tl_arrayapi.backends.program import Runtime
from tl_arrayapi.graph.graph import Graph, Literal, Var

__all__ = ["FAN_IN", "JOINED_BYTES", "Plan"]

FAN_IN = 32
"""So many parts are joined by one task at most."""

JOINED_BYTES = 1 << 28
"""Parts of so many bytes at most come together in one task, two of them excepted."""

_Place = tuple[str, int]
"""What a task can take an argument from: a given array, a stage on chunks, a stage that runs once, or all chunks of
one of these."""


class Plan:
    """The stages of ``graph`` on a ``grid``. Raises `Unsplittable` where there are none."""

    def __init__(self, graph: Graph, grid: Grid, runtime: Callable[[Any], Runtime]) -> None:
        axes = Positions(graph).axes
        self.graph, self.grid = graph, grid
        self.lattice = Lattice(graph, grid.splits, axes)
        self.stages = [stage for stage in stages_of(graph, self.lattice, axes) if stage.needed]
        self._placed = [_Placed(stage, self, runtime) for stage in self.stages]
        self._at = {(placed.stage.chunks, placed.stage.round): placed for placed in self._placed}
        self.makers: dict[Var, _Placed] = {}
        for placed in self._placed:
            for v, form in placed.outputs:
                if form != PART:
                    self.makers.setdefault(v, placed)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chunked anew, and what comes together whole."""
        return self.grid.notes + tuple(
            f"{equation.name} takes {v.dtype}{list(v.shape)} whole: its chunks come together"
            + (f", at {equation.line}" if equation.line else "")
            for v, equation in self.lattice.gathered.items()
        )

    def lines(self) -> Iterator[str]:
        """Yield each stage's equations, as its longest chunk has them."""
        for placed in self._placed:
            stage = placed.stage
            steps = max(self.grid.steps, default=0) if stage.chunks else 0
            yield f"# round {stage.round}, {'one task a chunk' if stage.chunks else 'one task'}"
            graph = placed.written(steps).graph
            yield f"({', '.join(f'{v!r}: {v.dtype}{list(v.shape)}' for v in graph.inputs)}) ->"
            yield from (f"    {equation!r}" for equation in graph.equations)
            yield f"    return {', '.join(map(repr, graph.outputs))}"

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the outputs for arrays that are chunked as the grid says."""
        token = tokenize(*(placed.token for placed in self._placed), *(x.name for x in arrays))
        tasks: dict[Any, Any] = {}
        tops: dict[int, list[Any]] = {}
        for placed in self._placed:
            placed.write(tasks, tops, token, arrays)
        name = f"program-{token}"
        graph = HighLevelGraph.from_collections(name, tasks, dependencies=arrays)
        meta = next((x._meta for x in arrays), numpy.empty(()))
        return [self._output(i, x, token, name, graph, arrays, meta) for i, x in enumerate(self.graph.outputs)]

    def _output(
        self, i: int, x: Any, token: str, below: str, graph: HighLevelGraph, arrays: Sequence[Any], meta: Any
    ) -> Any:
        if isinstance(x, Literal):
            return dask.array.from_array(numpy.asarray(x.value, dtype=x.dtype), name=False)
        if x in self.graph.given:
            return arrays[self.graph.given.index(x)]
        placed, split = self.makers[x], self.lattice.splits[x]
        take = Item(placed.outputs.index((x, split)))
        name = f"output-{i}-{token}"
        origin = (0,) * x.ndim
        if split is None:
            chunks: Any = tuple((n,) for n in x.shape)
            layer = {(name, *origin): (take, placed.key(token))}
        else:
            along = tuple(split.unit * n for n in self.grid.steps)
            chunks = tuple(along if axis == split.axis else (n,) for axis, n in enumerate(x.shape))
            layer = {
                (name, *origin[: split.axis], k, *origin[split.axis + 1 :]): (take, placed.key(token, k))
                for k in range(len(along))
            }
        layers = {**graph.layers, name: layer}
        made = HighLevelGraph(layers, {**graph.dependencies, name: {below}})
        empty = numpy.empty_like(meta, shape=(0,) * x.ndim, dtype=x.dtype)
        return dask.array.Array(made, name, chunks, meta=empty)


class _Placed:
    """A stage with the tasks that it takes: one, or one a chunk and the tree that joins their parts."""

    def __init__(self, stage: Stage, plan: Plan, runtime: Callable[[Any], Runtime]) -> None:
        self.stage, self.plan, self.runtime = stage, plan, runtime
        self.outputs: tuple[tuple[Var, Form], ...] = (*((v, PART) for v in stage.parts), *stage.writes)
        self.joins = tuple(stage.parts.values())
        self.arguments: dict[_Place, int] = {}

    # ---- names
    def key(self, token: str, chunk: int = 0) -> Any:
        """Return the key of the task that has the stage's outputs, for a chunk where it runs on chunks."""
        kind = "chunk" if self.stage.chunks else "once"
        return f"{kind}-{self.stage.round}-{token}", chunk

    @cached_property
    def token(self) -> str:
        """What is the same for stages that do the same."""
        return str(tokenize(self.packed, self.plan.grid.steps))

    # ---- the program
    @cached_property
    def packed(self) -> bytes:
        """The stage as bytes, for chunks of any length."""
        sources = tuple(map(self._source, self.written(max(self.plan.grid.steps, default=0)).inputs))
        joins = self._previous().joins if any(isinstance(s, Joined) for s in sources) else ()
        block = block_of(self.stage, max(self.plan.grid.steps, default=0))
        return Work(self.stage, self.outputs, sources, joins, self.runtime, self.stage.pieces, block).packed()

    def written(self, steps: int) -> Written:
        """Return the stage's graph for chunks of so many steps."""
        return written(self.stage, self.outputs, Fraction(steps))

    def _previous(self) -> "_Placed":
        return self.plan._at[True, self.stage.round - 1]

    def _argument(self, place: _Place) -> int:
        return self.arguments.setdefault(place, len(self.arguments))

    def _source(self, what: Read | Counted) -> Source:
        """Return where an input of the stage's program comes from."""
        if isinstance(what, Counted):
            return what
        v, form = what.value, what.form
        split = self.plan.lattice.splits[v]
        if not self.stage.chunks and self.stage.round:
            parts = self.plan._at.get((True, self.stage.round - 1))
            if parts is not None and v in parts.stage.parts:
                return Joined(self._argument(("parts", self.stage.round - 1)), list(parts.stage.parts).index(v))
        if v in self.stage.gathers and split is not None:
            place, slot = self._holder(v, split)
            return Gathered(self._argument((f"all-{place[0]}", place[1])), slot, split.axis)
        held = form if form == split else None
        place, slot = self._holder(v, held)
        return Taken(self._argument(place), slot, form if isinstance(form, Split) else None, held is None)

    def _holder(self, v: Var, form: Form) -> tuple[_Place, int | None]:
        """Return what holds a value in a form, and its place in the tuple there."""
        given = self.plan.graph.given
        if v in given and form == self.plan.lattice.splits[v]:
            return ("given", given.index(v)), None
        for placed in self.plan._placed:
            if (v, form) in placed.outputs:
                kind = "chunk" if placed.stage.chunks else "once"
                return (kind, placed.stage.round), placed.outputs.index((v, form))
        raise AssertionError(f"nothing makes {v!r} as {form}")

    # ---- tasks
    def write(self, tasks: dict[Any, Any], tops: dict[int, list[Any]], token: str, arrays: Sequence[Any]) -> None:
        """Add the stage's tasks to ``tasks``, and the keys of the parts that are left to join to ``tops``."""
        grid = self.plan.grid

        def argument(place: _Place, chunk: int) -> Any:
            kind, number = place
            if kind == "parts":
                return tops[number]
            if kind.startswith("all-"):
                return [argument((kind.removeprefix("all-"), number), k) for k in range(len(grid.steps))]
            if kind == "given":
                return _chunk_key(arrays[number], grid.splits[number], chunk)
            return self.plan._at[kind == "chunk", number].key(token, chunk if kind == "chunk" else 0)

        if not self.stage.chunks:
            run = Run(self.packed)
            tasks[self.key(token)] = (run, *(argument(place, 0) for place in self.arguments))
            return
        for chunk, (start, steps) in enumerate(zip(grid.starts, grid.steps, strict=True)):
            run = Run(self.packed, start, steps)
            tasks[self.key(token, chunk)] = (run, *(argument(place, chunk) for place in self.arguments))
        if self.joins:
            tops[self.stage.round] = self._write_tree(tasks, token)

    def _write_tree(self, tasks: dict[Any, Any], token: str) -> list[Any]:
        """Join the parts, a few neighbours at a time, until one task can take the rest; return the keys of these."""
        keys = [self.key(token, chunk) for chunk in range(len(self.plan.grid.steps))]
        if len(self.outputs) > len(self.joins):
            # What else a chunk has made stays where it is.
            only = Item(slice(0, len(self.joins)))
            name = f"parts-{self.stage.round}-{token}"
            tasks.update(((name, chunk), (only, key)) for chunk, key in enumerate(keys))
            keys = [(name, chunk) for chunk in range(len(keys))]
        fan_in = max(2, min(FAN_IN, JOINED_BYTES // max(1, sum(map(nbytes, self.stage.parts)))))
        level = 0
        while len(keys) > fan_in:
            name = f"join-{self.stage.round}-{level}-{token}"
            groups = [keys[i : i + fan_in] for i in range(0, len(keys), fan_in)]
            tasks.update(((name, i), (Join(self.joins), group)) for i, group in enumerate(groups) if len(group) > 1)
            keys = [(name, i) if len(group) > 1 else group[0] for i, group in enumerate(groups)]
            level += 1
        return keys


def _chunk_key(array: Any, split: Split | None, chunk: int) -> Any:
    place = [0] * array.ndim
    if split is not None:
        place[split.axis] = chunk
    return array.name, *place
