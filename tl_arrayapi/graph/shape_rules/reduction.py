"""Shapes of reductions and scans."""

from typing import Any

from tl_arrayapi.errors import ArgumentError, ShapeError
from tl_arrayapi.graph.shape_rules.common import Rule, Shape, axes_of, axis_of, replaced

__all__ = ["REDUCTION", "SCAN"]


def _reduce(x: Shape, *, axis: Any = None, keepdims: bool = False) -> Shape:
    axes = axes_of(axis, len(x))
    return tuple(1 if a in axes else n for a, n in enumerate(x) if keepdims or a not in axes)


def _total(x: Shape, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Shape:
    return _reduce(x, axis=axis, keepdims=keepdims)


def _extremum(x: Shape, *, axis: Any = None, keepdims: bool = False) -> Shape:
    if any(x[a] == 0 for a in axes_of(axis, len(x))):
        raise ShapeError(f"shape {x} has no element along {axis=}: no elements have neither maximum nor minimum")
    return _reduce(x, axis=axis, keepdims=keepdims)


def _position(x: Shape, *, axis: Any = None, keepdims: bool = False) -> Shape:
    if isinstance(axis, (tuple, list)):
        raise ArgumentError(f"argmax and argmin take one axis, or None for all elements; got {axis}")
    return _extremum(x, axis=axis, keepdims=keepdims)


def _scan(x: Shape, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Shape:
    if axis is None and len(x) != 1:
        raise ArgumentError(f"a running sum or product of shape {x} needs an axis: only that of one axis goes without")
    axis = axis_of(0 if axis is None else axis, len(x))
    return replaced(x, axis, x[axis] + bool(include_initial))


def _sort(x: Shape, *, axis: Any = -1, descending: bool = False, stable: bool = True) -> Shape:
    axis_of(axis, len(x))
    return x


REDUCTION: dict[str, Rule] = {
    **dict.fromkeys(("sum", "prod"), _total),
    **dict.fromkeys(("max", "min"), _extremum),
    **dict.fromkeys(("all", "any", "count_nonzero"), _reduce),
    **dict.fromkeys(("argmax", "argmin"), _position),
}
"""The rule of each reduction."""

SCAN: dict[str, Rule] = {
    **dict.fromkeys(("cumulative_sum", "cumulative_prod"), _scan),
    "argsort": _sort,
}
"""The rule of each function along one axis that keeps it."""
