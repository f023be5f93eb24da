"""Numbers as a library computes them: Python numbers rounded to a dtype, and arithmetic on them.

Only what IEEE 754 fixes to the last bit is here; a float of 64 bits holds enough for one rounding more, to 32 or 16
bits, of a sum, difference, product or quotient to be the only one (Figueroa, "When is double rounding innocuous?",
1995).
"""

import math
import operator
import struct
from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.graph.graph import Atom, Literal

__all__ = [
    "apply",
    "is_float",
    "is_integer",
    "is_normal",
    "is_number",
    "is_power_of_two",
    "literal",
    "rounded",
]

_FORMATS = {"float16": "<e", "float32": "<f", "float64": "<d"}
_INTEGERS = {
    f"{'u' * (low == 0)}int{n}": (low * 2 ** (n - 1), 2 ** (n + (low == 0) - 1) - 1)
    for n in (8, 16, 32, 64)
    for low in (-1, 0)
}
_SMALLEST_NORMAL = {"float16": 2.0**-14, "float32": 2.0**-126, "float64": 2.0**-1022}


def is_float(dtype: str) -> bool:
    """Say whether ``dtype`` is one of the real floating ones whose numbers are known here.

    >>> is_float("float32"), is_float("int32")
    (True, False)
    """
    return dtype in _FORMATS


def is_integer(dtype: str) -> bool:
    """Say whether ``dtype`` is an integer one.

    >>> is_integer("uint8"), is_integer("bool")
    (True, False)
    """
    return dtype in _INTEGERS


def rounded(value: Any, dtype: str) -> bool | int | float | None:
    """Return the number of ``dtype`` that is nearest to ``value``; None where that is not known, or there is none.

    >>> rounded(0.1, "float32"), rounded(1e39, "float32"), rounded(300, "int8")
    (0.10000000149011612, inf, None)
    """
    if type(value) is complex:
        return None
    pattern = _FORMATS.get(dtype)
    if pattern is not None:
        try:
            number: float = struct.unpack(pattern, struct.pack(pattern, value))[0]
        except OverflowError:
            return math.inf if value > 0 else -math.inf
        return number
    if dtype == "bool":
        return bool(value)
    bounds = _INTEGERS.get(dtype)
    if bounds is None or (type(value) is float and not value.is_integer()):
        return None
    return int(value) if bounds[0] <= value <= bounds[1] else None


def literal(value: Any, dtype: str) -> Literal | None:
    """Return ``value`` rounded to ``dtype`` as a literal, or None as `rounded` does.

    >>> literal(3, "float32")
    3.0:float32
    """
    number = rounded(value, dtype)
    return None if number is None else Literal(number, dtype)


def is_number(x: Atom, value: float) -> bool:
    """Say whether ``x`` is the literal ``value``, in the sign of zero, too.

    >>> is_number(Literal(-0.0, "float32"), 0.0)
    False
    """
    return (
        type(x) is Literal
        and x.value == value
        and (value != 0 or math.copysign(1.0, x.value.real) == math.copysign(1.0, value))
    )


def is_power_of_two(value: Any, dtype: str) -> bool:
    """Say whether ``value`` is 2^k or -2^k, and a normal number of ``dtype``, as its reciprocal is.

    >>> is_power_of_two(-0.25, "float32"), is_power_of_two(3.0, "float32")
    (True, False)
    """
    if not is_float(dtype) or type(value) is complex:
        return False
    size, least = abs(float(value)), _SMALLEST_NORMAL[dtype]
    return math.isfinite(size) and least <= size <= 1 / least and math.frexp(size)[0] == 0.5


def is_normal(value: float, dtype: str) -> bool:
    """Say whether ``value`` is neither 0 nor subnormal nor infinite nor NaN in ``dtype``.

    >>> is_normal(1e-40, "float32"), is_normal(1e-40, "float64")
    (False, True)
    """
    number = rounded(value, dtype)
    return number is not None and math.isfinite(number) and abs(number) >= _SMALLEST_NORMAL[dtype]


def _divided(x: float, y: float) -> float:
    if y:
        return x / y
    if x == 0 or x != x:
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "add": operator.add,
    "divide": _divided,
    "equal": operator.eq,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "less": operator.lt,
    "less_equal": operator.le,
    "multiply": operator.mul,
    "negative": operator.neg,
    "not_equal": operator.ne,
    "positive": operator.pos,
    "reciprocal": lambda x: _divided(1.0, x),
    "square": lambda x: x * x,
    "subtract": operator.sub,
}
_LOGIC: dict[str, Callable[..., Any]] = {
    "bitwise_and": operator.and_,
    "bitwise_invert": operator.not_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "equal": operator.eq,
    "logical_and": operator.and_,
    "logical_not": operator.not_,
    "logical_or": operator.or_,
    "logical_xor": operator.xor,
    "not_equal": operator.ne,
}


def apply(name: str, operands: Sequence[Literal], dtype: str) -> Literal | None:
    """Return what the elementwise function of that name is of numbers, as a number of ``dtype``; None if that is not
    known to the last bit.

    >>> apply("divide", [Literal(1, "float32"), Literal(3, "float32")], "float32")
    0.3333333432674408:float32
    >>> apply("exp", [Literal(1.0, "float32")], "float32")
    """
    inner = operands[0].dtype
    if any(x.dtype != inner for x in operands):
        return None
    function = (_LOGIC if inner == "bool" else _ARITHMETIC).get(name)
    values = [rounded(x.value, inner) for x in operands]
    if function is None or any(value is None for value in values):
        return None
    if is_integer(inner) and name in ("divide", "reciprocal"):
        return None
    return literal(function(*values), dtype)
