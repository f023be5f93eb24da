"""NumPy's program: source compiled once, workspaces in a pool."""

import linecache
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from math import inf, nan
from typing import Any

import numpy

from tl_arrayapi.backends.numpy.lowering.groups import grouped
from tl_arrayapi.backends.numpy.lowering.memory import ALIGNMENT, placed
from tl_arrayapi.backends.numpy.lowering.select import select
from tl_arrayapi.backends.numpy.lowering.write import Source, write
from tl_arrayapi.backends.program import Program, Report, Runtime, Step
from tl_arrayapi.graph.graph import Graph

__all__ = ["NumPyProgram"]

_POOLED = 4
"""The most workspaces that wait for the next call."""

_number_of_program = count()


class NumPyProgram(Program):
    """A graph as calls of NumPy on memory that was allocated beforehand."""

    def __init__(self, graph: Graph, runtime: Runtime) -> None:
        self.graph = graph
        self._selected = select(graph, runtime)
        self._steps = grouped(self._selected.instructions)
        self._layout = placed(self._steps, self._selected.outputs)
        for step in self._steps:
            step.instructions = [x for x in step.instructions if x not in self._layout.needless]
        self._written: dict[tuple[frozenset[int], frozenset[int]], _Code] = {}
        self._code = self._coded(frozenset(), frozenset())
        self.source = self._code.source.text
        self._pool: deque[Callable[..., list[Any]]] = deque(maxlen=_POOLED)

    def __call__(self, *given: Any) -> list[Any]:
        """Run in a workspace that no other call runs in."""
        try:
            run = self._pool.pop()
        except IndexError:
            run = self._code.prepare(self._memory(), self._code.source.constants, (), ())
        try:
            outputs = run(*given)
        except Exception as error:
            self._code.note(error, self.graph)
            raise
        self._pool.append(run)
        return outputs

    def bind(self, fixed: Mapping[int, Any], outs: Mapping[int, Any]) -> Callable[..., list[Any]]:
        """Return the program in a workspace of its own, with every view of the given and the output arrays made."""
        code = self._coded(frozenset(fixed), frozenset(outs))
        arrays = [fixed[i] for i in sorted(fixed)]
        return code.prepare(self._memory(), code.source.constants, arrays, [outs[k] for k in sorted(outs)])

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

    def _coded(self, fixed: frozenset[int], outs: frozenset[int]) -> "_Code":
        if (fixed, outs) not in self._written:
            source = write(self.graph, self._selected, self._steps, self._layout, fixed, outs)
            self._written[fixed, outs] = _Code(source, self._selected.functions)
        return self._written[fixed, outs]


class _Code:
    """Source, compiled: ``prepare`` makes the function that runs in one workspace."""

    def __init__(self, source: Source, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.source = source
        names = {**_NAMES, **functions}
        self._place = f"<NumPy program {next(_number_of_program)}>"
        # A size of time None: linecache then never looks for a file of this name.
        linecache.cache[self._place] = (len(source.text), None, source.text.splitlines(keepends=True), self._place)
        exec(compile(source.text, self._place, "exec"), names)
        self.prepare: Callable[..., Callable[..., list[Any]]] = names["prepare"]
        weakref.finalize(self.prepare, linecache.cache.pop, self._place, None)

    def note(self, error: Exception, graph: Graph) -> None:
        """Add to an error that came from the code which equation it was, and the user's line of that."""
        trace, number = error.__traceback__, None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._place:
                number = self.source.equations.get(trace.tb_lineno)
            trace = trace.tb_next
        if number is not None and number < len(graph.equations):
            equation = graph.equations[number]
            operands = ", ".join(f"{x.dtype}{list(x.shape)}" for x in equation.operands)
            error.add_note(f"in {equation.name}({operands})" + (f", at {equation.line}" if equation.line else ""))


def _plain(x: Any, dtype: Any) -> Any:
    """Return ``x`` as an array of NumPy's own type and byte order, in C order."""
    return numpy.asarray(x, dtype, order="C")


def _own(result: Any, *operands: Any) -> Any:
    """Return what a function made as an array in C order that is no view of an operand."""
    array = numpy.asarray(result, order="C")
    return array if array.base is None and all(array is not x for x in operands) else array.copy()


def _own_each(results: Any, *operands: Any) -> list[Any]:
    return [_own(x, *operands) for x in results]


def _cut(x: Any, by: int) -> list[Any]:
    """Return views of ``x``, of so many elements of the first axis each."""
    return [x[i : i + by] for i in range(0, len(x), by)]


def _again(x: Any, count: int, last: int) -> list[Any]:
    """Return ``x`` so many times, the last time cut to its first elements."""
    return [x] * (count - 1) + [x[:last]]


def _each(x: Any) -> list[Any]:
    """Return views of the entries of ``x``."""
    return [x[i, ...] for i in range(len(x))]


_DTYPES = (
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)

_NAMES: dict[str, Any] = {
    **{name: numpy.dtype(name) for name in _DTYPES},
    **{f"{name}_reduce": getattr(numpy, name).reduce for name in ("add", "multiply", "maximum", "minimum")},
    **{f"{name}_reduce": getattr(numpy, name).reduce for name in ("logical_and", "logical_or")},
    "add_at": numpy.add.at,
    "again": _again,
    "array": numpy.ndarray,
    "copyto": numpy.copyto,
    "cut": _cut,
    "each": _each,
    "empty": numpy.empty,
    "everything": slice(None),
    "inf": inf,
    "matmul": numpy.matmul,
    "multiply": numpy.multiply,
    "nan": nan,
    "own": _own,
    "own_each": _own_each,
    "plain": _plain,
}
