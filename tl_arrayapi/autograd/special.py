"""Special functions that are written with others: each is a plain function of the namespace ``xp`` and its arguments.

The others are primitives, under their names in SciPy; `tl_arrayapi.autograd.rules` has their derivatives.
"""

import math
from collections.abc import Callable
from typing import Any

__all__ = ["COMPOSITES", "NEEDED"]

_Axis = int | tuple[int, ...] | None


def _shift(xp: Any, x: Any, axis: _Axis) -> Any:
    """Return the largest elements along ``axis``, as constants: what a result does not depend on has no gradient."""
    largest = xp.max(x, axis=axis, keepdims=True)
    largest = largest.level.stop(largest)
    return xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))


def _logsumexp(xp: Any, x: Any, /, *, axis: _Axis = None, keepdims: bool = False) -> Any:
    x = xp.lift(x)
    shift = _shift(xp, x, axis)
    out = xp.log(xp.sum(xp.exp(x - shift), axis=axis, keepdims=True)) + shift
    if keepdims:
        return out
    return xp.squeeze(out, axis=tuple(range(x.ndim)) if axis is None else axis)


def _softmax(xp: Any, x: Any, /, *, axis: _Axis = None) -> Any:
    x = xp.lift(x)
    weights = xp.exp(x - _shift(xp, x, axis))
    return weights / xp.sum(weights, axis=axis, keepdims=True)


def _log_softmax(xp: Any, x: Any, /, *, axis: _Axis = None) -> Any:
    x = xp.lift(x)
    shifted = x - _shift(xp, x, axis)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


# ---- gamma functions, and the distribution functions that are incomplete ones of other arguments
def _multigammaln(xp: Any, a: Any, d: int, /) -> Any:
    total = 0.25 * d * (d - 1) * math.log(math.pi)
    for i in range(int(d)):
        total = total + xp.special.gammaln(xp.lift(a) - 0.5 * i)
    return total


def _floating(xp: Any, *operands: Any) -> tuple[Any, ...]:
    """Return ``operands`` as Arrays, integers in the floating dtype of the others: parameters are often counts."""
    lifted = [x if isinstance(x, (int, float)) else xp.lift(x) for x in operands]
    floating = [x for x in lifted if hasattr(x, "dtype") and xp.isdtype(x.dtype, ("real floating", "complex floating"))]
    dtype = xp.result_type(*floating) if floating else xp.asarray(0.0).dtype
    return tuple(xp.astype(x, dtype, copy=False) if hasattr(x, "dtype") else xp.asarray(x, dtype=dtype) for x in lifted)


def _chdtri(xp: Any, v: Any, p: Any, /) -> Any:
    v, p = _floating(xp, v, p)
    return 2 * xp.special.gammainccinv(0.5 * v, p)


def _fdtr(xp: Any, dfn: Any, dfd: Any, x: Any, /) -> Any:
    dfn, dfd, x = _floating(xp, dfn, dfd, x)
    return xp.special.betainc(0.5 * dfn, 0.5 * dfd, dfn * x / (dfd + dfn * x))


def _fdtrc(xp: Any, dfn: Any, dfd: Any, x: Any, /) -> Any:
    dfn, dfd, x = _floating(xp, dfn, dfd, x)
    return xp.special.betainc(0.5 * dfd, 0.5 * dfn, dfd / (dfd + dfn * x))


def _fdtri(xp: Any, dfn: Any, dfd: Any, p: Any, /) -> Any:
    dfn, dfd, p = _floating(xp, dfn, dfd, p)
    y = xp.special.betaincinv(0.5 * dfn, 0.5 * dfd, p)
    return dfd * y / (dfn * (1 - y))


def _gdtr(xp: Any, a: Any, b: Any, x: Any, /) -> Any:
    a, b, x = _floating(xp, a, b, x)
    return xp.special.gammainc(b, a * x)


def _gdtrc(xp: Any, a: Any, b: Any, x: Any, /) -> Any:
    a, b, x = _floating(xp, a, b, x)
    return xp.special.gammaincc(b, a * x)


def _pdtr(xp: Any, k: Any, m: Any, /) -> Any:
    k, m = _floating(xp, k, m)
    return xp.special.gammaincc(xp.floor(k) + 1, m)


def _pdtrc(xp: Any, k: Any, m: Any, /) -> Any:
    k, m = _floating(xp, k, m)
    return xp.special.gammainc(xp.floor(k) + 1, m)


COMPOSITES: dict[str, Callable[..., Any]] = {
    "chdtri": _chdtri,
    "fdtr": _fdtr,
    "fdtrc": _fdtrc,
    "fdtri": _fdtri,
    "gdtr": _gdtr,
    "gdtrc": _gdtrc,
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "multigammaln": _multigammaln,
    "pdtr": _pdtr,
    "pdtrc": _pdtrc,
    "softmax": _softmax,
}

NEEDED = {
    "chdtri": "gammainccinv",
    "fdtr": "betainc",
    "fdtrc": "betainc",
    "fdtri": "betaincinv",
    "gdtr": "gammainc",
    "gdtrc": "gammaincc",
    "multigammaln": "gammaln",
    "pdtr": "gammaincc",
    "pdtrc": "gammainc",
}
"""The primitives that some of them are written with: where a library lacks one, it lacks the other."""
