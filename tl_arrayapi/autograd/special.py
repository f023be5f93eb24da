"""Special functions that are written with others: each is a plain function of the namespace ``xp`` and its arguments.

The others are primitives, under their names in SciPy; `tl_arrayapi.autograd.rules` has their derivatives.
"""

import math
from collections.abc import Callable
from typing import Any

__all__ = ["COMPOSITES"]

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


def _multigammaln(xp: Any, a: Any, d: int, /) -> Any:
    total = 0.25 * d * (d - 1) * math.log(math.pi)
    for i in range(int(d)):
        total = total + xp.special.gammaln(xp.lift(a) - 0.5 * i)
    return total


COMPOSITES: dict[str, Callable[..., Any]] = {
    "log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "multigammaln": _multigammaln,
    "softmax": _softmax,
}
