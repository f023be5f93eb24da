"""Groups: long elementwise runs on large arrays, and the reductions that they end in, gone through block by block.

What a block needs stays in the cache, and what nothing else reads is never there as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy

from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.steps import Blocks, Step
from tl_arrayapi.backends.numpy.lowering.views import Root, View, array, natural, reshaped

__all__ = ["BLOCK", "LARGE", "grouped"]

LARGE = 1 << 19
"""Bytes of a result from which it is worth to go by blocks: several of these do not fit a core's cache."""

BLOCK = 1 << 17
"""Bytes of a block: several of these fit a core's cache, and what they take is far more than a call of NumPy does."""

_HEAVY = {"call", "dot", "matmul", "reduce", "scatter", "take"}
"""What ends a run: nothing is moved across these, so that no array lives longer than it did."""

_REDUCTIONS = {"dot", "reduce"}

_LOOKED_AT = 4
"""The most groups before the last product that are looked at for a place."""


def grouped(instructions: Sequence[Instruction], large: int = LARGE, block: int = BLOCK) -> list[Step]:
    """Return the steps of a program whose ``instructions`` are in an order in which they can run.

    Results of ``large`` bytes go by blocks of ``block`` bytes.
    """
    schedule = _Schedule(large, block)
    for instruction in instructions:
        schedule.add(instruction)
    return [step for slot in schedule.slots for step in slot.steps()]


@dataclass(eq=False, slots=True)
class _Group:
    """The instructions of a run over arrays of ``size`` elements, in rows of ``width`` if any of them asks for rows."""

    size: int
    block: int
    width: int | None = None
    instructions: list[Instruction] = field(default_factory=list)
    made: dict[Root, str] = field(default_factory=dict)
    """The roots that are made in it: ``full``, or a ``column``."""


@dataclass(eq=False, slots=True)
class _Slot:
    """A place in the order: an instruction or a group, then small things that come right after."""

    main: "Instruction | _Group | None"
    after: list[Instruction] = field(default_factory=list)

    def steps(self) -> list[Step]:
        """Return what runs here."""
        if self.main is None:
            return [Step([x]) for x in self.after]
        if isinstance(self.main, Instruction):
            return [Step([x]) for x in (self.main, *self.after)]
        return [*_blocked(self.main), *(Step([x]) for x in self.after)]


class _Schedule:
    """The slots so far, and the slot after which each root can be read."""

    def __init__(self, large: int, block: int) -> None:
        self._large, self._block = large, block
        self.slots = [_Slot(None)]
        self._ready: dict[Root, int] = {}
        self._open: dict[int, list[int]] = {}
        """The slots of the groups that may still grow, by the size of their arrays."""
        self._closed: dict[int, list[int]] = {}
        """The slots of the others."""

    def add(self, x: Instruction) -> None:
        """Put an instruction into a slot."""
        # One number is computed as soon as it can be; and bytes are, so that what they are made of need not be kept.
        early = x.elementwise and not x.shared and (x.result.size <= 1 or x.result.root.itemsize == 1)
        place = self._of_group(x, early)
        if place is None:
            ready = max((self._ready.get(v.root, 0) for v in x.operands), default=0)
            if early:
                place = ready
                self.slots[place].after.append(x)
            else:
                if x.op in _HEAVY and any(v.root.nbytes >= self._large for v in (*x.operands, *x.results)):
                    self._close()
                place = len(self.slots)
                self.slots.append(_Slot(x))
        for view in x.results:
            self._ready[view.root] = max(place, self._ready.get(view.root, 0))

    def _close(self) -> None:
        for size, places in self._open.items():
            self._closed.setdefault(size, []).extend(places)
        self._open.clear()

    def _of_group(self, x: Instruction, early: bool) -> int | None:
        if x.shared or len(x.results) != 1:
            return None
        if x.op in _REDUCTIONS:
            sizes = {v.size for v in x.operands}
        elif x.elementwise:
            sizes = {x.result.size, *(v.size for v in x.operands)}
        else:
            return None
        for size in sizes:
            places = self._open.get(size, [])[::-1]
            if early:
                places = self._closed.get(size, [])[-_LOOKED_AT:] + places[::-1]
            for place in places:
                group = self.slots[place].main
                assert isinstance(group, _Group)
                ready = all(v.root in group.made or self._ready.get(v.root, -1) < place for v in x.operands)
                if ready and _joins(group, x):
                    return place
        if x.elementwise and x.result.root.nbytes >= self._large and x.result.whole:
            group = _Group(x.result.size, self._block)
            if _joins(group, x):
                place = len(self.slots)
                self.slots.append(_Slot(group))
                self._open.setdefault(group.size, []).append(place)
                return place
        return None


