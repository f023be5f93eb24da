"""Zeros: sums with zeros, which are exact but for the sign of a zero.

What is chosen on one side of a condition, and what on the other, each with zeros in the other's place, is one choice.
Arrays that are put in zeros side by side, as the gradients of an array's slices are, are joined instead.
"""

from dataclasses import dataclass

from tl_arrayapi.graph.graph import Atom, Equation, Literal, Var
from tl_arrayapi.graph.passes.base import Rewriting, Walk
from tl_arrayapi.graph.passes.numbers import is_float

__all__ = ["zeros"]

zeros = Rewriting("zeros", exact=False, about="Do without zeros that are added.")

_MOST_TERMS = 16


def _is_zero(x: Atom) -> bool:
    return isinstance(x, Literal) and x.value == 0


@zeros.rule("add", "subtract")
def _plus_zero(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if not x.dtype == y.dtype == result.dtype or not is_float(x.dtype):
        return None
    if _is_zero(y) and x.shape == result.shape:
        return x
    if _is_zero(x) and y.shape == result.shape:
        return y if e.name == "add" else walk.elementwise("negative", y, like=e)
    return None


@zeros.rule("negative")
def _difference_turned(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    maker = walk.made(x, "subtract") if walk.is_single(x) else None
    if maker is None or not is_float(x.dtype) or any(y.dtype != x.dtype for y in maker.operands):
        return None
    return walk.elementwise("subtract", *maker.operands[::-1], like=e)


@zeros.rule("add")
def _two_sides(walk: Walk, e: Equation) -> Atom | None:
    """Rewrite where(c, x, 0) + where(c, 0, y) to where(c, x, y)."""
    makers = [walk.made(x, "where") for x in e.operands]
    first, second = makers
    if first is None or second is None or first.operands[0] != second.operands[0]:
        return None
    if _is_zero(first.operands[1]):
        first, second = second, first
    condition, x, gone = first.operands
    _, lost, y = second.operands
    result = e.results[0]
    if not (_is_zero(gone) and _is_zero(lost)) or x.dtype != y.dtype or x.dtype != result.dtype:
        return None
    return walk.emit("where", (condition, x, y), result.shape, e)


# ---- arrays in zeros
@dataclass(frozen=True, slots=True)
class _Box:
    """An array that is put in zeros, from ``starts`` on along each axis."""

    x: Atom
    starts: tuple[int, ...]


@zeros.rule("add")
def _side_by_side(walk: Walk, e: Equation) -> Atom | None:
    # Terms further in were looked at when they were added.
    if not is_float(e.results[0].dtype) or not any(walk.made(x, "embed") for x in e.operands):
        return None
    terms = _terms(walk, e.operands)
    makers = [walk.made(x, "embed") if walk.is_single(x) else None for x in terms]
    embedded = [maker for maker in makers if maker is not None and _is_dense(maker)]
    if len(embedded) < 2:
        return None
    shape = e.results[0].shape
    boxes = [_box(walk, maker) for maker in embedded]
    joined = boxes
    for axis in reversed(range(len(shape))):
        joined = _joined(walk, joined, axis, e)
    if len(joined) == len(boxes):
        return None
    found = [x for x, maker in zip(terms, makers, strict=True) if maker not in embedded or maker is None]
    for box in joined:
        key = tuple([slice(start, start + n, 1) for start, n in zip(box.starts, box.x.shape, strict=True)])
        full = box.x.shape == shape
        found.append(box.x if full else walk.emit("embed", (box.x,), shape, e, kind="indexing", shape=shape, key=key))
    total = found[0]
    for x in found[1:]:
        total = walk.elementwise("add", total, x, like=e)
    return total


def _terms(walk: Walk, operands: tuple[Atom, ...]) -> list[Atom]:
    """Return the terms of a sum, as far as nothing else needs their partial sums, and not more than some."""
    found: list[Atom] = []
    todo = list(operands[::-1])
    while todo:
        x = todo.pop()
        maker = walk.made(x, "add") if walk.is_single(x) and len(found) + len(todo) < _MOST_TERMS else None
        if maker is None or any(y.shape != x.shape for y in maker.operands):
            found.append(x)
        else:
            todo += maker.operands[::-1]
    return found


def _is_dense(e: Equation) -> bool:
    return all(not isinstance(k, slice) or k.step == 1 for k in e.get("key"))


def _box(walk: Walk, e: Equation) -> _Box:
    key = e.get("key")
    shape = tuple([len(range(k.start, k.stop)) if isinstance(k, slice) else 1 for k in key])
    x = _reshaped(walk, e.operands[0], shape, e)
    return _Box(x, tuple([k.start if isinstance(k, slice) else k for k in key]))


def _reshaped(walk: Walk, x: Atom, shape: tuple[int, ...], like: Equation) -> Atom:
    if x.shape == shape:
        return x
    return walk.emit("reshape", (x,), shape, like, kind="movement", result_dtype=x.dtype, shape=shape)


def _joined(walk: Walk, boxes: list[_Box], axis: int, e: Equation) -> list[_Box]:
    """Join boxes that lie next to one another along an axis, and are alike along the others."""
    rows: dict[tuple[tuple[int, int], ...], list[_Box]] = {}
    for box in boxes:
        others = tuple([part for i, part in enumerate(zip(box.starts, box.x.shape, strict=True)) if i != axis])
        rows.setdefault(others, []).append(box)
    found = []
    for row in rows.values():
        row.sort(key=lambda box: box.starts[axis])
        runs = [[row[0]]]
        for box in row[1:]:
            last = runs[-1][-1]
            if box.starts[axis] == last.starts[axis] + last.x.shape[axis]:
                runs[-1].append(box)
            else:
                runs.append([box])
        found += [_run(walk, run, axis, e) for run in runs]
    return found


def _run(walk: Walk, run: list[_Box], axis: int, e: Equation) -> _Box:
    first = run[0].x
    if len(run) == 1:
        return run[0]
    shape = list(first.shape)
    shape[axis] = sum(box.x.shape[axis] for box in run)
    parts = [box.x for box in run]
    x = walk.emit("concat", parts, shape, e, kind="movement", result_dtype=first.dtype, axis=axis)
    assert isinstance(x, Var)
    return _Box(x, run[0].starts)
