"""Rules of the elementwise functions.

Conventions at the points where a derivative does not exist: ``maximum`` and ``minimum`` share a tie half and half,
``abs`` has 0 at 0, and ``sqrt``, ``hypot``, ``atan2`` and ``pow`` have 0 where their derivative would be infinite or
undefined at 0. ``pow`` also has 0 for the exponent of a negative base, and ``logaddexp`` shares a tie of infinities.
``relu``, which is no function of the standard, has 0 at 0. A derivative that is infinite at the end of a domain is
infinite: that of ``log`` at 0, of ``asin`` at 1.

Rules keep away from squares that overflow (``x * x + 1`` of a huge x) and from differences that cancel (``1 - x * x``
near 1), where another form of the same expression does not have them.
"""

import math
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, define

__all__ = ["WHERE"]

_E = Kind.ELEMENTWISE


def _is_complex(xp: Any, x: Any) -> bool:
    return bool(xp.isdtype(x.dtype, "complex floating"))


def _share(xp: Any, x: Any, size: Any) -> Any:
    """Return ``x / size``, and 0 where ``size`` is 0."""
    at_zero = size == 0
    return xp.where(at_zero, xp.zeros_like(x), x) / xp.where(at_zero, xp.ones_like(size), size)


def _abs(xp: Any, g: Any, out: Any, x: Any) -> Any:
    return g * (_share(xp, xp.conj(x), out) if _is_complex(xp, x) else xp.sign(x))


def _acosh(xp: Any, g: Any, out: Any, x: Any) -> Any:
    # Two roots, not the root of the product: the principal branch for complex x.
    return g / (xp.sqrt(x - 1) * xp.sqrt(x + 1))


def _angle(xp: Any, y: Any, x: Any) -> Any:
    """Return y / (x*x + y*y), and 0 where both are 0."""
    size = xp.hypot(x, y)
    return _share(xp, _share(xp, y, size), size)


def _asinh(xp: Any, g: Any, out: Any, x: Any) -> Any:
    return g / (xp.sqrt(x * x + 1) if _is_complex(xp, x) else xp.hypot(x, xp.ones_like(x)))


def _atan(xp: Any, g: Any, out: Any, x: Any) -> Any:
    if _is_complex(xp, x):
        return g / (x * x + 1)
    size = xp.hypot(x, xp.ones_like(x))
    return g / size / size


