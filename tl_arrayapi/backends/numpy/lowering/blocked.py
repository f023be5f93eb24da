"""A group as a step: its instructions on what goes by blocks, flat or in rows, and on what is there as a whole."""

from dataclasses import replace
from math import prod

import numpy

from tl_arrayapi.backends.numpy.lowering.groups import Group, is_row
from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.steps import Blocks, Step
from tl_arrayapi.backends.numpy.lowering.views import Root, View, array, natural, reshaped

__all__ = ["blocked", "blocks_of"]


def blocks_of(group: Group) -> Blocks:
    """Return the blocks that a group goes by."""
    itemsize = max(numpy.dtype(v.dtype).itemsize for x in group.instructions for v in x.results)
    width = group.width or 1
    return Blocks(group.size, width, max(group.block // (itemsize * width), 1))


def blocked(group: Group) -> list[Step]:
    """Return a group as a step by blocks, and the steps that gather what its reductions leave; or as single steps where
    blocks save nothing.
    """
    if len(group.instructions) < 2 or (blocks := blocks_of(group)).count < 2:
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
    if kind == "full" and is_row(view, shape):
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
