"""Spread: numbers that a large array is multiplied by for nothing, as every equation that reads it can do that better.

The mean of a long expression has a gradient ``c * u`` in every parameter, and a step multiplies that by its rate.
Where every reader of ``c * u`` ends in such a product, or in a sum with what is multiplied by c as well, c goes with
the rate.
"""

from tl_arrayapi.graph.graph import Equation, Graph, Literal, Var

__all__ = ["LARGE", "spread"]

LARGE = 1 << 14
"""Elements from which on a pass over an array is worth the search."""

_DEEPEST = 16


def spread(graph: Graph) -> frozenset[int]:
    """Return the numbers of the values ``c * u``, c a number, that are read more than once and need not be made."""
    products = [e for e in graph.equations if e.name == "multiply" and e.results[0].size > LARGE]
    found = [e for e in products if _number(e) is not None]
    if not found:
        return frozenset()
    search = _Search(graph)
    return frozenset(
        e.results[0].number
        for e in found
        if len(search.users[e.results[0]]) > 1 and search.takes(e.results[0], abs(_number(e) or 0.0), _DEEPEST)
    )


def _number(e: Equation) -> float | None:
    """Return the number that an equation multiplies an array by."""
    for x in e.operands:
        if isinstance(x, Literal) and x.dtype in ("float32", "float64"):
            return float(x.value.real)
    return None


class _Search:
    def __init__(self, graph: Graph) -> None:
        self.users = graph.users
        self.makers = graph.makers
        self.outputs = set(graph.outputs)
        self.known: dict[tuple[Var, float], bool] = {}

    def takes(self, v: Var, number: float, depth: int) -> bool:
        """Say whether all that read ``v`` could multiply by a number at no cost, if ``v`` came without it."""
        if v in self.outputs or depth == 0:
            return False
        key = v, number
        if key not in self.known:
            self.known[key] = all(self._takes(e, v, number, depth) for e in self.users[v])
        return self.known[key]

    def _takes(self, e: Equation, v: Var, number: float, depth: int) -> bool:
        result = e.results[0]
        if e.name == "negative":
            return self.takes(result, number, depth - 1)
        if len(e.operands) != 2 or result.dtype != v.dtype or result.shape != v.shape:
            return False
        x, y = e.operands
        other = y if x == v else x
        if e.name == "multiply" or (e.name == "divide" and x == v and y != v):
            return other.ndim == 0 or self.takes(result, number, depth - 1)
        if e.name in ("add", "subtract") and isinstance(other, Var):
            maker = self.makers.get(other)
            alike = maker is not None and maker.name == "multiply" and abs(_number(maker) or 0.0) == number
            return alike and self.takes(result, number, depth - 1)
        return False
