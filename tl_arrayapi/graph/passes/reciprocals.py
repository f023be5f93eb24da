"""Reciprocals: a whole array is multiplied by the reciprocal of a column, not divided by the column.

Only where the reciprocal of no value overflows, or falls below the smallest normal number, that the quotient would not:
of square roots, which are neither as large nor as small, and of the sums of a softmax, which are from 1 to their count.
"""

from tl_arrayapi.graph.graph import Atom, Equation, Literal, Var
from tl_arrayapi.graph.passes.base import Rewriting, Walk

__all__ = ["reciprocals"]

reciprocals = Rewriting("reciprocals", exact=False, about="Divide columns rather than whole arrays.")

_LEAST = 4
"""How many times more elements there must be to be divided than to divide by."""


@reciprocals.rule("divide")
def _quotient(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if not isinstance(x, Var) or not isinstance(y, Var) or result.dtype not in ("float32", "float64"):
        return None
    if not x.dtype == y.dtype == result.dtype or result.size < _LEAST * y.size or not _is_moderate(walk, y):
        return None
    one: Atom = Literal(1.0, y.dtype)
    return walk.elementwise("multiply", x, walk.elementwise("divide", one, y, like=e), like=e)


def _is_moderate(walk: Walk, y: Var) -> bool:
    maker = walk.made(y, "sqrt", "sum", "reshape")
    if maker is None:
        return False
    if maker.name == "sqrt":
        return True
    (x,) = maker.operands
    if maker.name == "reshape":
        return isinstance(x, Var) and _is_moderate(walk, x)
    # exp(z - max(z)) has a 1 along the axes of the maximum, and nothing above it.
    power = walk.made(x, "exp")
    shifted = None if power is None else walk.made(power.operands[0], "subtract")
    top = None if shifted is None else walk.made(shifted.operands[1], "max")
    return (
        shifted is not None
        and top is not None
        and top.operands[0] == shifted.operands[0]
        and top.get("keepdims")
        and set(top.get("axis")) <= set(maker.get("axis"))
    )
