"""The portable program: straight code of the library's own functions, for any library at all."""

from typing import Any

from tl_arrayapi.backends.program.outputs import Ownership, owner
from tl_arrayapi.backends.program.program import Program, Report, Runtime, Step
from tl_arrayapi.backends.program.straight import Straight
from tl_arrayapi.graph.graph import Graph

__all__ = ["PortableProgram"]


class PortableProgram(Program):
    """Run a graph as straight code of the library's own functions: on any library, bit for bit what eager computes.

    ``inside`` has numbers made at each call.
    """

    def __init__(self, graph: Graph, runtime: Runtime, ownership: Ownership, inside: bool = False) -> None:
        self.graph = graph
        self._code = Straight(graph, runtime, inside)
        self.source = self._code.source
        self._own = owner(graph, ownership)

    def __call__(self, *given: Any) -> list[Any]:
        """Run the code."""
        try:
            values = self._code.function(*given)
        except Exception as error:
            self._code.note(error)
            raise
        return self._own(given, values)

    def report(self) -> Report:
        """Return one step an equation, and no workspace: every value is an array of its own."""
        equations = self.graph.equations
        return Report(tuple(Step(x.name, (i,), (x.line,) if x.line else ()) for i, x in enumerate(equations)))
