"""Code: the source of a program, compiled, and the names that it knows."""

import linecache
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from math import inf, nan
from typing import Any

import numpy

from tl_arrayapi.backends.numpy.lowering.write import Source
from tl_arrayapi.graph.graph import Graph

__all__ = ["Code"]

_number_of_program = count()


class Code:
    """Source, compiled; a debugger can step through it, and tracebacks show it."""

    def __init__(self, source: Source, functions: Mapping[str, Callable[..., Any]], graph: Graph) -> None:
        self.source = source
        self._graph = graph
        self._place = f"<NumPy program {next(_number_of_program)}>"
        # A size of time None: linecache then never looks for a file of this name.
        linecache.cache[self._place] = (len(source.text), None, source.text.splitlines(keepends=True), self._place)
        weakref.finalize(self, linecache.cache.pop, self._place, None)
        names = {**_NAMES, **functions}
        exec(compile(source.text, self._place, "exec"), names)
        self._prepare: Callable[..., Callable[..., list[Any]]] = names["prepare"]

    def run(self, memory: Any, fixed: Sequence[Any], outs: Sequence[Any]) -> Callable[..., list[Any]]:
        """Return the function that runs in ``memory``, with the arrays that stay where they are."""
        return self._prepare(memory, self.source.constants, fixed, outs, self._note)

    def _note(self, error: Exception) -> None:
        """Add to an error that came from the code which equation it was, and the user's line of that."""
        trace, number = error.__traceback__, None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._place:
                number = self.source.equations.get(trace.tb_lineno)
            trace = trace.tb_next
        if number is not None and number < len(self._graph.equations):
            equation = self._graph.equations[number]
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
    "concatenate": numpy.concatenate,
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
