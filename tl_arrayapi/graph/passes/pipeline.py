"""The pipeline: which passes run, in which order."""

from tl_arrayapi.graph.graph import Graph
from tl_arrayapi.graph.passes.base import together, until_stable
from tl_arrayapi.graph.passes.cse import cse
from tl_arrayapi.graph.passes.dce import dce
from tl_arrayapi.graph.passes.fold import fold
from tl_arrayapi.graph.passes.movement import movement
from tl_arrayapi.graph.passes.simplify import simplify

__all__ = ["EXACT", "optimise"]

EXACT = together("exact", movement, fold, simplify, cse)
"""The rules that change no bit, in one walk."""


def optimise(graph: Graph, *, reassociate: bool = True) -> Graph:
    """Return a graph that computes the same with less; bit for bit the same, unless it may ``reassociate``.

    >>> from tl_arrayapi.graph import Builder, Literal, Var
    >>> x = Var(0, (3,), "float32")
    >>> build = Builder(Graph((x,), (), (), ()))
    >>> one = build.emit("full", "creation", (), (3,), "float32", value=1.0, shape=(3,), dtype="float32")
    >>> y = build.emit("multiply", "elementwise", (x, one), (3,))
    >>> optimise(Graph((x,), (), tuple(build.equations), (y,))).outputs
    (%0,)
    """
    return until_stable(dce(graph), EXACT)
