"""What runs on a worker: a stage of a program on one chunk, or once, and the joining of parts.

A task carries its stage as bytes, the graph and what it is given; the first one in a process builds the program, from
the library of the chunks that it meets, and later ones find it there.
"""

import pickle
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.backends.dask.partition.lattice import Split
from tl_arrayapi.backends.dask.partition.local import Counted
from tl_arrayapi.backends.program import Program, Runtime
from tl_arrayapi.backends.registry import backend_of, get
from tl_arrayapi.graph.graph import Graph

__all__ = ["Gathered", "Item", "Join", "Joined", "Run", "Source", "Taken", "packed"]


@dataclass(frozen=True, slots=True)
class Taken:
    """An input that is an argument of the task, or the item ``slot`` of one, of which the chunk's own part is cut."""

    argument: int
    slot: int | None = None
    cut: Split | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """An input that is joined from parts: the item ``slot`` of each in the list that is an argument."""

    argument: int
    slot: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """An input whose chunks come together along ``axis``: the item ``slot`` of each in the list that is an argument."""

    argument: int
    slot: int | None
    axis: int


Source = Taken | Joined | Gathered | Counted


@dataclass(frozen=True)
class _Stage:
    graph: Graph
    sources: tuple[Source, ...]
    joins: tuple[str, ...]
    runtime: Callable[[Any], Runtime]


def packed(
    graph: Graph, sources: tuple[Source, ...], joins: tuple[str, ...], runtime: Callable[[Any], Runtime]
) -> bytes:
    """Return a stage as bytes: its graph, where its inputs come from, and the functions that join parts.

    ``runtime`` gives the functions of the library that it is handed; it is pickled by its name.
    """
    return zlib.compress(pickle.dumps(_Stage(graph, sources, joins, runtime), pickle.HIGHEST_PROTOCOL))


@lru_cache(maxsize=256)
def _unpacked(packed: bytes) -> _Stage:
    stage = pickle.loads(zlib.decompress(packed))
    assert isinstance(stage, _Stage)
    return stage


@lru_cache(maxsize=256)
def _program(packed: bytes, backend: Backend) -> Program:
    stage = _unpacked(packed)
    return backend.lower(stage.graph, stage.runtime(backend.namespace))


@dataclass(frozen=True, slots=True)
class Run:
    """Run a stage on the chunk of ``steps`` that begins at ``start``; return the tuple of its outputs."""

    packed: bytes
    start: int = 0
    steps: int = 0

    def __call__(self, *arguments: Any) -> tuple[Any, ...]:
        """Take the arguments that the stage's sources name."""
        stage = _unpacked(self.packed)
        backend = _library(arguments)
        joined: dict[int, tuple[Any, ...]] = {}
        inputs = []
        for source in stage.sources:
            if isinstance(source, Joined):
                if source.argument not in joined:
                    joined[source.argument] = Join(stage.joins)(arguments[source.argument])
                value = joined[source.argument][source.slot]
            elif isinstance(source, Gathered):
                parts = arguments[source.argument]
                chunks = [_item(part, source.slot) for part in parts]
                value = backend.namespace.concat(chunks, axis=source.axis)
            elif isinstance(source, Counted):
                value = self._counted(source, backend)
            else:
                value = self._cut(_item(arguments[source.argument], source.slot), source.cut)
            inputs.append(backend.namespace.asarray(value))  # Dask's chunks of no axes are scalars
        return tuple(_program(self.packed, backend)(*inputs))

    def _cut(self, value: Any, cut: Split | None) -> Any:
        if cut is None:
            return value
        mine = slice(cut.unit * self.start, cut.unit * (self.start + self.steps))
        return value[(*(slice(None),) * cut.axis, mine, ...)]

    def _counted(self, source: Counted, backend: Backend) -> Any:
        first = source.start + source.step * source.unit * self.start
        dtype = backend.dtype(source.dtype)
        if source.first:
            return backend.namespace.asarray(first, dtype=dtype)
        stop = first + source.step * source.unit * self.steps
        return backend.namespace.arange(first, stop, source.step, dtype=dtype)

    def __dask_tokenize__(self) -> Any:
        return "tl_arrayapi.Run", self.packed, self.start, self.steps


@dataclass(frozen=True, slots=True)
class Join:
    """Join tuples of parts, item by item, each by the function of that name: neighbours first, in their order."""

    functions: tuple[str, ...]

    def __call__(self, parts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return one tuple."""
        xp = _library(parts[0]).namespace
        return tuple(_in_pairs(getattr(xp, name), [part[i] for part in parts]) for i, name in enumerate(self.functions))


@dataclass(frozen=True, slots=True)
class Item:
    """Return the item at a place, or the items of a slice."""

    place: int | slice

    def __call__(self, values: Any) -> Any:
        """Return what is there."""
        return values[self.place]


def _in_pairs(function: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    while len(values) > 1:
        paired = [function(values[i], values[i + 1]) for i in range(0, len(values) - 1, 2)]
        values = paired + values[len(paired) * 2 :]
    return values[0]


def _item(value: Any, slot: int | None) -> Any:
    return value if slot is None else value[slot]


def _library(arguments: Any) -> Backend:
    """Return the backend of the first array among arguments, or in them; NumPy's where there is none."""
    for x in arguments:
        if isinstance(x, (tuple, list)):
            if x:
                return _library(x)
        elif not isinstance(x, (bool, int, float, complex)) or hasattr(x, "dtype"):
            return backend_of(x)
    return get(None)
