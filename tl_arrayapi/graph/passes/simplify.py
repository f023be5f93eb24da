"""Simplify: algebra that IEEE 754 makes exact, to the bit and for all values.

What is not here is not exact: ``x + 0.0`` loses the sign of -0.0, ``0.0 * x`` a NaN, ``-(a - b)`` and ``b - a`` have
zeros of different signs, ``(x * 0.5) * 4.0`` may lose a bit of a subnormal number on the way. See `scaling` for such.
"""

import math

from tl_arrayapi.graph.graph import Atom, Equation, Literal, Var
from tl_arrayapi.graph.passes.base import Rewriting, Walk
from tl_arrayapi.graph.passes.numbers import is_float, is_integer, is_number, is_power_of_two, literal, rounded

__all__ = ["simplify"]

simplify = Rewriting("simplify", exact=True, about="Apply algebra that is exact for every value.")


def _is_kept(x: Atom, result: Var) -> bool:
    """Say whether ``x`` can stand for ``result`` as it is."""
    return x.shape == result.shape and x.dtype == result.dtype


def _is_real(dtype: str) -> bool:
    # A complex product with 1 is four products, one of them with 0.
    return is_float(dtype) or is_integer(dtype)


def _negated(walk: Walk, x: Atom, result: Var) -> Atom | None:
    """Return y where ``x`` is -y of the dtype of ``result``, and all of its shape."""
    maker = walk.made(x, "negative")
    return maker.operands[0] if maker is not None and x.dtype == result.dtype and x.shape == result.shape else None


