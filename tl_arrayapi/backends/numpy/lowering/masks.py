"""Masks: zeros and ones that only select what is multiplied by them, and so can stay bytes."""

from tl_arrayapi.graph.graph import Atom, Equation, Graph, Var

__all__ = ["masks"]

_FLOATING = ("float16", "float32", "float64")


def masks(graph: Graph) -> frozenset[Var]:
    """Return the floating values of ``graph`` that are booleans, or sums of two, and of which nothing is made but
    products: these are the same with bytes, which take a quarter of the memory.

    >>> from tl_arrayapi.graph import Builder
    >>> x = Var(0, (3,), "float32")
    >>> build = Builder(Graph((x,), (), (), ()))
    >>> positive = build.emit("greater", "elementwise", (x, x), (3,), "bool")
    >>> one = build.emit("astype", "cast", (positive,), (3,), "float32", dtype="float32")
    >>> y = build.emit("multiply", "elementwise", (x, one), (3,))
    >>> masks(Graph((x,), (), tuple(build.equations), (y,))) == {one}
    True
    """
    found: dict[Var, Equation] = {}
    casts: set[Atom] = set()
    for equation in graph.equations:
        if equation.name == "astype" and equation.operands[0].dtype == "bool" and equation.result.dtype in _FLOATING:
            casts.add(equation.result)
            found[equation.result] = equation
        elif equation.name == "add" and casts.issuperset(equation.operands):
            found[equation.result] = equation
    if not found:
        return frozenset()
    users, outputs = graph.users, set(graph.outputs)
    for v in reversed(list(found)):
        if v in outputs or not all(_selects(user, found) or found.get(user.results[0]) is user for user in users[v]):
            del found[v]
    return frozenset(found)


def _selects(user: Equation, found: dict[Var, Equation]) -> bool:
    """Say whether an equation is a product of one of ``found`` and of something else."""
    return user.name == "multiply" and sum(x in found for x in user.operands) == 1