def _maximum(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * (0.5 * (xp.astype(x > y, out.dtype) + xp.astype(x >= y, out.dtype)))


def _minimum(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * (0.5 * (xp.astype(x < y, out.dtype) + xp.astype(x <= y, out.dtype)))


def _pow_base(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    # x**(y - 1) is infinite at x = 0 for y < 1; there, and for y = 0, the derivative is taken to be 0.
    stopped = (y == 0) | ((x == 0) & ~_at_least_one(xp, y))
    power = xp.pow(xp.where(stopped, xp.ones_like(x), x), y - 1)
    return xp.where(stopped, xp.zeros_like(out), g * (y * power))


def _at_least_one(xp: Any, y: Any) -> Any:
    return xp.real(y) >= 1 if _is_complex(xp, y) else y >= 1


def _pow_exponent(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    # The logarithm is infinite at 0; a negative base has powers for whole exponents only, and nothing between them.
    stopped = x == 0 if _is_complex(xp, x) else x <= 0
    x = xp.astype(xp.where(stopped, xp.ones_like(x), x), out.dtype)
    return xp.where(stopped, xp.zeros_like(out), g * (out * xp.log(x)))


def _logaddexp(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    # Where the result equals x, infinities included, x has all the weight; or half of it, if the result equals both.
    has_all, zero = x == out, xp.zeros_like(out)
    rest = xp.where(has_all, xp.where(y == out, zero + math.log(2), zero), out)
    return g * xp.exp(xp.where(has_all, zero, x) - rest)


def _copysign(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    return xp.where(xp.signbit(x) == xp.signbit(out), g, -g)


def _real(xp: Any, g: Any, out: Any, x: Any) -> Any:
    return xp.astype(g, x.dtype)


def _imag(xp: Any, g: Any, out: Any, x: Any) -> Any:
    return xp.astype(g, x.dtype) * -1j


def _sign(xp: Any, g: Any, out: Any, x: Any) -> Any:
    if not _is_complex(xp, x):
        return xp.zeros_like(g)
    # z / |z| turns with z, and does not grow: what is along z is taken out of the cotangent.
    along = xp.astype(xp.real(g * out), x.dtype) * xp.conj(out)
    return _share(xp, g - along, xp.astype(xp.abs(x), x.dtype))


define("abs", _E, _abs)
define("acos", _E, lambda xp, g, out, x: -g / xp.sqrt((1 - x) * (1 + x)))
define("acosh", _E, _acosh)
define("add", _E, lambda xp, g, out, x, y: g, lambda xp, g, out, x, y: g)
define("asin", _E, lambda xp, g, out, x: g / xp.sqrt((1 - x) * (1 + x)))
define("asinh", _E, _asinh)
define("atan", _E, _atan)
define("atan2", _E, lambda xp, g, out, y, x: g * _angle(xp, x, y), lambda xp, g, out, y, x: -g * _angle(xp, y, x))
define("atanh", _E, lambda xp, g, out, x: g / ((1 - x) * (1 + x)))
define("conj", _E, lambda xp, g, out, x: xp.conj(g))
define("copysign", _E, _copysign, None)
define("cos", _E, lambda xp, g, out, x: -g * xp.sin(x))
define("cosh", _E, lambda xp, g, out, x: g * xp.sinh(x))
define("divide", _E, lambda xp, g, out, x, y: g / y, lambda xp, g, out, x, y: -g * (out / y))
define("exp", _E, lambda xp, g, out, x: g * out)
define("expm1", _E, lambda xp, g, out, x: g * (out + 1))
define("hypot", _E, lambda xp, g, out, x, y: g * _share(xp, x, out), lambda xp, g, out, x, y: g * _share(xp, y, out))
define("imag", _E, _imag)
define("log", _E, lambda xp, g, out, x: g / x)
define("log10", _E, lambda xp, g, out, x: g / (x * math.log(10)))
define("log1p", _E, lambda xp, g, out, x: g / (x + 1))
define("log2", _E, lambda xp, g, out, x: g / (x * math.log(2)))
define("logaddexp", _E, _logaddexp, lambda xp, g, out, x, y: _logaddexp(xp, g, out, y, x))
define("maximum", _E, _maximum, lambda xp, g, out, x, y: _maximum(xp, g, out, y, x))
define("minimum", _E, _minimum, lambda xp, g, out, x, y: _minimum(xp, g, out, y, x))
define("multiply", _E, lambda xp, g, out, x, y: g * y, lambda xp, g, out, x, y: g * x)
define("negative", _E, lambda xp, g, out, x: -g)
define("positive", _E, lambda xp, g, out, x: g)
define("pow", _E, _pow_base, _pow_exponent)
define("real", _E, _real)
define("reciprocal", _E, lambda xp, g, out, x: -g * (out * out))
define("relu", _E, lambda xp, g, out, x: g * xp.astype(out > 0, out.dtype), public=False)
define("remainder", _E, lambda xp, g, out, x, y: g, lambda xp, g, out, x, y: -g * xp.floor_divide(x, y))
define("sign", _E, _sign)
define("sin", _E, lambda xp, g, out, x: g * xp.cos(x))
define("sinh", _E, lambda xp, g, out, x: g * xp.cosh(x))
define("sqrt", _E, lambda xp, g, out, x: _share(xp, 0.5 * g, out))
define("square", _E, lambda xp, g, out, x: g * (x + x))
define("subtract", _E, lambda xp, g, out, x, y: g, lambda xp, g, out, x, y: -g)
define("tan", _E, lambda xp, g, out, x: g * (out * out + 1))
define("tanh", _E, lambda xp, g, out, x: g * (1 - out * out))
WHERE = define(
    "where",
    _E,
    None,
    lambda xp, g, out, condition, x, y: xp.where(condition, g, xp.zeros_like(g)),
    lambda xp, g, out, condition, x, y: xp.where(condition, xp.zeros_like(g), g),
)

for _name in (
    "ceil",
    "floor",
    "round",
    "signbit",
    "trunc",
    "isfinite",
    "isinf",
    "isnan",
    "logical_not",
    "bitwise_invert",
):
    define(_name, _E, operands=1, zero_gradient=True)
for _name in (
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "floor_divide", "nextafter"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"),
    *("logical_and", "logical_or", "logical_xor"),
):
    define(_name, _E, operands=2, zero_gradient=True)
