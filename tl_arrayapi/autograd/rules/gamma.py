"""Rules of the gamma and beta functions, and of the distribution functions and quantiles that they give.

Parameters of shape have a rule in the complete functions alone: the derivatives of the incomplete ones by their shapes
are no closed forms, and raise `NoRuleError`.
"""

import math
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, Rule, define
from tl_arrayapi.autograd.rules.special import elementwise, refuse

__all__: list[str] = []


# ---- gamma
def _rgamma(xp: Any, g: Any, out: Any, x: Any) -> Any:
    # By reflection on the left, where digamma has poles and the reciprocal of gamma has none.
    left = x < 0.5
    y = xp.where(left, 1 - x, xp.ones_like(x))
    reflected = xp.special.gamma(y) * (xp.cos(math.pi * x) - xp.sin(math.pi * x) / math.pi * xp.special.digamma(y))
    return g * xp.where(left, reflected, -out * xp.special.digamma(xp.where(left, xp.ones_like(x), x)))


for _name in ("gammaln", "loggamma"):
    elementwise(_name, lambda xp, g, out, x: g * xp.special.digamma(x))
for _name in ("digamma", "psi"):
    elementwise(_name, lambda xp, g, out, x: g * xp.special.polygamma(1, x))
elementwise("gamma", lambda xp, g, out, x: g * (out * xp.special.digamma(x)))
elementwise("rgamma", _rgamma)
define("gammasgn", Kind.ELEMENTWISE, operands=1, zero_gradient=True, where="special")
elementwise("polygamma", refuse("polygamma", "n"), lambda xp, g, out, n, x: g * xp.special.polygamma(n + 1, x))
elementwise("zeta", refuse("zeta", "x"), lambda xp, g, out, x, q: -g * x * xp.special.zeta(x + 1, q))
elementwise(
    "poch",
    lambda xp, g, out, z, m: g * out * (xp.special.digamma(z + m) - xp.special.digamma(z)),
    lambda xp, g, out, z, m: g * out * xp.special.digamma(z + m),
)
elementwise(
    "binom",
    lambda xp, g, out, n, k: g * out * (xp.special.digamma(n + 1) - xp.special.digamma(n - k + 1)),
    lambda xp, g, out, n, k: g * out * (xp.special.digamma(n - k + 1) - xp.special.digamma(k + 1)),
)


# ---- beta
def _beta(xp: Any, g: Any, out: Any, a: Any, b: Any) -> Any:
    return g * out * (xp.special.digamma(a) - xp.special.digamma(a + b))


def _betaln(xp: Any, g: Any, out: Any, a: Any, b: Any) -> Any:
    return g * (xp.special.digamma(a) - xp.special.digamma(a + b))


elementwise("beta", _beta, lambda xp, g, out, a, b: _beta(xp, g, out, b, a))
elementwise("betaln", _betaln, lambda xp, g, out, a, b: _betaln(xp, g, out, b, a))


# ---- distributions: the derivative of a distribution function is its density, and of a quantile, one over it
def _gamma_density(xp: Any, a: Any, x: Any) -> Any:
    return xp.exp(xp.special.xlogy(a - 1, x) - x - xp.special.gammaln(a))


def _beta_density(xp: Any, a: Any, b: Any, x: Any) -> Any:
    return xp.exp(xp.special.xlogy(a - 1, x) + xp.special.xlog1py(b - 1, -x) - xp.special.betaln(a, b))


def _student_density(xp: Any, df: Any, t: Any) -> Any:
    # The normalisation is 1 / (sqrt(df) * B(df / 2, 1 / 2)).
    half = xp.full_like(df, 0.5)
    scale = xp.special.betaln(0.5 * df, half) + 0.5 * xp.log(df)
    return xp.exp(-scale - 0.5 * (df + 1) * xp.log1p(t * t / df))


def _shapes(name: str, *operands: str) -> list[Rule]:
    return [refuse(name, operand) for operand in operands]


elementwise("gammainc", *_shapes("gammainc", "a"), lambda xp, g, out, a, x: g * _gamma_density(xp, a, x))
elementwise("gammaincc", *_shapes("gammaincc", "a"), lambda xp, g, out, a, x: -g * _gamma_density(xp, a, x))
elementwise("gammaincinv", *_shapes("gammaincinv", "a"), lambda xp, g, out, a, p: g / _gamma_density(xp, a, out))
elementwise("gammainccinv", *_shapes("gammainccinv", "a"), lambda xp, g, out, a, p: -g / _gamma_density(xp, a, out))
elementwise("betainc", *_shapes("betainc", "a", "b"), lambda xp, g, out, a, b, x: g * _beta_density(xp, a, b, x))
elementwise("betaincc", *_shapes("betaincc", "a", "b"), lambda xp, g, out, a, b, x: -g * _beta_density(xp, a, b, x))
elementwise(
    "betaincinv", *_shapes("betaincinv", "a", "b"), lambda xp, g, out, a, b, p: g / _beta_density(xp, a, b, out)
)
elementwise(
    "betainccinv", *_shapes("betainccinv", "a", "b"), lambda xp, g, out, a, b, p: -g / _beta_density(xp, a, b, out)
)
elementwise("stdtr", *_shapes("stdtr", "df"), lambda xp, g, out, df, t: g * _student_density(xp, df, t))
elementwise("stdtrit", *_shapes("stdtrit", "df"), lambda xp, g, out, df, p: g / _student_density(xp, df, out))
elementwise(
    "hyp1f1",
    *_shapes("hyp1f1", "a", "b"),
    lambda xp, g, out, a, b, x: g * (a / b) * xp.special.hyp1f1(a + 1, b + 1, x),
)
