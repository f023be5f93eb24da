"""Rules of the Bessel functions of orders 0 and 1: each in terms of the others, DLMF 10.6 and 10.29."""

import math
from typing import Any

from tl_arrayapi.autograd.rules.series import near_zero, polynomial
from tl_arrayapi.autograd.rules.special import elementwise

__all__: list[str] = []

# I1(x) / x in powers of x^2, and J1(x) / x, whose signs alternate.
_I1_OVER_X = [0.5 / (4**k * math.factorial(k) * math.factorial(k + 1)) for k in range(10)]
_J1_OVER_X = [(-1) ** k * c for k, c in enumerate(_I1_OVER_X)]


def _i1_over_x(xp: Any, x: Any) -> Any:
    return near_zero(xp, x, 1.0, lambda y: polynomial(y * y, _I1_OVER_X), lambda y: xp.special.i1(y) / y)


def _j1_over_x(xp: Any, x: Any) -> Any:
    return near_zero(xp, x, 1.0, lambda y: polynomial(y * y, _J1_OVER_X), lambda y: xp.special.j1(y) / y)


def _i1e_over_x(xp: Any, x: Any) -> Any:
    return near_zero(
        xp,
        x,
        1.0,
        lambda y: xp.exp(-xp.abs(y)) * polynomial(y * y, _I1_OVER_X),
        lambda y: xp.special.i1e(y) / y,
    )


elementwise("i0", lambda xp, g, out, x: g * xp.special.i1(x))
elementwise("i1", lambda xp, g, out, x: g * (xp.special.i0(x) - _i1_over_x(xp, x)))
elementwise("i0e", lambda xp, g, out, x: g * (xp.special.i1e(x) - xp.sign(x) * out))
elementwise("i1e", lambda xp, g, out, x: g * (xp.special.i0e(x) - _i1e_over_x(xp, x) - xp.sign(x) * out))
elementwise("j0", lambda xp, g, out, x: -g * xp.special.j1(x))
elementwise("j1", lambda xp, g, out, x: g * (xp.special.j0(x) - _j1_over_x(xp, x)))
elementwise("k0", lambda xp, g, out, x: -g * xp.special.k1(x))
elementwise("k1", lambda xp, g, out, x: -g * (xp.special.k0(x) + out / x))
elementwise("k0e", lambda xp, g, out, x: g * (out - xp.special.k1e(x)))
elementwise("k1e", lambda xp, g, out, x: g * (out - xp.special.k0e(x) - out / x))
elementwise("y0", lambda xp, g, out, x: -g * xp.special.y1(x))
elementwise("y1", lambda xp, g, out, x: g * (xp.special.y0(x) - out / x))
