"""Rules of reductions and scans.

The cotangent of a reduction is first given the operand's rank again, with 1 along what was reduced; from there
broadcasting does the rest. ``max`` and ``min`` share the cotangent evenly among all elements that attain them.
"""

import math
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, define

__all__ = ["reduced_axes", "restored"]

_Axis = int | tuple[int, ...] | None


def reduced_axes(axis: _Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes that a reduction with ``axis`` runs over, none of them negative."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, int):
        return (axis + ndim if axis < 0 else axis,)
    return tuple(a + ndim if a < 0 else a for a in axis)


def restored(xp: Any, value: Any, x: Any, axis: _Axis, keepdims: bool) -> Any:
    """Give a reduced ``value`` the rank of ``x`` again."""
    if keepdims or value.ndim == x.ndim:
        return value
    axes = reduced_axes(axis, x.ndim)
    return xp.reshape(value, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _sum(xp: Any, g: Any, out: Any, x: Any, axis: _Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    return xp.broadcast_to(g if axis is None else restored(xp, g, x, axis, keepdims), x.shape)


def _extremum(xp: Any, g: Any, out: Any, x: Any, axis: _Axis = None, keepdims: bool = False) -> Any:
    hits = xp.astype(x == restored(xp, out, x, axis, keepdims), x.dtype)
    return hits * restored(xp, g / xp.sum(hits, axis=axis, keepdims=keepdims), x, axis, keepdims)


def _prod(xp: Any, g: Any, out: Any, x: Any, axis: _Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    if 0 in x.shape:
        return xp.zeros_like(x)
    # The product of all others, from both sides: dividing the product by x would fail where x is 0.
    axes = reduced_axes(axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    order = kept + axes
    rows = xp.permute_dims(x, order)
    moved = rows.shape
    rows = xp.reshape(rows, (*moved[: len(kept)], math.prod(moved[len(kept) :])))
    one = xp.ones_like(rows[..., :1])
    before = xp.concat([one, _running_product(xp, rows[..., :-1])], axis=-1)
    after = xp.flip(xp.concat([one, _running_product(xp, xp.flip(rows[..., 1:], axis=-1))], axis=-1), axis=-1)
    others = xp.permute_dims(xp.reshape(before * after, moved), tuple(order.index(i) for i in range(x.ndim)))
    return restored(xp, g, x, axis, keepdims) * others


def _running_product(xp: Any, rows: Any) -> Any:
    """Return the running products along the last axis, in log2 n steps and in functions that have rules to any
    order.
    """
    step, count = 1, rows.shape[-1]
    while step < count:
        shifted = xp.concat([xp.ones_like(rows[..., :step]), rows[..., :-step]], axis=-1)
        rows, step = rows * shifted, 2 * step
    return rows


def _cumulative_sum(
    xp: Any, g: Any, out: Any, x: Any, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    axis = 0 if axis is None else axis
    if include_initial:
        g = g[(*(slice(None),) * (axis % x.ndim), slice(1, None), ...)]
    return xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis), axis=axis)


def _cumulative_prod(
    xp: Any, g: Any, out: Any, x: Any, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Any:
    # What element j has a part in is the product before it, times what comes after: g_j + x_{j+1} (g_{j+1} + ...).
    # There is no division in it, which would fail where x is 0.
    if 0 in x.shape:
        return xp.zeros_like(x)
    axis = 0 if axis is None else axis
    g, out, x = (xp.moveaxis(array, axis, -1) for array in (g, out, x))
    if include_initial:
        g, before = g[..., 1:], out[..., :-1]
    else:
        before = xp.concat([xp.ones_like(out[..., :1]), out[..., :-1]], axis=-1)
    return xp.moveaxis(before * _weighted_tails(xp, g, x[..., 1:]), -1, axis)


def _weighted_tails(xp: Any, g: Any, factors: Any) -> Any:
    """Return t_j = g_j + factors_j t_{j+1} along the last axis, in log2 n steps, each of which doubles the number of
    terms.
    """
    step, count = 1, g.shape[-1]
    while step < count:
        g = xp.concat([g[..., :-step] + factors * g[..., step:], g[..., -step:]], axis=-1)
        if 2 * step < count:
            factors = factors[..., :-step] * factors[..., step:]
        step *= 2
    return g


define("sum", Kind.REDUCTION, _sum)
define("max", Kind.REDUCTION, _extremum)
define("min", Kind.REDUCTION, _extremum)
define("prod", Kind.REDUCTION, _prod)
define("cumulative_sum", Kind.SCAN, _cumulative_sum)
define("cumulative_prod", Kind.SCAN, _cumulative_prod)

for _name in ("all", "any", "argmax", "argmin", "count_nonzero"):
    define(_name, Kind.REDUCTION, operands=1, zero_gradient=True)
define("argsort", Kind.SCAN, operands=1, zero_gradient=True)