# ---- products
@simplify.rule("multiply")
def _product(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if type(x) is Literal and type(y) is Var:
        x, y = y, x
    if type(y) is Literal:
        if x.dtype != result.dtype or y.dtype != result.dtype:
            return None
        return _product_with_number(walk, e, x, y)
    return _sign_outside(walk, e)


def _product_with_number(walk: Walk, e: Equation, x: Atom, y: Literal) -> Atom | None:
    result = e.results[0]
    if y.value == 1 and _is_kept(x, result) and _is_real(result.dtype):
        return x
    if not is_float(result.dtype):
        return None
    if y.value == -1:
        return walk.elementwise("negative", x, like=e)
    maker = walk.made(x, "negative", "multiply")
    if maker is None or maker.results[0].dtype != maker.operands[0].dtype:
        return None
    if maker.name == "negative":
        return walk.elementwise("multiply", maker.operands[0], Literal(-y.value, y.dtype), like=e)
    first, second = maker.operands
    if type(second) is not Literal and type(first) is not Literal:
        return None
    base, number = (first, second) if type(second) is Literal else (second, first)
    # Neither step goes down, so that nothing is lost below, and what overflows at the first does at both.
    assert type(number) is Literal
    steps = rounded(number.value, y.dtype), rounded(y.value, y.dtype)
    if any(step is None or not abs(step) >= 1 for step in steps) or not is_power_of_two(steps[0], y.dtype):
        return None
    both = literal(number.value * y.value, y.dtype)
    if both is None or not math.isfinite(both.value.real):
        return None
    return walk.elementwise("multiply", base, both, like=e)


@simplify.rule("divide")
def _quotient(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if type(y) is not Literal:
        return _sign_outside(walk, e)
    if x.dtype != result.dtype or y.dtype != result.dtype:
        return None
    if y.value == 1 and _is_kept(x, result) and is_float(result.dtype):
        return x
    if is_power_of_two(y.value, y.dtype):
        return walk.elementwise("multiply", x, Literal(1 / y.value, y.dtype), like=e)
    maker = walk.made(x, "negative")
    if maker is not None and is_float(result.dtype):
        return walk.elementwise("divide", maker.operands[0], Literal(-y.value, y.dtype), like=e)
    return None


def _sign_outside(walk: Walk, e: Equation) -> Atom | None:
    """Rewrite (-x) y to -(x y), and (-x) (-y) to x y; for quotients alike."""
    x, y = e.operands
    result = e.results[0]
    if not is_float(result.dtype):
        return None
    first, second = _negated(walk, x, result), _negated(walk, y, result)
    if first is not None and second is not None:
        return walk.elementwise(e.name, first, second, like=e)
    if first is not None and walk.is_single(x):
        return walk.elementwise("negative", walk.elementwise(e.name, first, y, like=e), like=e)
    if second is not None and walk.is_single(y):
        return walk.elementwise("negative", walk.elementwise(e.name, x, second, like=e), like=e)
    return None


# ---- sums
@simplify.rule("add")
def _sum(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if x is y or x == y:
        if is_float(result.dtype) and type(x) is Var and x.dtype == result.dtype:
            return walk.elementwise("multiply", x, Literal(2.0, x.dtype), like=e)
        return None
    if not x.dtype == y.dtype == result.dtype:
        return None
    for a, b in ((x, y), (y, x)):
        zero = -0.0 if is_float(b.dtype) else 0
        if is_number(b, zero) and _is_real(b.dtype) and _is_kept(a, result):
            return a
        negated = _negated(walk, b, result)
        if negated is not None:
            return walk.elementwise("subtract", a, negated, like=e)
    return None


@simplify.rule("subtract")
def _difference(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if not x.dtype == y.dtype == result.dtype:
        return None
    if is_number(y, 0.0) and _is_kept(x, result) and _is_real(x.dtype):
        return x
    if is_number(x, -0.0) and is_float(result.dtype):
        return walk.elementwise("negative", y, like=e)
    negated = _negated(walk, y, result)
    return None if negated is None else walk.elementwise("add", x, negated, like=e)


# ---- signs
@simplify.rule("negative")
def _negative(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    maker = walk.made(x, "negative", "multiply", "divide")
    if maker is None or x.dtype != e.results[0].dtype:
        return None
    if maker.name == "negative":
        return maker.operands[0]
    if not is_float(x.dtype) or not walk.is_single(x):
        return None
    a, b = maker.operands
    if type(b) is Literal and b.dtype == a.dtype:
        return walk.elementwise(maker.name, a, Literal(-b.value, b.dtype), like=e)
    if type(a) is Literal and a.dtype == b.dtype:
        return walk.elementwise(maker.name, Literal(-a.value, a.dtype), b, like=e)
    return None


@simplify.rule("positive")
def _positive(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    return x if _is_kept(x, e.results[0]) else None


@simplify.rule("abs", "square")
def _even(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    if not is_float(x.dtype):
        return None
    maker = walk.made(x, "negative", "abs")
    if e.name == "abs" and maker is not None and maker.name == "abs":
        return x
    # The magnitude of a complex number is none that a sign was dropped of.
    if maker is not None and is_float(maker.operands[0].dtype):
        return walk.elementwise(e.name, maker.operands[0], like=e)
    return walk.elementwise("multiply", x, x, like=e) if e.name == "square" else None


# ---- choices and casts
@simplify.rule("where")
def _choice(walk: Walk, e: Equation) -> Atom | None:
    condition, x, y = e.operands
    if x == y and _is_kept(x, e.results[0]):
        return x
    maker = walk.made(condition, "logical_not", "bitwise_invert")
    if maker is not None and maker.operands[0].dtype == "bool":
        return walk.elementwise("where", maker.operands[0], y, x, like=e)
    return None


@simplify.rule("logical_not", "bitwise_invert")
def _not(walk: Walk, e: Equation) -> Atom | None:
    maker = walk.made(e.operands[0], "logical_not", "bitwise_invert")
    return maker.operands[0] if maker is not None and maker.operands[0].dtype == "bool" else None


@simplify.rule("maximum", "minimum", "bitwise_and", "bitwise_or", "logical_and", "logical_or")
def _same_twice(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    return x if x == y and _is_kept(x, e.results[0]) else None


_WIDENING = {("float16", "float32"), ("float16", "float64"), ("float32", "float64"), ("bfloat16", "float32")}


@simplify.rule("astype")
def _cast(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    result = e.results[0]
    if x.dtype == result.dtype:
        return x
    maker = walk.made(x, "astype")
    if maker is not None and (maker.operands[0].dtype, x.dtype) in _WIDENING:
        y = maker.operands[0]
        # There and back; or up in two steps.
        if y.dtype == result.dtype:
            return y
        if (x.dtype, result.dtype) in _WIDENING:
            return walk.emit("astype", (y,), y.shape, e, **e.arguments)
    return None
