"""Indexing by arrays, and writing to a part."""

from collections.abc import Callable
from dataclasses import replace

import numpy

from tl_arrayapi.backends.numpy.lowering.selector import Selector
from tl_arrayapi.backends.numpy.lowering.views import Root, View, contiguous, indexed, natural
from tl_arrayapi.graph.graph import Equation

__all__ = ["FORMS"]


def _embed(selector: Selector, equation: Equation) -> View:
    view, key = selector.view(equation.operands[0]), equation.get("key")
    whole = natural(Root(equation.result.shape, equation.result.dtype))
    rest = _around(whole, key)
    for part in [whole] if rest is None else rest:
        selector.add("fill", "fill", (), part, shared=rest is None)
    if view.size:
        selector.add("copy", "copyto", (view,), indexed(whole, key), shared=rest is None)
    return whole


def _around(whole: View, key: tuple[int | slice, ...]) -> list[View] | None:
    """Return what a slice leaves of an array, where that is at most a piece before and one after it; else None."""
    part = indexed(whole, key)
    if not part.size or not part.dense:
        return None
    flat = View(whole.root, (whole.size,), (1,), 0, whole.dtype)
    start, stop = part.offset, part.offset + part.size
    pieces = [indexed(flat, (slice(0, start, 1),)), indexed(flat, (slice(stop, whole.size, 1),))]
    return [piece for piece in pieces if piece.size]


def _put(selector: Selector, equation: Equation) -> View:
    view, value = (selector.view(x) for x in equation.operands)
    if view.dtype != value.dtype:
        return None  # type: ignore[return-value]
    whole = natural(Root(view.shape, view.dtype))
    selector.add("copy", "copyto", (view,), whole, shared=True)
    part = indexed(whole, equation.get("key"))
    if part.size:
        selector.add("copy", "copyto", (value,), part, shared=True)
    return whole


def _take(selector: Selector, equation: Equation) -> View | None:
    view, indices = (selector.view(x) for x in equation.operands)
    axis, result = equation.get("axis"), equation.result
    if axis is None or indices.ndim != 1 or not indices.size:
        return None
    operands = (view, selector.dense(indices))
    return selector.write("take", "take", operands, result.shape, result.dtype, (("axis", axis % view.ndim),))


def _scatter_add(selector: Selector, equation: Equation) -> View | None:
    updates, indices = (selector.view(x) for x in equation.operands)
    result, axis = equation.result, equation.get("axis")
    if indices.ndim != 1 or updates.dtype != result.dtype:
        return None
    whole = natural(Root(result.shape, result.dtype))
    selector.add("fill", "fill", (), whole, shared=True)
    if axis == 0 and updates.ndim > 1 and updates.size:
        # NumPy adds numbers at places several times as fast as rows, in the same order.
        width = updates.size // indices.size
        places = _flat(_places_of_rows(selector, indices, width))
        operands, to = (_flat(selector.dense(updates)), places), _flat(whole)
    else:
        operands, to = (updates, indices), whole
    selector.add("scatter", "add.at", operands, to, static=(("axis", axis),), shared=True)
    return whole


def _places_of_rows(selector: Selector, indices: View, width: int) -> View:
    """Return the places of the elements of rows in an array seen flat; negative where the rows are."""
    rows = indices
    if indices.dtype != "int64":
        rows = selector.write("copy", "copyto", (indices,), indices.shape, "int64")
    starts = selector.write("ufunc", "multiply", (rows, selector.constant(width, (), "int64")), rows.shape, "int64")
    columns = selector.held(numpy.arange(width, dtype=numpy.int64), (width,))
    column = replace(starts, shape=(indices.size, 1), strides=contiguous((indices.size, 1)))
    add = selector.function("add", numpy.add)
    return selector.write("ufunc", add, (column, columns), (indices.size, width), "int64")


def _flat(view: View) -> View:
    return replace(view, shape=(view.size,), strides=contiguous((view.size,)))


FORMS: dict[str, Callable[[Selector, Equation], View | None]] = {
    "embed": _embed,
    "put": _put,
    "scatter_add": _scatter_add,
    "take": _take,
}
