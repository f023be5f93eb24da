"""Code: the source of a program, compiled."""

import linecache
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

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
        names = dict(functions)
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
