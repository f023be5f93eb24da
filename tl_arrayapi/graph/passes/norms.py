"""Norms: the sum of the squares of arrays that are joined anyway is that of the array joined.

Clipping by a global norm adds the squares of every gradient; a packed step joins the gradients, and one product of
vectors takes them all.
"""

from tl_arrayapi.graph.graph import Atom, Builder, Equation, Graph, Var
from tl_arrayapi.graph.passes.base import graph_pass
from tl_arrayapi.graph.passes.dce import dce

__all__ = ["norms"]


@graph_pass(exact=False)
def norms(graph: Graph) -> Graph:
    """Take the squares of arrays that are joined all at once."""
    search = _Search(graph)
    found = search.found()
    if not found:
        return graph
    build = Builder(graph)
    for equation in graph.equations:
        whole = found.get(equation.results[0].number)
        if whole is None:
            build.keep(equation)
            continue
        size, dtype = whole.results[0].size, whole.results[0].dtype
        pieces = [search.bare(x) for x in whole.operands]
        flat = [build.emit("reshape", "movement", (x,), (x.size,), like=equation, shape=(x.size,)) for x in pieces]
        joined = build.emit("concat", "movement", flat, (size,), dtype, like=equation, axis=0)
        total = build.emit("matmul", "contraction", (joined, joined), (), dtype, like=equation)
        build.replace(equation.results[0], total)
    return dce(build.done())


class _Search:
    """Sums of squares, and the arrays that they are the squares of."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.makers = {e.results[0].number: e for e in graph.equations}
        self.squares: dict[int, tuple[int, ...]] = {}
        """The arrays whose squares a value of one element is the sum of."""

    def bare(self, x: Atom) -> Atom:
        """Return what ``x`` is a reshape of."""
        maker = self.makers.get(x.number) if isinstance(x, Var) else None
        return x if maker is None or maker.name != "reshape" else self.bare(maker.operands[0])

    def found(self) -> dict[int, Equation]:
        """Return the join that a sum of squares can be taken of, for each sum of which that is so."""
        joins = {}
        for e in self.graph.equations:
            if e.name == "concat" and e.results[0].ndim == 1 and len(e.operands) > 2:
                pieces = [self.bare(x) for x in e.operands]
                if all(isinstance(x, Var) for x in pieces):
                    joins[tuple(sorted(x.number for x in pieces if isinstance(x, Var)))] = e
        if not joins:
            return {}
        sums = {}
        for e in self.graph.equations:
            terms = self._terms(e)
            if terms:
                self.squares[e.results[0].number] = terms
                join = joins.get(tuple(sorted(terms))) if e.name == "add" and not e.results[0].shape else None
                if join is not None:
                    sums[e.results[0].number] = join
        return sums

    def _terms(self, e: Equation) -> tuple[int, ...]:
        result = e.results[0]
        if result.size != 1 or len(e.results) != 1 or not all(isinstance(x, Var) for x in e.operands):
            return ()
        numbers = [x.number for x in e.operands if isinstance(x, Var)]
        if e.name == "reshape":
            return self.squares.get(numbers[0], ())
        if e.name == "add":
            first, second = (self.squares.get(number, ()) for number in numbers)
            return first + second if first and second else ()
        if (e.name == "matmul" and e.operands[0].ndim == 1) or e.name == "multiply":
            base = self.bare(e.operands[0])
            return (base.number,) if numbers[0] == numbers[1] and isinstance(base, Var) else ()
        return ()
