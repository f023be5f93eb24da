"""Rules of special functions: logistic, normal, entropies, integrals of the exponential, power transformations, losses.

They are in ``xp.special``, under their names in SciPy. Where a derivative is infinite because an argument is 0 (the
entropies), it is taken to be 0, as that of ``sqrt`` is. An operand that has no rule, such as the order of ``expn``,
raises `NoRuleError` when it is watched.
"""

import math
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, Rule, define
from tl_arrayapi.autograd.rules.series import near_zero, polynomial
from tl_arrayapi.errors import NoRuleError

__all__ = ["elementwise", "exprel_slope", "refuse", "unless"]

_SQRT_PI = math.sqrt(math.pi)
_SQRT_TAU = math.sqrt(2 * math.pi)
_DEGREE = math.pi / 180


def refuse(name: str, operand: str) -> Rule:
    """Return the rule of an operand that has none."""

    def rule(xp: Any, g: Any, out: Any, *operands: Any) -> Any:
        raise NoRuleError(
            f"special.{name} has no derivative rule for {operand}, which is watched: pass it "
            f"tl.stop_gradient({operand}) to leave its gradient out"
        )

    return rule


def elementwise(name: str, *rules: Rule | None) -> None:
    """Add an elementwise special function to the table."""
    define(name, Kind.ELEMENTWISE, *rules, where="special")


def unless(xp: Any, stopped: Any, x: Any) -> Any:
    """Return ``x``, and 1 where ``stopped``."""
    return xp.where(stopped, xp.ones_like(x), x)


# ---- the logistic function
elementwise("expit", lambda xp, g, out, x: g * (out * xp.special.expit(-x)))
elementwise("logit", lambda xp, g, out, x: g / (x * (1 - x)))
elementwise("log_expit", lambda xp, g, out, x: g * xp.special.expit(-x))


# ---- the normal distribution
# The asymptotic series of the derivative in (10 / x)^2: DLMF 7.12.1.
_ERFCX_SLOPE = [(-1) ** n * math.prod(range(1, 2 * n, 2)) / 200**n for n in range(1, 13)]


def _erfcx(xp: Any, g: Any, out: Any, x: Any) -> Any:
    # Both terms are large, and nearly equal, from here on: the asymptotic series of their difference instead.
    far = x > 10
    t = xp.square(10 / unless(xp, ~far, x))
    series = (2 / _SQRT_PI) * t * polynomial(t, _ERFCX_SLOPE)
    return g * xp.where(far, series, 2 * xp.where(far, xp.zeros_like(x), x) * out - 2 / _SQRT_PI)


# Mills' ratio times x, in (10 / x)^2: DLMF 7.12.1.
_MILLS = [(-1) ** n * math.prod(range(1, 2 * n, 2)) / 100**n for n in range(20)]


def _log_ndtr(xp: Any, g: Any, out: Any, x: Any) -> Any:
    # The logarithms of the density and of ndtr are large, and nearly equal, below here: their ratio by its series.
    far = x < -10
    tail = unless(xp, ~far, x)
    series = -tail / polynomial(xp.square(10 / tail), _MILLS)
    near, log = (xp.where(far, xp.zeros_like(x), y) for y in (x, out))
    return g * xp.where(far, series, 1 / _SQRT_TAU * xp.exp(-0.5 * near * near - log))


elementwise("erf", lambda xp, g, out, x: g * (2 / _SQRT_PI * xp.exp(-x * x)))
elementwise("erfc", lambda xp, g, out, x: g * (-2 / _SQRT_PI * xp.exp(-x * x)))
elementwise("erfcx", _erfcx)
elementwise("erfinv", lambda xp, g, out, x: g * (_SQRT_PI / 2 * xp.exp(out * out)))
elementwise("erfcinv", lambda xp, g, out, x: g * (-_SQRT_PI / 2 * xp.exp(out * out)))
elementwise("ndtr", lambda xp, g, out, x: g * (1 / _SQRT_TAU * xp.exp(-0.5 * x * x)))
elementwise("log_ndtr", _log_ndtr)
elementwise("ndtri", lambda xp, g, out, x: g * (_SQRT_TAU * xp.exp(0.5 * out * out)))


