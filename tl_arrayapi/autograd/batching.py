"""The batching rules: how an operation on one example becomes one operation on all of them.

A rule is called as ``rule(level, primitive, values, mine, static)``: ``values`` are Arrays of the level below, ``mine``
says which of them have the axis of the examples, in front. It returns the result, with that axis in front. There is one
rule for each kind of primitive, and one for each primitive whose kind does not say enough.
"""

import math
from collections.abc import Callable
from typing import Any

from tl_arrayapi.autograd.array import NO_STATIC, bind
from tl_arrayapi.autograd.axes import from_front
from tl_arrayapi.autograd.primitive import Kind, Primitive
from tl_arrayapi.errors import ShapeError

__all__ = ["BY_KIND", "BY_NAME", "Rule"]

Rule = Callable[[Any, Primitive, list[Any], list[bool], dict[str, Any]], Any]


def _run(primitive: Primitive, values: Any, static: dict[str, Any] = NO_STATIC) -> Any:
    return bind(primitive, tuple(values), static)


def _ranks(values: list[Any], mine: list[bool]) -> list[int]:
    return [len(x.shape) - own for x, own in zip(values, mine, strict=True)]


def _aligned(level: Any, values: list[Any], mine: list[bool], rank: int) -> list[Any]:
    """Give the examples ``rank`` axes, so that they broadcast with one another and with what is the same for all."""
    xp = level.namespace
    found = []
    for x, own in zip(values, mine, strict=True):
        missing = rank - (x.ndim - 1)
        found.append(xp.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:])) if own and missing > 0 else x)
    return found


def _spread_all(level: Any, values: list[Any], mine: list[bool]) -> list[Any]:
    """Repeat what is the same for all examples, so that every operand has their axis."""
    xp = level.namespace
    return [x if own else xp.broadcast_to(x, (level.size, *x.shape)) for x, own in zip(values, mine, strict=True)]


def _later(axis: int, rank: int) -> int:
    """Return ``axis`` of one example, of ``rank`` axes, as an axis of all.

    One that is not there is refused: the library would find an axis in its place, that of the examples.
    """
    return from_front(axis, rank, "an example under vmap") + 1


def _axes(axis: Any, rank: int) -> Any:
    """Return ``axis`` of one example as axes of all; None is all of one example's."""
    if axis is None:
        return tuple(range(1, rank + 1))
    return tuple(_later(a, rank) for a in axis) if isinstance(axis, tuple) else _later(axis, rank)


