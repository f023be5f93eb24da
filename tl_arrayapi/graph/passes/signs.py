"""Signs: comparisons with 0 that come out false whatever the inputs are.

The derivative of a square root is guarded at 0; of ``sqrt(mean(x * x) + eps)`` the guard is never needed. A NaN may be
anywhere: it makes every comparison false, so that only what is false without it is known.
"""

from collections.abc import Callable, Sequence

from tl_arrayapi.graph.graph import Atom, Equation, Literal
from tl_arrayapi.graph.passes.base import Rewriting, Walk
from tl_arrayapi.graph.passes.fold import filled
from tl_arrayapi.graph.passes.numbers import is_float, is_normal

__all__ = ["is_nonnegative", "is_positive", "signs"]

signs = Rewriting("signs", exact=True, about="Decide comparisons with 0 of what cannot be 0, or below it.")

_DEEPEST = 12
_MOVES = frozenset(("broadcast_to", "concat", "flip", "getitem", "permute_dims", "reshape", "roll", "stack", "take"))


def is_positive(walk: Walk, x: Atom, depth: int = _DEEPEST) -> bool:
    """Say whether every element of ``x`` is above 0, or NaN.

    No product is: it may become 0 below the smallest number.
    """
    if type(x) is Literal:
        return is_float(x.dtype) and x.value.real > 0 and is_normal(x.value.real, x.dtype)
    maker = walk.maker(x)
    if maker is None or depth == 0 or not is_float(x.dtype):
        return False
    name, operands, below = maker.name, maker.operands, depth - 1
    if name == "add":
        a, b = operands
        return (is_positive(walk, a, below) and is_nonnegative(walk, b, below)) or (
            is_positive(walk, b, below) and is_nonnegative(walk, a, below)
        )
    if name in ("maximum", "hypot"):
        return any(is_positive(walk, y, below) for y in operands)
    if name in ("sqrt", "abs", "max", "min", "minimum") or name in _MOVES:
        return _each(operands, lambda y: is_positive(walk, y, below))
    if name == "sum":
        return operands[0].size > 0 and is_positive(walk, operands[0], below)
    return name == "cosh"


def _each(operands: Sequence[Atom], holds: Callable[[Atom], bool]) -> bool:
    """Say whether something holds of each operand that is data; indices and conditions are none, and there is some."""
    data = [y for y in operands if not (y.dtype == "bool" or y.dtype.startswith(("int", "uint")))]
    return bool(data) and all(is_float(y.dtype) and holds(y) for y in data)


def is_nonnegative(walk: Walk, x: Atom, depth: int = _DEEPEST) -> bool:
    """Say whether every element of ``x`` is at least 0, of either sign, or NaN."""
    if type(x) is Literal:
        return is_float(x.dtype) and x.value.real >= 0
    maker = walk.maker(x)
    if maker is None or depth == 0 or not is_float(x.dtype):
        return False
    name, operands, below = maker.name, maker.operands, depth - 1
    if name in ("abs", "cosh", "exp", "exp2", "hypot", "relu", "sqrt", "square"):
        return True
    if name == "multiply" and operands[0] == operands[1]:
        return True
    if name == "maximum":
        return any(is_nonnegative(walk, y, below) for y in operands)
    if name == "astype" and operands[0].dtype == "bool":
        return True
    if name == "divide":
        # By -0.0 a quotient would be minus infinity.
        return is_nonnegative(walk, operands[0], below) and is_positive(walk, operands[1], below)
    if name in ("add", "multiply", "minimum", "max", "min", "sum") or name in _MOVES:
        return _each(operands, lambda y: is_nonnegative(walk, y, below))
    return False


def _is_zero(x: Atom) -> bool:
    return type(x) is Literal and is_float(x.dtype) and x.value == 0


def _false(walk: Walk, e: Equation) -> Atom:
    return filled(walk, Literal(False, "bool"), e.results[0].shape, e)


@signs.rule("equal")
def _equal(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    if (_is_zero(y) and is_positive(walk, x)) or (_is_zero(x) and is_positive(walk, y)):
        return _false(walk, e)
    return None


@signs.rule("less", "greater")
def _below(walk: Walk, e: Equation) -> Atom | None:
    small, large = e.operands if e.name == "less" else e.operands[::-1]
    return _false(walk, e) if _is_zero(large) and is_nonnegative(walk, small) else None


@signs.rule("less_equal", "greater_equal")
def _not_above(walk: Walk, e: Equation) -> Atom | None:
    small, large = e.operands if e.name == "less_equal" else e.operands[::-1]
    return _false(walk, e) if _is_zero(large) and is_positive(walk, small) else None
