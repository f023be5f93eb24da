"""Whose memory a program's outputs are: the caller's own, each apart from all that was given and from each other.

Eager asks this of every result. Here the graph tells beforehand which outputs could share memory, and only those are
looked at.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal

__all__ = ["Ownership", "owner", "shared_outputs"]

_FRESH_KINDS = {"elementwise", "contraction", "creation"}

_IDENTITIES = {"ceil", "clip", "conj", "floor", "imag", "positive", "real", "round", "trunc"}
"""The elementwise functions that may return an operand as it is, or a part of it."""


def _is_fresh(equation: Equation) -> bool:
    """Say whether no library can return a view of an operand."""
    if equation.kind == "reduction":
        return bool(equation.get("axis"))
    return equation.kind in _FRESH_KINDS and equation.name not in _IDENTITIES


def shared_outputs(graph: Graph) -> set[int]:
    """Return the positions of the outputs that could be views of a given array, of a number, or of another output.

    >>> from tl_arrayapi.graph.graph import Var
    >>> x, y, z = (Var(i, (2,), "float64") for i in range(3))
    >>> equations = (Equation("exp", "elementwise", (x,), (), (y,)), Equation("flip", "movement", (x,), (), (z,)))
    >>> shared_outputs(Graph((x,), (), equations, (y, z)))
    {1}
    """
    roots: dict[Atom, set[Atom]] = {v: {v} for v in graph.given}
    for equation in graph.equations:
        found = set() if _is_fresh(equation) else {r for x in equation.operands for r in roots.get(x, {x})}
        for v in equation.results:
            roots[v] = found or {v}
    reached = [roots.get(x, {x}) for x in graph.outputs]
    taken = set(graph.given)
    return {
        i
        for i, mine in enumerate(reached)
        if any(isinstance(r, Literal) or r in taken for r in mine)
        or any(mine & other for j, other in enumerate(reached) if j != i)
    }


class Ownership(NamedTuple):
    """How a library's results become the caller's own: ``own`` and ``memory`` are a backend's `result` and `memory`,
    and ``copy`` copies.
    """

    own: Callable[[Any], Any]
    memory: Callable[[Any], Hashable]
    copy: Callable[[Any], Any]


def owner(
    graph: Graph, ownership: Ownership, also: Iterable[int] = ()
) -> Callable[[Sequence[Any], Sequence[Any]], list[Any]]:
    """Return a function from given arrays and a program's values to these as a caller may keep them.

    The outputs at the positions ``also`` are looked at, too: values that a compiler found to be equal.
    """
    own, memory, copy = ownership
    shared = shared_outputs(graph).union(also)
    numbers = {i for i, x in enumerate(graph.outputs) if isinstance(x, Literal)}

    def owned(given: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        found = list(map(own, values))
        if shared:
            taken = set(map(memory, given))
            for i in shared:
                if i in numbers or memory(found[i]) in taken:
                    found[i] = copy(found[i])
                taken.add(memory(found[i]))
        return found

    return owned
