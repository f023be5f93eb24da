"""DCE: equations that no output needs are left out."""

from tl_arrayapi.graph.graph import Graph, Var
from tl_arrayapi.graph.passes.base import graph_pass

__all__ = ["dce"]


@graph_pass(exact=True)
def dce(graph: Graph) -> Graph:
    """Leave out equations whose results no output depends on.

    An equation of several results stays if one of them is needed.
    """
    needed = {x.number for x in graph.outputs if type(x) is Var}
    kept = []
    for equation in reversed(graph.equations):
        if any(v.number in needed for v in equation.results):
            kept.append(equation)
            needed.update([x.number for x in equation.operands if type(x) is Var])
    return graph if len(kept) == len(graph.equations) else graph.with_equations(reversed(kept))
