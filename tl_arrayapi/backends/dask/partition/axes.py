"""Which axes of an equation's operands become which axes of its results: what a cut may be carried through.

Axes that go together bear the same label. A cut along a label is one along all axes that bear it; an operand or a
result in which no axis does is needed, or made, whole. What a label of operands that no result bears is reduced over,
and ``combine`` names the function that joins the parts. There is one rule a kind, and a few functions with their own.

The labels are those of Shardy's sharding rules (OpenXLA), which has them for each operation of its own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.graph.graph import Equation

__all__ = ["Axes", "Axis", "Labels", "axes_of"]


@dataclass(frozen=True, slots=True)
class Axis:
    """A label, and how many elements of the axis go with one step of it."""

    label: Any
    factor: int = 1


Labels = tuple[Axis | None, ...]
"""The axis of each place of a shape; None for one that cannot be cut, or is broadcast."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The labels of the axes of operands and results."""

    operands: tuple[Labels, ...]
    results: tuple[Labels, ...]
    combine: str | None = None


def axes_of(equation: Equation) -> Axes:
    """Return which axes of an equation go together.

    >>> from tl_arrayapi.graph.graph import Var
    >>> x, w, y = Var(0, (5, 3), "float32"), Var(1, (3, 2), "float32"), Var(2, (5, 2), "float32")
    >>> found = axes_of(Equation("matmul", "contraction", (x, w), (), (y,)))
    >>> [[axis.label for axis in labels] for labels in (*found.operands, *found.results)], found.combine
    ([['rows', 'inner'], ['inner', 'columns'], ['rows', 'columns']], 'add')
    """
    if any(0 in x.shape for x in (*equation.operands, *equation.results)):
        return _opaque(equation)  # nothing to share out
    rule = _BY_NAME.get(equation.name) or _BY_KIND.get(equation.kind, _opaque)
    return rule(equation)


def _opaque(equation: Equation) -> Axes:
    return Axes(tuple((None,) * x.ndim for x in equation.operands), tuple((None,) * x.ndim for x in equation.results))


# ---- elementwise
def _aligned(shape: tuple[int, ...], target: tuple[int, ...], labels: Labels) -> Labels:
    """Return the labels of what is broadcast to ``target``."""
    ahead = len(target) - len(shape)
    return tuple(labels[ahead + i] if n == target[ahead + i] else None for i, n in enumerate(shape))


def _numbered(shape: tuple[int, ...], without: tuple[int, ...] = ()) -> Labels:
    return tuple(None if i in without else Axis(i) for i in range(len(shape)))


def _elementwise(equation: Equation) -> Axes:
    shape = equation.results[0].shape
    labels = _numbered(shape)
    return Axes(tuple(_aligned(x.shape, shape, labels) for x in equation.operands), (labels,) * len(equation.results))


# ---- reductions and scans
_COMBINE = {
    "sum": "add",
    "count_nonzero": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "all": "logical_and",
    "any": "logical_or",
}


def _reduction(equation: Equation) -> Axes:
    (x,) = equation.operands
    axis, keepdims = equation.get("axis"), equation.get("keepdims", False)
    reduced = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    combine = _COMBINE.get(equation.name)
    labels = _numbered(x.shape, () if combine else reduced)
    kept = tuple(None if i in reduced else a for i, a in enumerate(labels) if keepdims or i not in reduced)
    return Axes((labels,), (kept,), combine)


def _scan(equation: Equation) -> Axes:
    axis = equation.get("axis")
    if not isinstance(axis, int) or len(equation.operands) != 1:
        return _opaque(equation)
    labels = _numbered(equation.operands[0].shape, (axis % equation.operands[0].ndim,))
    return Axes((labels,), (labels,))