def _joins(group: _Group, x: Instruction) -> bool:
    """Add an instruction to a group, if it can go by the same blocks."""
    found = _as_elementwise(group, x) if x.elementwise else _as_reduction(group, x)
    if found is None:
        return False
    group.width, kind = found
    group.instructions.append(x)
    if kind:
        group.made[x.result.root] = kind
    return True


def _as_elementwise(group: _Group, x: Instruction) -> tuple[int | None, str] | None:
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
        made_row = view.root in group.made and _is_row(view, result.shape)
        if kind == "column" or made_row or width not in (None, asked) or not _fits(group, asked, view):
            return None
        width = asked
    return width, kind


def _padded(view: View, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (len(shape) - view.ndim) + view.shape


def _is_row(view: View, shape: tuple[int, ...]) -> bool:
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


def _as_reduction(group: _Group, x: Instruction) -> tuple[int | None, str] | None:
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


def _fits(group: _Group, width: int, view: View) -> bool:
    """Say whether the group can go by rows of ``width``, several to a block."""
    return width == (group.width or width) and 1 < width <= group.block // (2 * view.root.itemsize)


# ---- writing
def _blocked(group: _Group) -> list[Step]:
    """Return a group as a step by blocks, and the steps that gather what its reductions leave; or as single steps where
    blocks save nothing.
    """
    itemsize = max(numpy.dtype(v.dtype).itemsize for x in group.instructions for v in x.results)
    width = group.width or 1
    blocks = Blocks(group.size, width, max(group.block // (itemsize * width), 1))
    if len(group.instructions) == 1 or blocks.count < 2:
        return [Step([x]) for x in group.instructions]
    columns = {root for root, kind in group.made.items() if kind == "column"}
    inside: list[Instruction] = []
    after: list[Step] = []
    for x in group.instructions:
        if x.elementwise:
            inside.append(_elementwise_block(blocks, x, columns))
        else:
            inside.append(_reduction_block(blocks, x, columns, after))
    return [Step(inside, blocks), *after]


def _elementwise_block(blocks: Blocks, x: Instruction, columns: set[Root]) -> Instruction:
    kind = "column" if x.result.root in columns else "full"
    operands = [_operand(blocks, v, x.result.shape, kind) for v in x.operands]
    result = _column(blocks, x.result, 2) if kind == "column" else _full(blocks, x.result)
    return replace(x, operands=tuple(operands), results=(result,))


def _operand(blocks: Blocks, view: View, shape: tuple[int, ...], kind: str) -> View:
    if view.size == 1:
        return _shaped(view, ())
    if kind == "full" and view.size == blocks.size:
        return _full(blocks, view)
    if kind == "full" and _is_row(view, shape):
        return _shaped(view, (blocks.width,))
    return _column(blocks, view, 2)


def _reduction_block(blocks: Blocks, x: Instruction, columns: set[Root], after: list[Step]) -> Instruction:
    rowwise = x.result.root in columns
    if x.op == "dot":
        left, right = x.operands
        if left.ndim == right.ndim:
            operands = tuple(_full(blocks, v, flat=True) for v in x.operands)
        elif rowwise:
            operands = _full(blocks, left), right
        else:
            # Ones that go by blocks are not those that another sum may have as a whole.
            ones = natural(Root(left.shape, left.dtype, array=array(left)))
            operands = _column(blocks, ones, 1), _full(blocks, right)
    else:
        operands = (_full(blocks, x.operands[0], flat=not rowwise),)
    changed = {"axis": 1 if rowwise else None, "keepdims": False}
    static = tuple((k, changed.get(k, v)) for k, v in x.static)
    if rowwise:
        return replace(x, operands=operands, results=(_column(blocks, x.result, 1),), static=static)
    # One entry a block, and a reduction of these in the end.
    shape = x.result.root.shape if x.op == "reduce" else x.result.shape
    entry = () if prod(shape) == 1 else (prod(shape),)
    partials = natural(Root((blocks.count, *entry), x.result.dtype))
    blocks.partials.add(partials)
    name = x.name if x.op == "reduce" else "add.reduce"
    gather = (("axis", 0), ("dtype", x.get("dtype")), ("keepdims", False))
    last = Instruction("reduce", name, (partials,), (_shaped(x.result, entry),), x.equation, gather)
    after.append(Step([last]))
    return replace(x, operands=operands, results=(partials,), static=static)


def _full(blocks: Blocks, view: View, flat: bool = False) -> View:
    shape = (blocks.size,) if flat or blocks.width == 1 else (blocks.size // blocks.width, blocks.width)
    found = _shaped(view, shape)
    blocks.full.add(found)
    return found


def _column(blocks: Blocks, view: View, ndim: int) -> View:
    found = _shaped(view, (blocks.size // blocks.width, 1)[:ndim])
    blocks.columns.add(found)
    return found


def _shaped(view: View, shape: tuple[int, ...]) -> View:
    found = reshaped(view, shape)
    assert found is not None  # What goes by blocks is dense.
    return found
