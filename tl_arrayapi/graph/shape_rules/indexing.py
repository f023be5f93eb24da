"""Shapes of what reads and writes at places: by a key of integers and slices, or by an array of indices."""

from typing import Any

from tl_arrayapi.errors import ArgumentError, IndexShapeError, ShapeError
from tl_arrayapi.graph.shape_rules.common import Rule, Shape, axis_of, fits, integer, lengths, replaced

__all__ = ["INDEXING", "selected_shape"]


def selected_shape(shape: Shape, key: Any) -> Shape:
    """Return the shape of what ``key`` selects; raises `IndexShapeError` where it does not fit.

    A key has integers, slices, None and Ellipsis, as the standard says; arrays are no part of it.

    >>> selected_shape((5, 4, 3), (slice(1, 5, 2), Ellipsis, -1))
    (2, 4)
    """
    parts = key if isinstance(key, tuple) else (key,)
    used = sum(part is not None and part is not Ellipsis for part in parts)
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    if used > len(shape) or len(dots) > 1:
        raise IndexShapeError(
            f"a key of {used} parts and {len(dots)} Ellipsis for shape {shape}: give at most {len(shape)} and one"
        )
    at = dots[0] if dots else len(parts)
    full = (*parts[:at], *(slice(None),) * (len(shape) - used), *parts[at + 1 :])
    axes = enumerate(shape)
    found: list[int] = []
    for part in full:
        if part is None:
            found.append(1)
        elif isinstance(part, slice):
            found.append(len(range(*_bounds(part, next(axes)[1]))))
        elif hasattr(part, "__index__") and not isinstance(part, bool) and not hasattr(part, "shape"):
            axis, n = next(axes)
            if not -n <= integer(part, "an index") < n:
                raise IndexShapeError(f"index {part} is outside of axis {axis}, of length {n}, of shape {shape}")
        else:
            raise ArgumentError(
                f"a key has integers, slices, None and Ellipsis; got {part!r}: take reads at an array of indices"
            )
    return tuple(found)


def _bounds(part: slice, length: int) -> tuple[int, int, int]:
    for bound in (part.start, part.stop, part.step):
        if bound is not None:
            integer(bound, "the bound of a slice")
    if part.step == 0:
        raise ArgumentError(f"a slice takes steps other than 0; got {part}")
    return part.indices(length)


def _embed(x: Shape, *, shape: Any, key: Any) -> Shape:
    whole = lengths(shape)
    if (selected := selected_shape(whole, key)) != x:
        raise ShapeError(f"embed puts shape {x} where the key selects {selected} of {whole}: these two must be equal")
    return whole


def _put(x: Shape, value: Shape, *, key: Any) -> Shape:
    selected = selected_shape(x, key)
    if not fits(value, selected):
        raise ShapeError(f"a value of shape {value} does not broadcast to the {selected} that the key selects of {x}")
    return x


def _take(x: Shape, indices: Shape, *, axis: Any = None) -> Shape:
    if axis is None and len(x) != 1:
        raise ArgumentError(f"take from shape {x} needs an axis: only an array of one axis goes without")
    return replaced(x, axis_of(0 if axis is None else axis, len(x)), *indices)


def _scatter_add(updates: Shape, indices: Shape, *, shape: Any, axis: Any) -> Shape:
    whole = lengths(shape)
    if (taken := _take(whole, indices, axis=axis)) != updates:
        raise ShapeError(f"indices {indices} along axis {axis} of {whole} add updates of shape {taken}; got {updates}")
    return whole


def _writers(indices: Shape, *, count: Any) -> Shape:
    if len(indices) != 1:
        raise ShapeError(f"writers takes an array of indices of one axis; got shape {indices}")
    return lengths((count,))


def _isin(x: Shape, values: Shape, *, invert: bool = False) -> Shape:
    return x


def _searchsorted(x: Shape, values: Shape, sorter: Shape | None = None, *, side: str = "left") -> Shape:
    if len(x) != 1 or sorter not in (None, x):
        raise ShapeError(f"searchsorted looks in an array of one axis, whose sorter has its length; got shape {x}")
    return values


INDEXING: dict[str, Rule] = {
    "embed": _embed,
    "getitem": lambda x, *, key: selected_shape(x, key),
    "isin": _isin,
    "put": _put,
    "scatter_add": _scatter_add,
    "searchsorted": _searchsorted,
    "take": _take,
    "writers": _writers,
}
"""The rule of each function that reads or writes at places."""