# ---- one rule a kind
def _elementwise(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    ranks = _ranks(values, mine)
    if len(set(ranks)) > 1:
        values = _aligned(level, values, mine, max(ranks))
    return _run(primitive, values, static)


def _cast(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, static)


def _reduction(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x,), xp = values, level.namespace
    if static.get("axis") is None and primitive.name in ("argmax", "argmin"):
        flat = _run(primitive, (xp.reshape(x, (level.size, math.prod(x.shape[1:]))),), {"axis": 1})
        return xp.reshape(flat, (level.size, *(1,) * (x.ndim - 1))) if static.get("keepdims") else flat
    return _run(primitive, values, {**static, "axis": _axes(static.get("axis"), x.ndim - 1)})


def _scan(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    axis = static.get("axis")
    axis = (-1 if primitive.name == "argsort" else 0) if axis is None else axis
    return _run(primitive, values, {**static, "axis": _later(axis, values[0].ndim - 1)})


def _contraction(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    x, y = values
    xp, (rank1, rank2) = level.namespace, _ranks(values, mine)
    if mine[0] and not mine[1] and rank1 == 1:
        return xp.matmul(x, y) if rank2 < 3 else _vector_times_stack(xp, x, y)
    if mine[1] and not mine[0] and rank2 == 1:
        if rank1 == 1:
            return xp.matmul(y, x)
        return xp.matmul(y, xp.matrix_transpose(x)) if rank1 == 2 else _stack_times_vector(xp, x, y)
    # Vectors become matrices of one row or column, as the standard has it, and lose that axis again.
    if rank1 == 1:
        x = xp.expand_dims(x, axis=-2)
    if rank2 == 1:
        y = xp.expand_dims(y, axis=-1)
    x, y = _aligned(level, [x, y], mine, max(rank1, rank2, 2))
    out = xp.matmul(x, y)
    if rank2 == 1:
        out = xp.squeeze(out, axis=-1)
    if rank1 == 1:
        out = xp.squeeze(out, axis=-1 if rank2 == 1 else -2)
    return out


def _vector_times_stack(xp: Any, x: Any, y: Any) -> Any:
    return xp.squeeze(xp.matmul(xp.reshape(x, (x.shape[0], *(1,) * (y.ndim - 2), 1, x.shape[1])), y), axis=-2)


def _stack_times_vector(xp: Any, x: Any, y: Any) -> Any:
    return xp.squeeze(xp.matmul(x, xp.reshape(y, (y.shape[0], *(1,) * (x.ndim - 2), y.shape[1], 1))), axis=-1)


def _matrix(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    """Stacks of matrices are the last two axes of anything: the examples are one more axis of the stack."""
    ranks = _ranks(values, mine)
    if min(ranks) < 2:
        shapes = ", ".join(str(x.shape[own:]) for x, own in zip(values, mine, strict=True))
        raise ShapeError(f"{primitive.name} takes matrices; under vmap, one example has the shape {shapes}")
    return _run(primitive, _aligned(level, values, mine, max(ranks)), static)


def _transform(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    """Move the axes on: ``axis`` is the last by default, and ``axes`` all, or as many of the last as ``s`` has."""
    rank = values[0].ndim - 1
    if primitive.name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
        return _run(primitive, values, {**static, "axis": _later(static.get("axis", -1), rank)})
    axes, s = static.get("axes"), static.get("s")
    if axes is None:
        axes = tuple(range(-(rank if s is None else len(s)), 0))
    elif not isinstance(axes, int):
        axes = tuple(axes)
    return _run(primitive, values, {**static, "axes": _axes(axes, rank)})


# ---- one rule a primitive, where the kind does not say enough
def _reshape(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x,), shape = values, static["shape"]
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if -1 in shape:
        known = -math.prod(shape)
        shape = tuple(math.prod(x.shape[1:]) // known if n == -1 else n for n in shape)
    return _run(primitive, values, {**static, "shape": (level.size, *shape)})


def _broadcast_to(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    shape = tuple(static["shape"])
    return _run(primitive, _aligned(level, values, mine, len(shape)), {"shape": (level.size, *shape)})


def _permute_dims(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    rank = values[0].ndim - 1
    return _run(primitive, values, {"axes": (0, *(_later(a, rank) for a in static["axes"]))})


def _moveaxis(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, {name: _axes(axis, values[0].ndim - 1) for name, axis in static.items()})


def _flip(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, {"axis": _axes(static.get("axis"), values[0].ndim - 1)})


def _expand_dims(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    axis = static.get("axis", 0)
    rank = values[0].ndim - 1 + (len(axis) if isinstance(axis, tuple) else 1)
    return _run(primitive, values, {"axis": _axes(axis, rank)})


def _roll(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x,), xp, axis = values, level.namespace, static.get("axis")
    if axis is None:
        flat = xp.reshape(x, (level.size, math.prod(x.shape[1:])))
        return xp.reshape(_run(primitive, (flat,), {"shift": static["shift"], "axis": 1}), x.shape)
    return _run(primitive, values, {**static, "axis": _axes(axis, x.ndim - 1)})


def _tile(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x,), repetitions = values, static["repetitions"]
    repetitions = (repetitions,) if isinstance(repetitions, int) else tuple(repetitions)
    rank = max(x.ndim - 1, len(repetitions))
    repetitions = (1, *(1,) * (rank - len(repetitions)), *repetitions)
    return _run(primitive, _aligned(level, values, mine, rank), {"repetitions": repetitions})


def _joined(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    xp, axis = level.namespace, static.get("axis", 0)
    values = _spread_all(level, values, mine)
    if axis is None:
        values, axis = [xp.reshape(x, (level.size, math.prod(x.shape[1:]))) for x in values], 0
    return _run(primitive, values, {"axis": _later(axis, values[0].ndim - (primitive.name == "concat"))})


def _getitem(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, {"key": (slice(None), *static["key"])})


def _embed(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, {"shape": (level.size, *static["shape"]), "key": (slice(None), *static["key"])})


def _put(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x, value), key = values, static["key"]
    if not mine[0]:
        x = level.namespace.broadcast_to(x, (level.size, *x.shape))
    rank = x.ndim - 1 - sum(isinstance(part, int) for part in key)
    (value,) = _aligned(level, [value], mine[1:], rank)
    return _run(primitive, (x, value), {"key": (slice(None), *key)})


def _writers(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (indices,), xp, count = values, level.namespace, static["count"]
    found = _run(primitive, (_offsets(level, indices, count),), {"count": level.size * count})
    found = xp.reshape(found, (level.size, count))
    starts = xp.arange(level.size, dtype=found.dtype, device=found.device) * indices.shape[1]
    return xp.where(found < 0, found, found - xp.expand_dims(starts, axis=1))


def _offsets(level: Any, indices: Any, count: int) -> Any:
    """Return indices into ``size * count`` places, those of example b moved on by b times ``count``; flat."""
    xp = level.namespace
    starts = xp.arange(level.size, dtype=indices.dtype, device=indices.device) * count
    positive = xp.where(indices < 0, indices + count, indices)
    return xp.reshape(positive + xp.expand_dims(starts, axis=1), (-1,))


def _take(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x, indices), xp = values, level.namespace
    rank = x.ndim - mine[0]
    axis = _later(static.get("axis") or 0, rank) - 1
    if not mine[1]:
        return _run(primitive, values, {"axis": axis + 1})
    if not mine[0]:
        taken = xp.take(x, xp.reshape(indices, (-1,)), axis=axis)
        shape = (*x.shape[:axis], level.size, indices.shape[1], *x.shape[axis + 1 :])
        return xp.moveaxis(xp.reshape(taken, shape), axis, 0)
    x = xp.moveaxis(x, axis + 1, 1)
    count, rest = x.shape[1], x.shape[2:]
    taken = xp.take(xp.reshape(x, (level.size * count, *rest)), _offsets(level, indices, count), axis=0)
    return xp.moveaxis(xp.reshape(taken, (level.size, indices.shape[1], *rest)), 1, axis + 1)


def _scatter_add(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    xp, shape, axis = level.namespace, static["shape"], static["axis"]
    if not mine[1]:
        return _run(primitive, values, {"shape": (level.size, *shape), "axis": axis + 1})
    updates, indices = _spread_all(level, values, mine)
    updates = xp.moveaxis(updates, axis + 1, 1)
    count, rest = shape[axis], updates.shape[2:]
    flat = xp.reshape(updates, (level.size * updates.shape[1], *rest))
    static = {"shape": (level.size * count, *rest), "axis": 0}
    added = _run(primitive, (flat, _offsets(level, indices, count)), static)
    return xp.moveaxis(xp.reshape(added, (level.size, count, *rest)), 1, axis + 1)


def _pairs(level: Any, values: list[Any], mine: list[bool]) -> tuple[Any, Any]:
    """Return both operands of each example in a row, the first along axis 1 and the second along axis 2: what compares
    them compares each element with each.
    """
    xp = level.namespace
    x, y = (xp.reshape(v, (level.size, math.prod(v.shape[1:]))) for v in _spread_all(level, values, mine))
    return xp.expand_dims(x, axis=2), xp.expand_dims(y, axis=1)


def _isin(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    if not mine[1]:
        return _run(primitive, values, static)
    xp, shape = level.namespace, values[0].shape if mine[0] else (level.size, *values[0].shape)
    x, others = _pairs(level, values, mine)
    found = xp.reshape(xp.any(x == others, axis=2), shape)
    return xp.logical_not(found) if static.get("invert") else found


def _searchsorted(level: Any, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    if not mine[0]:
        return _run(primitive, values, static)
    xp, shape = level.namespace, values[1].shape if mine[1] else (level.size, *values[1].shape)
    x, wanted = _pairs(level, values, mine)
    before = x <= wanted if static.get("side") == "right" else x < wanted
    return xp.reshape(xp.count_nonzero(before, axis=1), shape)


BY_KIND: dict[Kind, Rule] = {
    Kind.ELEMENTWISE: _elementwise,
    Kind.REDUCTION: _reduction,
    Kind.SCAN: _scan,
    Kind.CONTRACTION: _contraction,
    Kind.CAST: _cast,
    Kind.MATRIX: _matrix,
    Kind.TRANSFORM: _transform,
}

BY_NAME: dict[str, Rule] = {
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "permute_dims": _permute_dims,
    "moveaxis": _moveaxis,
    "flip": _flip,
    "expand_dims": _expand_dims,
    "squeeze": _flip,
    "roll": _roll,
    "tile": _tile,
    "concat": _joined,
    "stack": _joined,
    "matrix_transpose": _matrix,
    "tril": _matrix,
    "triu": _matrix,
    "getitem": _getitem,
    "embed": _embed,
    "put": _put,
    "writers": _writers,
    "take": _take,
    "scatter_add": _scatter_add,
    "isin": _isin,
    "searchsorted": _searchsorted,
}
