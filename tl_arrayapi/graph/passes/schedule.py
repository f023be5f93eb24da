"""Schedule: the order in which the fewest bytes are held at once, as far as one look ahead finds it.

Of the equations whose operands are there, the one comes first that frees most and takes least; of equal ones, the one
that was first. Views take nothing, and come right before what reads them. The order that was given stays where little
memory is taken, and unless the new one is better.
"""

import heapq
from collections.abc import Sequence

from tl_arrayapi.graph.cost import VIEWS
from tl_arrayapi.graph.dtypes import nbytes
from tl_arrayapi.graph.graph import Equation, Graph, Var
from tl_arrayapi.graph.passes.base import graph_pass

__all__ = ["WORTHWHILE", "peak", "schedule"]

WORTHWHILE = 1 << 20
"""Bytes below which a graph stays in the order that it has: they fit a cache."""


@graph_pass(exact=True)
def schedule(graph: Graph) -> Graph:
    """Put equations in an order that holds fewer bytes at once, if there is one to be found."""
    before = peak(graph, graph.equations)
    if before < WORTHWHILE:
        return graph
    order = _Ordering(graph).order()
    return graph.with_equations(order) if peak(graph, order) < before else graph


def peak(graph: Graph, equations: Sequence[Equation]) -> int:
    """Return the most bytes that values take at once which ``equations`` make, run in this order.

    Inputs are there all the time, and are not counted. Views hold what they show.
    """
    bases = _bases(equations)
    last: dict[int, int] = {}
    for i, equation in enumerate(equations):
        for x in equation.operands:
            if type(x) is Var:
                last[bases.get(x.number, x.number)] = i
    for x in graph.outputs:
        if type(x) is Var:
            last[bases.get(x.number, x.number)] = len(equations)
    freed: dict[int, int] = {}
    now = most = 0
    for i, equation in enumerate(equations):
        for v in equation.results:
            if v.number not in bases:
                size = nbytes(v)
                now += size
                end = last.get(v.number, i)
                freed[end] = freed.get(end, 0) + size
        most = max(most, now)
        now -= freed.get(i, 0)
    return most


def _bases(equations: Sequence[Equation]) -> dict[int, int]:
    """Return the number of the value that each view shows."""
    bases: dict[int, int] = {}
    for equation in equations:
        if equation.name in VIEWS and equation.operands and type(x := equation.operands[0]) is Var:
            bases[equation.results[0].number] = bases.get(x.number, x.number)
    return bases


class _Ordering:
    """The order that is being found: what is ready, what it would free, and what has been written."""

    def __init__(self, graph: Graph) -> None:
        self.equations = graph.equations
        self.bases = _bases(graph.equations)
        self.makers = {v.number: i for i, e in enumerate(graph.equations) for v in e.results}
        self.sizes = {v.number: nbytes(v) for e in graph.equations for v in e.results}
        self.reads: list[set[int]] = []
        """The values in memory of their own that each equation reads, itself or by way of views."""
        self.left: dict[int, set[int]] = {}
        """The equations that are still to read each value."""
        for i, equation in enumerate(graph.equations):
            found = {self.bases.get(x.number, x.number) for x in equation.operands if type(x) is Var}
            self.reads.append({number for number in found if number in self.makers})
            if not self._is_view(i):
                for number in self.reads[i]:
                    self.left.setdefault(number, set()).add(i)
        self.kept = {self.bases.get(x.number, x.number) for x in graph.outputs if type(x) is Var}
        self.written = [False] * len(graph.equations)

    def _is_view(self, i: int) -> bool:
        return self.equations[i].results[0].number in self.bases

    def order(self) -> list[Equation]:
        """Return the equations in their new order."""
        found: list[Equation] = []
        missing = [
            0 if self._is_view(i) else len({self.makers[number] for number in self.reads[i]})
            for i in range(len(self.equations))
        ]
        ready = [(self._growth(i), i) for i, count in enumerate(missing) if not count and not self._is_view(i)]
        heapq.heapify(ready)
        while ready:
            growth, i = heapq.heappop(ready)
            if self.written[i] or growth != self._growth(i):
                continue  # What it frees has changed, and it was put in again.
            self._write(i, found)
            for number in self.reads[i]:
                readers = self.left[number]
                readers.discard(i)
                if len(readers) == 1:
                    (other,) = readers
                    if not missing[other]:
                        heapq.heappush(ready, (self._growth(other), other))
            for v in self.equations[i].results:
                for other in self.left.get(v.number, ()):
                    missing[other] -= 1 if v is self._first_read(i, other) else 0
                    if not missing[other]:
                        heapq.heappush(ready, (self._growth(other), other))
        for i in range(len(self.equations)):
            self._write(i, found)
        return found

    def _first_read(self, i: int, reader: int) -> Var:
        """Return the first result of equation ``i`` that another reads: of several, one is counted."""
        return next(v for v in self.equations[i].results if v.number in self.reads[reader])

    def _growth(self, i: int) -> int:
        """Return how many bytes more are held after equation ``i``."""
        made = sum([self.sizes[v.number] for v in self.equations[i].results])
        freed = [self.sizes[n] for n in self.reads[i] if n not in self.kept and len(self.left[n]) == 1]
        return made - sum(freed)

    def _write(self, i: int, found: list[Equation]) -> None:
        """Write equation ``i``, after the views that it reads."""
        if self.written[i]:
            return
        todo = [i]
        while todo:
            j = todo[-1]
            before = [
                self.makers[x.number]
                for x in self.equations[j].operands
                if type(x) is Var and x.number in self.makers and not self.written[self.makers[x.number]]
            ]
            if before:
                todo += before
                continue
            todo.pop()
            if not self.written[j]:
                self.written[j] = True
                found.append(self.equations[j])