# ---- movement
def _reshape(equation: Equation) -> Axes:
    before, after = equation.operands[0].shape, equation.result.shape
    old: list[Axis | None] = [None] * len(before)
    new: list[Axis | None] = [None] * len(after)
    i = j = 0
    while i < len(before) and j < len(after):
        if before[i] == 1:
            i += 1
        elif after[j] == 1:
            j += 1
        else:
            # The shortest runs of axes, from here on, that hold equally many elements. One step of the first axis of
            # either is as many whole rows of the other as make up their common measure.
            step = math.gcd(before[i], after[j])
            old[i], new[j] = Axis(i, before[i] // step), Axis(i, after[j] // step)
            left, right = before[i], after[j]
            i, j = i + 1, j + 1
            while left != right:
                if left < right:
                    left, i = left * before[i], i + 1
                else:
                    right, j = right * after[j], j + 1
    return Axes((tuple(old),), (tuple(new),))


def _permute_dims(equation: Equation) -> Axes:
    labels = _numbered(equation.operands[0].shape)
    return Axes((labels,), (tuple(labels[a] for a in equation.get("axes")),))


def _along(name: str) -> Callable[[Equation], Axes]:
    """Return the rule of a function that mixes the elements along the axes named."""

    def rule(equation: Equation) -> Axes:
        axis = equation.get(name)
        labels = _numbered(equation.result.shape, (axis,) if isinstance(axis, int) else tuple(axis))
        return Axes((labels,) * len(equation.operands), (labels,))

    return rule


def _stack(equation: Equation) -> Axes:
    axis = equation.get("axis")
    labels = _numbered(equation.result.shape, (axis,))
    return Axes((labels[:axis] + labels[axis + 1 :],) * len(equation.operands), (labels,))


def _tile(equation: Equation) -> Axes:
    x, shape = equation.operands[0], equation.result.shape
    labels = _numbered(shape)
    old = _aligned(x.shape, shape, labels)
    kept = {a for a in old if a is not None}
    return Axes((old,), (tuple(a if a in kept else None for a in labels),))


def _triangle(equation: Equation) -> Axes:
    rank = equation.result.ndim
    labels = _numbered(equation.result.shape, (rank - 2, rank - 1))
    return Axes((labels,), (labels,))


# ---- products
def _matmul(equation: Equation) -> Axes:
    x, y = equation.operands
    shape = equation.result.shape
    rows: Labels = (Axis("rows"),) if x.ndim > 1 else ()
    columns: Labels = (Axis("columns"),) if y.ndim > 1 else ()
    stack = shape[: len(shape) - len(rows) - len(columns)]
    labels = _numbered(stack)
    inner = Axis("inner")
    left = (*_aligned(x.shape[:-2], stack, labels), *rows, inner)
    right = (*_aligned(y.shape[:-2], stack, labels), inner, *columns)
    return Axes((left, right), (labels + rows + columns,), "add")


def _matrix(equation: Equation) -> Axes:
    """Stacks of matrices may be cut, the matrices not."""
    operands = equation.operands
    if any(x.ndim < 2 for x in operands) or (len(operands) > 1 and equation.name != "linalg.solve"):
        return _opaque(equation)
    rank = max(x.ndim for x in operands) - 2
    stack = equation.results[0].shape[:rank]
    labels = _numbered(stack)
    return Axes(
        tuple((*_aligned(x.shape[:-2], stack, labels), None, None) for x in operands),
        tuple(labels + (None,) * (x.ndim - rank) for x in equation.results),
    )


# ---- indexing
def _selection(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Labels, Labels]:
    """Return the labels of an array and of what ``key`` selects of it: those of the axes that it takes whole."""
    labels = tuple(
        Axis(i) if part == slice(0, n, 1) else None for i, (part, n) in enumerate(zip(key, shape, strict=True))
    )
    return labels, tuple(a for a, part in zip(labels, key, strict=True) if isinstance(part, slice))


def _getitem(equation: Equation) -> Axes:
    whole, part = _selection(equation.get("key"), equation.operands[0].shape)
    return Axes((whole,), (part,))


def _embed(equation: Equation) -> Axes:
    whole, part = _selection(equation.get("key"), equation.result.shape)
    return Axes((part,), (whole,))


def _put(equation: Equation) -> Axes:
    x, value = equation.operands
    whole, part = _selection(equation.get("key"), x.shape)
    lengths = tuple(
        len(range(*s.indices(n))) for s, n in zip(equation.get("key"), x.shape, strict=True) if isinstance(s, slice)
    )
    return Axes((whole, _aligned(value.shape, lengths, part)), (whole,))


def _take(equation: Equation) -> Axes:
    x, axis = equation.operands[0], equation.get("axis")
    labels, index = _numbered(x.shape, (axis,)), Axis("index")
    return Axes((labels, (index,)), ((*labels[:axis], index, *labels[axis + 1 :]),))


def _scatter_add(equation: Equation) -> Axes:
    axis = equation.get("axis")
    labels, index = _numbered(equation.result.shape, (axis,)), Axis("index")
    return Axes(((*labels[:axis], index, *labels[axis + 1 :]), (index,)), (labels,), "add")


def _searchsorted(equation: Equation) -> Axes:
    labels = _numbered(equation.result.shape)
    return Axes(((None,) * equation.operands[0].ndim, labels), (labels,))


def _isin(equation: Equation) -> Axes:
    labels = _numbered(equation.result.shape)
    return Axes((labels, (None,) * equation.operands[1].ndim), (labels,))


# ---- creation
def _uniform(equation: Equation) -> Axes:
    return Axes((), (_numbered(equation.result.shape),))


def _arange(equation: Equation) -> Axes:
    # Counted from elsewhere, a floating range would round otherwise.
    return _uniform(equation) if "int" in equation.result.dtype else _opaque(equation)


_BY_KIND: dict[str, Callable[[Equation], Axes]] = {
    "elementwise": _elementwise,
    "cast": _elementwise,
    "reduction": _reduction,
    "scan": _scan,
    "matrix": _matrix,
}

_BY_NAME: dict[str, Callable[[Equation], Axes]] = {
    "broadcast_to": _elementwise,
    "reshape": _reshape,
    "permute_dims": _permute_dims,
    "concat": _along("axis"),
    "flip": _along("axis"),
    "roll": _along("axis"),
    "stack": _stack,
    "tile": _tile,
    "tril": _triangle,
    "triu": _triangle,
    "matmul": _matmul,
    "getitem": _getitem,
    "embed": _embed,
    "put": _put,
    "take": _take,
    "scatter_add": _scatter_add,
    "searchsorted": _searchsorted,
    "isin": _isin,
    "full": _uniform,
    "arange": _arange,
}
