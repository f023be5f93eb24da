"""Rules of the set functions: the distinct values are a gather of the operand, each from where it occurs first.

What else they return, indices and counts, are constants.
"""

from typing import Any, NamedTuple

from tl_arrayapi.autograd.primitive import Kind, define

__all__ = ["UniqueAllResult", "UniqueCountsResult", "UniqueInverseResult"]


class UniqueAllResult(NamedTuple):
    """What ``unique_all`` returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCountsResult(NamedTuple):
    """What ``unique_counts`` returns."""

    values: Any
    counts: Any


class UniqueInverseResult(NamedTuple):
    """What ``unique_inverse`` returns."""

    values: Any
    inverse_indices: Any


def _values(xp: Any, g: Any, values: Any, x: Any) -> Any:
    # Not all of the functions say where a value occurred, nor do libraries agree on the order of the values.
    flat = xp.reshape(x, (-1,))
    order = xp.argsort(flat, stable=True)
    first = xp.take(order, xp.searchsorted(xp.take(flat, order, axis=0), values), axis=0)
    return xp.reshape(xp.scatter_add(g, first, shape=tuple(flat.shape), axis=0), x.shape)


define("unique_values", Kind.OPAQUE, _values)
for _name, _result in (
    ("unique_all", UniqueAllResult),
    ("unique_counts", UniqueCountsResult),
    ("unique_inverse", UniqueInverseResult),
):
    define(_name, Kind.OPAQUE, lambda xp, g, out, x: _values(xp, g.values, out.values, x), result=_result)