# ---- entropies
def _entr(xp: Any, g: Any, out: Any, x: Any) -> Any:
    at_zero = x == 0
    return xp.where(at_zero, xp.zeros_like(g), -g * (xp.log(unless(xp, at_zero, x)) + 1))


def _relative_to(constant: float) -> Rule:
    """Return the rule of ``x`` in ``x * log(x / y)`` and its relatives."""

    def rule(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
        at_zero = x == 0
        ratio = unless(xp, at_zero, x) / unless(xp, at_zero, y)
        return xp.where(at_zero, xp.zeros_like(g), g * (xp.log(ratio) + constant))

    return rule


def _ratio(xp: Any, x: Any, y: Any) -> Any:
    """Return ``x / y``, and 0 where both are 0."""
    return x / unless(xp, (x == 0) & (y == 0), y)


def _xlogy_x(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * xp.log(unless(xp, (x == 0) & (y == 0), y))


def _xlog1py_x(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    stopped = (x == 0) & (y == -1)
    return g * xp.log1p(xp.where(stopped, xp.zeros_like(y), y))


elementwise("entr", _entr)
elementwise("rel_entr", _relative_to(1), lambda xp, g, out, x, y: -g * _ratio(xp, x, y))
elementwise("kl_div", _relative_to(0), lambda xp, g, out, x, y: g * (1 - _ratio(xp, x, y)))
elementwise("xlogy", _xlogy_x, lambda xp, g, out, x, y: g * _ratio(xp, x, y))
elementwise("xlog1py", _xlog1py_x, lambda xp, g, out, x, y: g * _ratio(xp, x, y + 1))


# ---- the exponential, and its integrals
_EXPREL_SLOPE = [1 / (math.factorial(k) * (k + 2)) for k in range(19)]


def exprel_slope(xp: Any, x: Any) -> Any:
    """Return the derivative of ``(exp(x) - 1) / x``."""
    return near_zero(
        xp, x, 1.0, lambda y: polynomial(y, _EXPREL_SLOPE), lambda y: (xp.exp(y) - xp.special.exprel(y)) / y
    )


def _expn_x(xp: Any, g: Any, out: Any, n: Any, x: Any) -> Any:
    positive = n >= 1
    lower = xp.special.expn(xp.where(positive, n - 1, n), x)
    return -g * xp.where(positive, lower, xp.exp(-x) * (1 + 1 / x) / x)


elementwise(
    "cbrt", lambda xp, g, out, x: xp.where(out == 0, xp.zeros_like(g), g / (3 * xp.square(unless(xp, out == 0, out))))
)
elementwise("exp2", lambda xp, g, out, x: g * (out * math.log(2)))
elementwise("exp10", lambda xp, g, out, x: g * (out * math.log(10)))
elementwise("exprel", lambda xp, g, out, x: g * exprel_slope(xp, x))
elementwise("exp1", lambda xp, g, out, x: -g * (xp.exp(-x) / x))
elementwise("expi", lambda xp, g, out, x: g * (xp.exp(x) / x))
elementwise("expn", refuse("expn", "n"), _expn_x)


# ---- angles
_SINC_SLOPE = [(-1) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(1, 10)]


def _sinc(xp: Any, g: Any, out: Any, x: Any) -> Any:
    y = math.pi * x
    slope = near_zero(
        xp, y, 1.0, lambda y: y * polynomial(y * y, _SINC_SLOPE), lambda y: (xp.cos(y) - xp.sin(y) / y) / y
    )
    return g * (math.pi * slope)


elementwise("sinc", _sinc)
elementwise("cosm1", lambda xp, g, out, x: -g * xp.sin(x))
elementwise("sindg", lambda xp, g, out, x: g * (_DEGREE * xp.special.cosdg(x)))
elementwise("cosdg", lambda xp, g, out, x: g * (-_DEGREE * xp.special.sindg(x)))
elementwise("tandg", lambda xp, g, out, x: g * (_DEGREE * (1 + out * out)))
elementwise("cotdg", lambda xp, g, out, x: g * (-_DEGREE * (1 + out * out)))
elementwise(
    "radian",
    lambda xp, g, out, d, m, s: g * _DEGREE,
    lambda xp, g, out, d, m, s: g * (_DEGREE / 60),
    lambda xp, g, out, d, m, s: g * (_DEGREE / 3600),
)
