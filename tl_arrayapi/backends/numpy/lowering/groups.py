"""Groups: long elementwise runs on large arrays, and the reductions that they end in, to be gone through block by
block.

What a block needs stays in the cache, and what nothing else reads is never there as a whole.
"""

from dataclasses import dataclass, field
from math import prod

from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.views import Root, View

__all__ = ["Group", "is_row", "joins"]


@dataclass(eq=False, slots=True)
class Group:
    """The instructions of a run over arrays of ``size`` elements, in rows of ``width`` if any of them asks for rows."""

    size: int
    block: int
    width: int | None = None
    instructions: list[Instruction] = field(default_factory=list)
    made: dict[Root, str] = field(default_factory=dict)
    """The roots that are made in it: ``full``, or a ``column``."""


def joins(group: Group, x: Instruction) -> bool:
    """Add an instruction to a group, if it can go by the same blocks."""
    found = _as_elementwise(group, x) if x.elementwise else _as_reduction(group, x)
    if found is None:
        return False
    group.width, kind = found
    group.instructions.append(x)
    if kind:
        group.made[x.result.root] = kind
    return True


def _as_elementwise(group: Group, x: Instruction) -> tuple[int | None, str] | None:
    """Return the width that the group then has, and how the result goes; None if it cannot."""
    result, width = x.result, group.width
    if not result.whole:
        return None
    kind = "full" if result.size == group.size else "column"
    if kind == "column":
        of_rows = width is not None and result.size * width == group.size
        if not of_rows or all(v.root not in group.made for v in x.operands):
            return None
    for view in x.operands:
        asked = _width(view, result.shape)
        if asked is None or (view.root in group.made and not view.whole):
            return None
        if view.size in (1, result.size):
            continue
        # A row, which goes as a whole, or a column; what is made by blocks is not there as a whole.
        made_row = view.root in group.made and is_row(view, result.shape)
        if kind == "column" or made_row or width not in (None, asked) or not _fits(group, asked, view):
            return None
        width = asked
    return width, kind


def _padded(view: View, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (len(shape) - view.ndim) + view.shape


def is_row(view: View, shape: tuple[int, ...]) -> bool:
    """Say whether a view that is smaller than an array of ``shape`` runs along its last axes, not its first."""
    return next(n == m for n, m in zip(reversed(_padded(view, shape)), reversed(shape), strict=True) if m > 1)


def _width(view: View, shape: tuple[int, ...]) -> int | None:
    """Return the width of rows that makes ``view`` a column of an array of ``shape``, or a row of it; 1 for one number
    and for an array of that size. None for what is neither.
    """
    size = prod(shape)
    if view.size in (1, size):
        return 1 if view.dense else None
    own, rank = _padded(view, shape), len(shape)
    for k in range(1, rank):
        column, row = (*shape[:k], *(1,) * (rank - k)), (*(1,) * k, *shape[k:])
        if view.dense and own in (column, row) and 1 < prod(shape[k:]) < size:
            return prod(shape[k:])
    return None


def _as_reduction(group: Group, x: Instruction) -> tuple[int | None, str] | None:
    """Return the width that the group then has, and how the result goes: empty where it is there after all blocks."""
    if not any(group.made.get(v.root) == "full" for v in x.operands):
        return None
    if any(group.made.get(v.root) == "column" for v in x.operands):
        return None
    if x.op == "dot":
        left, right = x.operands
        if left.ndim == right.ndim == 1 and left.dense and right.dense and left.size == group.size:
            return group.width, ""
        ones, rows = (left, right) if left.ndim == 1 else (right, left)
        if ones.ndim != 1 or rows.ndim != 2 or ones.root.array is None or not rows.dense or rows.size != group.size:
            return None
        width = rows.shape[1]
        return (width, "column" if ones is right else "") if _fits(group, width, rows) else None
    (view,) = x.operands
    axes = x.get("axis")
    if not view.dense or view.size != group.size:
        return None
    if axes is None:
        return group.width, ""
    axes = axes if isinstance(axes, tuple) else (axes,)
    width = prod(view.shape[a] for a in axes)
    last = axes == tuple(range(view.ndim - len(axes), view.ndim))
    return (width, "column") if last and _fits(group, width, view) else None


def _fits(group: Group, width: int, view: View) -> bool:
    """Say whether the group can go by rows of ``width``, several to a block."""
    return width == (group.width or width) and 1 < width <= group.block // (2 * view.root.itemsize)
