"""Powers: products, quotients and roots in the place of the function that raises anything to any power.

``x ** 2`` and its derivative are a product, which is many times as fast. It may be another number in the last place.
"""

from tl_arrayapi.graph.graph import Atom, Equation, Literal
from tl_arrayapi.graph.passes.base import Rewriting, Walk
from tl_arrayapi.graph.passes.numbers import is_float
from tl_arrayapi.graph.passes.signs import is_nonnegative, is_positive

__all__ = ["powers"]

powers = Rewriting("powers", exact=False, about="Raise to small whole powers by products, to halves by roots.")

_LARGEST = 4


@powers.rule("pow")
def _power(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if not isinstance(y, Literal) or isinstance(x, Literal) or not is_float(x.dtype) or y.dtype != x.dtype:
        return None
    power = y.value.real
    if power == 1 and x.shape == result.shape:
        return x
    if power == -1:
        return walk.elementwise("divide", Literal(1.0, x.dtype), x, like=e)
    if power in range(2, _LARGEST + 1):
        return _product(walk, x, int(power), e)
    if power == 0.5 and is_nonnegative(walk, x):
        return walk.elementwise("sqrt", x, like=e)
    if power == -0.5 and is_positive(walk, x):
        return walk.elementwise("divide", Literal(1.0, x.dtype), walk.elementwise("sqrt", x, like=e), like=e)
    return None


def _product(walk: Walk, x: Atom, power: int, e: Equation) -> Atom:
    square = walk.elementwise("multiply", x, x, like=e)
    if power == 2:
        return square
    return walk.elementwise("multiply", square, x if power == 3 else square, like=e)
