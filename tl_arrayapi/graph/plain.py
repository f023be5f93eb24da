"""What a graph computes, apart from where and when it was traced."""

import itertools
from dataclasses import replace

from tl_arrayapi.graph.graph import Atom, Equation, Graph, Var

__all__ = ["plain"]


def plain(graph: Graph) -> Graph:
    """Return a graph without what depends on where and when it was traced: lines, and the numbers of values.

    >>> import numpy, tl_arrayapi as tl
    >>> x = numpy.ones(3)
    >>> first, second = (tl.compile(lambda x: x + x).trace(x).traced for _ in range(2))
    >>> plain(first) == plain(second)
    True
    """
    numbers, scopes = itertools.count(), itertools.count()
    named: dict[Var, Var] = {}
    scope_of: dict[int, int] = {}

    def made(v: Var) -> Var:
        named[v] = replace(v, number=next(numbers))
        return named[v]

    def read(x: Atom) -> Atom:
        return named[x] if isinstance(x, Var) else x

    def rewritten(equation: Equation) -> Equation:
        if equation.scope not in scope_of:
            scope_of[equation.scope] = next(scopes)
        return replace(
            equation,
            operands=tuple(map(read, equation.operands)),
            results=tuple(map(made, equation.results)),
            line="",
            scope=scope_of[equation.scope],
        )

    inputs, captured = tuple(map(made, graph.inputs)), tuple(map(made, graph.captured))
    equations = tuple(map(rewritten, graph.equations))
    return Graph(inputs, captured, equations, tuple(map(read, graph.outputs)))
