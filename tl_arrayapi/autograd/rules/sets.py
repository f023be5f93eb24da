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
    find = _first_complex if xp.isdtype(x.dtype, "complex floating") else _first
    return xp.reshape(xp.scatter_add(g, find(xp, values, flat), shape=tuple(flat.shape), axis=0), x.shape)


def _first(xp: Any, values: Any, flat: Any) -> Any:
    """Return where each of ``values`` occurs first."""
    order = xp.argsort(flat, stable=True)
    return xp.take(order, xp.searchsorted(xp.take(flat, order, axis=0), values), axis=0)


def _first_complex(xp: Any, values: Any, flat: Any) -> Any:
    """Return where each of ``values`` occurs first: complex numbers have no order, so each is compared with all."""
    if 0 in flat.shape:
        return xp.argsort(xp.real(flat))
    same = xp.expand_dims(values, axis=1) == flat
    return xp.argmax(xp.astype(same, xp.int8), axis=1)


define("unique_values", Kind.OPAQUE, _values)
for _name, _result in (
    ("unique_all", UniqueAllResult),
    ("unique_counts", UniqueCountsResult),
    ("unique_inverse", UniqueInverseResult),
):
    define(_name, Kind.OPAQUE, lambda xp, g, out, x: _values(xp, g.values, out.values, x), result=_result)
