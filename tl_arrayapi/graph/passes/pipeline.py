"""The pipeline: which passes run, in which order."""

from tl_arrayapi.graph.graph import Graph
from tl_arrayapi.graph.passes.base import Memory, together
from tl_arrayapi.graph.passes.choices import choices
from tl_arrayapi.graph.passes.cse import cse
from tl_arrayapi.graph.passes.dce import dce
from tl_arrayapi.graph.passes.fold import fold
from tl_arrayapi.graph.passes.movement import movement
from tl_arrayapi.graph.passes.norms import norms
from tl_arrayapi.graph.passes.pack import pack
from tl_arrayapi.graph.passes.powers import powers
from tl_arrayapi.graph.passes.products import products
from tl_arrayapi.graph.passes.reciprocals import reciprocals
from tl_arrayapi.graph.passes.reductions import dots, reductions
from tl_arrayapi.graph.passes.scaling import scaling
from tl_arrayapi.graph.passes.schedule import schedule
from tl_arrayapi.graph.passes.signs import signs
from tl_arrayapi.graph.passes.simplify import simplify
from tl_arrayapi.graph.passes.zeros import zeros

__all__ = ["EXACT", "FAST", "PASSES", "optimise"]

PASSES = (
    *(dce, fold, movement, signs, choices, simplify, cse),
    *(powers, zeros, scaling, reductions, dots, products, pack, norms, reciprocals, schedule),
)
"""Every pass that runs, alone."""

EXACT = together("exact", movement, fold, signs, choices, simplify, cse)
"""The rules that change no bit, in one walk."""

FAST = together(
    "fast", movement, fold, signs, choices, simplify, powers, zeros, scaling, reductions, dots, products, cse
)
"""These, and those that reassociate."""


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
    rules, memory = FAST if reassociate else EXACT, Memory()
    graph = dce(graph)
    graph = rules.settled(graph, memory)
    packed = norms(reciprocals(pack(graph))) if reassociate else pack(graph)
    return schedule(graph if packed is graph else rules.settled(packed, memory))
