"""Rules of the Box-Cox transformations, of Huber's losses and of Spence's function."""

from typing import Any

from tl_arrayapi.autograd.rules.series import near_zero, polynomial
from tl_arrayapi.autograd.rules.special import elementwise, exprel_slope, unless

__all__: list[str] = []

# log1p(u) / u in powers of u, and its derivative.
_LOG1P_OVER_U = [(-1) ** k / (k + 1) for k in range(18)]
_ITS_SLOPE = [k * c for k, c in enumerate(_LOG1P_OVER_U)][1:]


# ---- Box-Cox: (x^lmbda - 1) / lmbda is log(x) * exprel(lmbda * log(x)), which is smooth in lmbda
def _boxcox_lmbda(xp: Any, g: Any, x: Any, lmbda: Any, log_x: Any) -> Any:
    return g * (log_x * log_x * exprel_slope(xp, lmbda * log_x))


def _inverse_lmbda(xp: Any, g: Any, power: Any, y: Any, lmbda: Any) -> Any:
    slope = near_zero(
        xp,
        lmbda * y,
        0.1,
        lambda u: polynomial(u, _ITS_SLOPE),
        lambda u: (u / (1 + u) - xp.log1p(u)) / (u * u),
    )
    return g * (power * y * y * slope)


elementwise(
    "boxcox",
    lambda xp, g, out, x, lmbda: g * xp.pow(x, lmbda - 1),
    lambda xp, g, out, x, lmbda: _boxcox_lmbda(xp, g, x, lmbda, xp.log(x)),
)
elementwise(
    "boxcox1p",
    lambda xp, g, out, x, lmbda: g * xp.pow(1 + x, lmbda - 1),
    lambda xp, g, out, x, lmbda: _boxcox_lmbda(xp, g, x, lmbda, xp.log1p(x)),
)
elementwise(
    "inv_boxcox",
    lambda xp, g, out, y, lmbda: g * xp.pow(out, 1 - lmbda),
    lambda xp, g, out, y, lmbda: _inverse_lmbda(xp, g, out, y, lmbda),
)
elementwise(
    "inv_boxcox1p",
    lambda xp, g, out, y, lmbda: g * xp.pow(1 + out, 1 - lmbda),
    lambda xp, g, out, y, lmbda: _inverse_lmbda(xp, g, 1 + out, y, lmbda),
)


# ---- losses
def _huber_delta(xp: Any, g: Any, out: Any, delta: Any, r: Any) -> Any:
    outside = xp.abs(r) > delta
    return g * xp.where(outside, xp.abs(r) - delta, xp.zeros_like(r))


def _huber_r(xp: Any, g: Any, out: Any, delta: Any, r: Any) -> Any:
    return g * xp.where(xp.abs(r) > delta, delta * xp.sign(r), r)


def _pseudo_huber_delta(xp: Any, g: Any, out: Any, delta: Any, r: Any) -> Any:
    return g * (2 * out - r * (r / _slant(xp, delta, r))) / delta


def _slant(xp: Any, delta: Any, r: Any) -> Any:
    return xp.hypot(xp.ones_like(r), r / delta)


elementwise("huber", _huber_delta, _huber_r)
elementwise("pseudo_huber", _pseudo_huber_delta, lambda xp, g, out, delta, r: g * (r / _slant(xp, delta, r)))


# ---- the dilogarithm
def _spence(xp: Any, g: Any, out: Any, x: Any) -> Any:
    # log(x) / (1 - x), which is smooth at 1. The logarithm is not that of 1 + u, in which a small x would be lost.
    away = unless(xp, xp.abs(x - 1) < 0.1, x)
    return -g * near_zero(xp, x - 1, 0.1, lambda u: polynomial(u, _LOG1P_OVER_U), lambda u: xp.log(away) / u)


elementwise("spence", _spence)
