"""NumPy's program: what runs, and in which memory."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy

from tl_arrayapi.backends.numpy.lowering.code import Code
from tl_arrayapi.backends.numpy.lowering.joins import joined
from tl_arrayapi.backends.numpy.lowering.memory import ALIGNMENT, placed
from tl_arrayapi.backends.numpy.lowering.schedule import BLOCK, LARGE, scheduled
from tl_arrayapi.backends.numpy.lowering.select import select
from tl_arrayapi.backends.numpy.lowering.write import write
from tl_arrayapi.backends.program import Program, Report, Runtime, Step
from tl_arrayapi.graph.graph import Atom, Graph

__all__ = ["NumPyProgram"]

_POOLED = 4
"""The most workspaces that wait for the next call."""

_SHARED = 1 << 20
"""Bytes of a workspace from which all that are bound to one program share it."""


class NumPyProgram(Program):
    """A graph as calls of NumPy on memory that was allocated beforehand.

    Elementwise results of ``large`` bytes are made block by block, of ``block`` bytes.
    """

    def __init__(self, graph: Graph, runtime: Runtime, large: int = LARGE, block: int = BLOCK) -> None:
        self.graph = graph
        self._selected = select(graph, runtime)
        steps = scheduled(self._selected.instructions, self._selected.outputs, large, block)
        self._layout = placed(steps, self._selected.outputs)
        for step in steps:
            step.instructions = [x for x in step.instructions if x not in self._layout.needless]
        self._steps = joined(step for step in steps if step.instructions)
        self._written: dict[tuple[frozenset[int], frozenset[int]], Code] = {}
        self._pool: deque[Callable[..., list[Any]]] = deque(maxlen=_POOLED)
        self._shared: Any = None
        self._turn = threading.Lock()

    @cached_property
    def source(self) -> str:  # type: ignore[override]  # written when it is first asked for
        """What runs where nothing is bound."""
        return self._coded(frozenset(), frozenset()).source.text

    def __call__(self, *given: Any) -> list[Any]:
        """Run in a workspace that no other call runs in."""
        try:
            run = self._pool.pop()
        except IndexError:
            run = None
        if run is None:
            run = self._coded(frozenset(), frozenset()).run(self._memory(), (), ())
        outputs = run(*given)
        self._pool.append(run)
        return outputs

    def bind(self, fixed: Mapping[int, Any], outs: Mapping[int, Any]) -> Callable[..., list[Any]]:
        """Return the program with every view of the given and the output arrays made, in a workspace that stays.

        Arrays that do not lie in C order, and outputs that share memory with what is given here, are copied at each
        call. What is given later must not share memory with ``outs``.
        """
        held = {i: x for i, x in fixed.items() if self._stays(x, self.graph.given[i])}
        written = {k: x for k, x in outs.items() if self._stays(x, self.graph.outputs[k]) and x.flags.writeable}
        for k in list(written):
            others = [x for j, x in written.items() if j != k]
            if any(numpy.may_share_memory(written[k], x) for x in (*fixed.values(), *others)):
                del written[k]
        run = self._placed(held, written)
        if len(held) == len(fixed) and len(written) == len(outs):
            return run
        return _copying(run, [i for i in range(len(self.graph.given)) if i not in held], fixed, outs, written)

    def _stays(self, x: Any, described: Atom) -> bool:
        """Say whether views of ``x`` can be made once and for all."""
        return bool(type(x) is numpy.ndarray and x.dtype is numpy.dtype(described.dtype) and x.flags.c_contiguous)

    def _placed(self, fixed: Mapping[int, Any], outs: Mapping[int, Any]) -> Callable[..., list[Any]]:
        code = self._coded(frozenset(fixed), frozenset(outs))
        arrays = [fixed[i] for i in sorted(fixed)], [outs[k] for k in sorted(outs)]
        if self._layout.nbytes < _SHARED:
            return code.run(self._memory(), *arrays)
        # All that are bound share one large workspace, for which they take turns: whoever cannot have it has its own.
        if self._shared is None:
            self._shared = self._memory()
        first, turn = code.run(self._shared, *arrays), self._turn
        second: Callable[..., list[Any]] | None = None

        def run(*given: Any) -> list[Any]:
            nonlocal second
            if turn.acquire(blocking=False):
                try:
                    return first(*given)
                finally:
                    turn.release()
            if second is None:
                second = code.run(self._memory(), *arrays)
            return second(*given)

        return run

    def report(self) -> Report:
        """Return the steps that run."""
        equations = self.graph.equations
        steps = []
        for step in self._steps:
            numbers = tuple(sorted({x.equation for x in step.instructions if x.equation < len(equations)}))
            lines = tuple(dict.fromkeys(equations[i].line for i in numbers if equations[i].line))
            if step.instructions:
                steps.append(Step(", ".join(x.name for x in step.instructions), numbers, lines))
        return Report(tuple(steps), self._layout.buffers, self._layout.nbytes)

    def _memory(self) -> Any:
        raw = numpy.empty(self._layout.nbytes + ALIGNMENT, numpy.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + self._layout.nbytes]

    def _coded(self, fixed: frozenset[int], outs: frozenset[int]) -> Code:
        if (fixed, outs) not in self._written:
            source = write(self.graph, self._selected, self._steps, self._layout, fixed, outs)
            self._written[fixed, outs] = Code(source, self._selected.functions, self.graph)
        return self._written[fixed, outs]


def _copying(
    run: Callable[..., list[Any]],
    free: list[int],
    fixed: Mapping[int, Any],
    outs: Mapping[int, Any],
    written: Mapping[int, Any],
) -> Callable[..., list[Any]]:
    """Return ``run`` with arrays of ``fixed`` handed to it at each call, and results copied to those of ``outs``."""

    def bound(*rest: Any) -> list[Any]:
        later = iter(rest)
        results = run(*[fixed[i] if i in fixed else next(later) for i in free])
        for k, out in outs.items():
            if k not in written:
                numpy.copyto(out, results[k])
                results[k] = out
        return results

    return bound
