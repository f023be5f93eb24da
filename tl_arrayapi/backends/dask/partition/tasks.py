"""What runs on a worker: a stage of a program, on one chunk or once.

A task carries its stage as bytes; the first one in a process builds the programs, from the functions of the library of
the chunks that it meets, and later ones find them there. A chunk on the host is gone through in blocks that the
processor's cache holds, each with the whole stage.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.backends.dask.partition.joins import Join, library_of
from tl_arrayapi.backends.dask.partition.lattice import Split
from tl_arrayapi.backends.dask.partition.local import Counted, written
from tl_arrayapi.backends.dask.partition.work import Gathered, Joined, Source, Taken, Work, unpacked
from tl_arrayapi.backends.program import Program
from tl_arrayapi.backends.registry import get
from tl_arrayapi.graph.passes.pipeline import optimise

__all__ = ["Item", "Run"]


@cache
def _host() -> Backend:
    return get(None)


_MAKING = threading.Lock()


def _program(packed: bytes, steps: Fraction, backend: Backend) -> Program:
    with _MAKING:  # The chunks of one stage begin together, and one of them makes its program for all.
        return _made(packed, steps, backend)


@lru_cache(maxsize=256)
def _made(packed: bytes, steps: Fraction, backend: Backend) -> Program:
    work = unpacked(packed)
    graph = written(work.stage, work.outputs, steps).graph
    # What is quick on a chunk's library was not asked when the whole graph was optimised.
    graph = optimise(graph, reassociate=backend.reassociates)
    return backend.lower(graph, work.runtime(backend.namespace))


@dataclass(frozen=True, slots=True)
class Run:
    """Run a stage on the chunk of ``steps`` that begins at ``start``; return the tuple of its outputs."""

    packed: bytes
    start: int = 0
    steps: int = 0

    def __call__(self, *arguments: Any) -> tuple[Any, ...]:
        """Take the arguments that the stage's sources name."""
        work, backend = unpacked(self.packed), library_of(arguments)
        inputs = self._inputs(work, backend, arguments)
        if backend is not _host() or 2 * work.block >= self.steps * work.pieces:
            return tuple(_program(self.packed, Fraction(self.steps), backend)(*inputs))
        return self._in_blocks(work, backend, inputs)

    def _in_blocks(self, work: Work, backend: Backend, inputs: list[Any]) -> tuple[Any, ...]:
        in_all, block = work.pieces, work.block
        last = self.steps * in_all
        parts = Join(tuple(work.stage.parts.values()))
        joined: list[tuple[int, tuple[Any, ...]]] = []
        others = []
        for start in range(0, last, block):
            stop = min(start + block, last)
            run = _program(self.packed, Fraction(stop - start, in_all), backend)
            found = run(
                *[_part(x, source, start, stop, in_all) for x, source in zip(inputs, work.sources, strict=True)]
            )
            parts.add(joined, tuple(found[: len(parts.functions)]))
            others.append(found[len(parts.functions) :])
        cuts = [form for _, form in work.outputs[len(parts.functions) :] if isinstance(form, Split)]
        return (
            *parts.rest(joined),
            *(
                backend.namespace.concat(list(blocks), axis=cut.axis)
                for blocks, cut in zip(zip(*others, strict=True), cuts, strict=True)
            ),
        )

    def _inputs(self, work: Work, backend: Backend, arguments: Sequence[Any]) -> list[Any]:
        joined: dict[int, tuple[Any, ...]] = {}
        inputs = []
        for source in work.sources:
            if isinstance(source, Counted):
                value = self._counted(source, backend)
            elif isinstance(source, Joined):
                if source.argument not in joined:
                    joined[source.argument] = Join(work.joins)(arguments[source.argument])
                value = joined[source.argument][source.slot]
            elif isinstance(source, Gathered):
                chunks = [_item(part, source.slot) for part in arguments[source.argument]]
                value = backend.namespace.concat(chunks, axis=source.axis)
            else:
                value = _item(arguments[source.argument], source.slot)
                if source.whole and source.split is not None:
                    value = _cut(value, source.split, self.start, self.start + self.steps)
            inputs.append(backend.namespace.asarray(value))  # Dask's chunks of no axes are scalars
        return inputs

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
class Item:
    """Return the item at a place, or the items of a slice."""

    place: int | slice

    def __call__(self, values: Any) -> Any:
        """Return what is there."""
        return values[self.place]


def _item(value: Any, slot: int | None) -> Any:
    return value if slot is None else value[slot]


def _cut(value: Any, split: Split, start: int, stop: int, pieces: int = 1) -> Any:
    """Return a value from one step to another, or from one piece to another of so many in a step."""
    mine = slice(split.unit * start // pieces, split.unit * stop // pieces)
    return value[(*(slice(None),) * split.axis, mine, ...)]


def _part(value: Any, source: Source, start: int, stop: int, pieces: int) -> Any:
    """Return what a block takes of an input of the chunk."""
    if isinstance(source, Counted):
        if source.first:
            return value + source.unit * start // pieces
        return _cut(value, Split(0, source.unit), start, stop, pieces)
    return _cut(value, source.split, start, stop, pieces) if isinstance(source, Taken) and source.split else value
