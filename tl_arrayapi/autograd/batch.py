"""Batch, the level of `vmap`: it runs an operation on single examples as one operation on all of them.

A value of this level is a `Batched`: an array of the level below whose first axis runs over the examples, and which
shows the shape of one. What is done to an operation follows from the primitive's kind, not from the primitive: the
axis of the examples is kept in front, and everything else moves one place on.
"""

import math
from typing import Any

from tl_arrayapi.autograd.array import NO_STATIC, Array, Level, StandIn, bind, bottom
from tl_arrayapi.autograd.primitive import Kind, Primitive
from tl_arrayapi.autograd.source import user_line
from tl_arrayapi.autograd.tape import next_number
from tl_arrayapi.errors import NoRuleError, TraceError, WatchedError

__all__ = ["Batch", "Batched"]


class Batched(StandIn):
    """An array whose first axis runs over examples, shown as one of them."""

    __slots__ = ("data",)

    def __init__(self, data: Array) -> None:
        self.data = data

    @property
    def below(self) -> Array:
        """The array of all examples."""
        return self.data

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.data.shape[1:]

    @property
    def ndim(self) -> int:
        """The number of axes of one example."""
        return self.data.ndim - 1

    @property
    def dtype(self) -> Any:
        """The dtype."""
        return self.data.dtype

    @property
    def device(self) -> Any:
        """The device."""
        return self.data.device

    def __repr__(self) -> str:
        return f"{self.data.shape[0]} of shape {self.shape}: {bottom(self.data)!r}"

    def _refuse(self, *_: Any) -> Any:
        raise WatchedError(
            f"under vmap an array has a value for every example, and no single one to branch on or to convert "
            f"({user_line()}): use xp.where, or stack the results of a loop"
        )

    __bool__ = __int__ = __float__ = __complex__ = __index__ = __array__ = __dlpack__ = _refuse


class Batch(Level):
    """Run operations for ``size`` examples at once."""

    __slots__ = ("_open", "size")

    def __init__(self, namespace: Any, size: int) -> None:
        self.number = next_number()
        self.namespace = namespace
        self.ground = namespace.ground
        self.functions = None
        self.nodes = []
        self.size = size
        self._open = True

    def spread(self, data: Any, axis: int) -> Array:
        """Return the examples that lie along ``axis`` of ``data`` as one array of this level."""
        xp = self.namespace
        return self._wrap(xp.moveaxis(xp.lift(data), axis, 0))

    def _wrap(self, data: Array) -> Array:
        # The index says that this array differs between examples: a constant has none.
        return Array(Batched(data), self, 0)

    def gather(self, out: Any, axis: int) -> Array:
        """Return a result as an array of the level below, its examples along ``axis``; what is the same for all is
        repeated.
        """
        xp = self.namespace
        if type(out) is Array and out.level is self and out.index is not None:
            data = out.value.data
        else:
            out = xp.lift(out)
            data = xp.broadcast_to(out, (self.size, *out.shape))
        return xp.moveaxis(data, 0, axis)  # type: ignore[no-any-return]

    def stop(self, array: Array) -> Array:
        """Stop all examples."""
        data = array.value.data if array.index is not None else array.value
        return self._wrap(data.level.stop(data)) if type(data) is Array else array

    def close(self) -> None:
        """Refuse further operations: the function that was mapped has returned."""
        self._open = False

    def describe(self, array: Array) -> str:
        """Say over how many examples an array runs."""
        return f"of {self.size} examples"

    def process(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Run ``primitive`` below, on all examples."""
        if not self._open:
            raise TraceError(
                f"an array is used in {primitive.name} after the mapped function has returned ({user_line()}): "
                f"return it from the function"
            )
        mine = [type(x) is Array and x.level is self for x in operands]
        values = [x.value.data if own else x for x, own in zip(operands, mine, strict=True)]
        # Lifted, so that every operand below has a shape and a namespace's functions.
        values = [x if type(x) is Array else Array(x, self.ground) for x in values]
        rule = _RULES.get(primitive.name) or _BY_KIND.get(primitive.kind)
        if rule is None:
            raise NoRuleError(
                f"{primitive.name} cannot be mapped over examples ({user_line()}): call it outside of vmap, or map "
                f"with a loop"
            )
        return self._wrap(rule(self, primitive, values, mine, static))


def _run(primitive: Primitive, values: Any, static: dict[str, Any] = NO_STATIC) -> Any:
    return bind(primitive, tuple(values), static)


def _ranks(values: list[Any], mine: list[bool]) -> list[int]:
    return [x.ndim - own for x, own in zip(values, mine, strict=True)]


def _aligned(level: Batch, values: list[Any], mine: list[bool], rank: int) -> list[Any]:
    """Give the examples ``rank`` axes, so that they broadcast with one another and with what is the same for all."""
    xp = level.namespace
    found = []
    for x, own in zip(values, mine, strict=True):
        missing = rank - (x.ndim - 1)
        found.append(xp.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:])) if own and missing > 0 else x)
    return found


def _spread_all(level: Batch, values: list[Any], mine: list[bool]) -> list[Any]:
    """Repeat what is the same for all examples, so that every operand has their axis."""
    xp = level.namespace
    return [x if own else xp.broadcast_to(x, (level.size, *x.shape)) for x, own in zip(values, mine, strict=True)]


def _later(axis: int) -> int:
    return axis + 1 if axis >= 0 else axis


def _axes(axis: Any, rank: int) -> Any:
    """Return ``axis`` of one example as axes of all; None is all of one example's."""
    if axis is None:
        return tuple(range(1, rank + 1))
    return tuple(map(_later, axis)) if isinstance(axis, tuple) else _later(axis)


# ---- one rule a kind
def _elementwise(
    level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]
) -> Any:
    return _run(primitive, _aligned(level, values, mine, max(_ranks(values, mine))), static)


def _cast(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, static)


def _reduction(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x,), xp = values, level.namespace
    if static.get("axis") is None and primitive.name in ("argmax", "argmin"):
        flat = _run(primitive, (xp.reshape(x, (level.size, math.prod(x.shape[1:]))),), {"axis": 1})
        return xp.reshape(flat, (level.size, *(1,) * (x.ndim - 1))) if static.get("keepdims") else flat
    return _run(primitive, values, {**static, "axis": _axes(static.get("axis"), x.ndim - 1)})


def _scan(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    axis = static.get("axis")
    axis = (-1 if primitive.name == "argsort" else 1) if axis is None else _later(axis)
    return _run(primitive, values, {**static, "axis": axis})


def _contraction(
    level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]
) -> Any:
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


# ---- one rule a primitive, where the kind does not say enough
def _reshape(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x,), shape = values, static["shape"]
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if -1 in shape:
        known = -math.prod(shape)
        shape = tuple(math.prod(x.shape[1:]) // known if n == -1 else n for n in shape)
    return _run(primitive, values, {**static, "shape": (level.size, *shape)})


def _broadcast_to(
    level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]
) -> Any:
    shape = tuple(static["shape"])
    return _run(primitive, _aligned(level, values, mine, len(shape)), {"shape": (level.size, *shape)})


def _permute_dims(
    level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]
) -> Any:
    rank = values[0].ndim - 1
    return _run(primitive, values, {"axes": (0, *(a % rank + 1 for a in static["axes"]))})


def _moveaxis(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, {name: _axes(axis, 0) for name, axis in static.items()})


def _flip(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, {"axis": _axes(static.get("axis"), values[0].ndim - 1)})


def _expand_dims(
    level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]
) -> Any:
    return _run(primitive, values, {"axis": _axes(static.get("axis", 0), 0)})


def _roll(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x,), xp, axis = values, level.namespace, static.get("axis")
    if axis is None:
        flat = xp.reshape(x, (level.size, math.prod(x.shape[1:])))
        return xp.reshape(_run(primitive, (flat,), {"shift": static["shift"], "axis": 1}), x.shape)
    return _run(primitive, values, {**static, "axis": _axes(axis, 0)})


def _tile(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x,), repetitions = values, tuple(static["repetitions"])
    rank = max(x.ndim - 1, len(repetitions))
    repetitions = (1, *(1,) * (rank - len(repetitions)), *repetitions)
    return _run(primitive, _aligned(level, values, mine, rank), {"repetitions": repetitions})


def _joined(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    xp, axis = level.namespace, static.get("axis", 0)
    values = _spread_all(level, values, mine)
    if axis is None:
        values, axis = [xp.reshape(x, (level.size, math.prod(x.shape[1:]))) for x in values], 0
    return _run(primitive, values, {"axis": _later(axis)})


def _getitem(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, {"key": (slice(None), *static["key"])})


def _embed(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    return _run(primitive, values, {"shape": (level.size, *static["shape"]), "key": (slice(None), *static["key"])})


def _offsets(level: Batch, indices: Any, count: int) -> Any:
    """Return indices into ``size * count`` places, those of example b moved on by b times ``count``; flat."""
    xp = level.namespace
    starts = (
        xp.arange(0, level.size * count, count, dtype=indices.dtype, device=indices.device)
        if count
        else indices[:, 0] * 0
    )
    positive = xp.where(indices < 0, indices + count, indices)
    return xp.reshape(positive + xp.expand_dims(starts, axis=1), (-1,))


def _take(level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]) -> Any:
    (x, indices), xp = values, level.namespace
    rank = x.ndim - mine[0]
    axis = (static.get("axis") or 0) % rank
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


def _scatter_add(
    level: Batch, primitive: Primitive, values: list[Any], mine: list[bool], static: dict[str, Any]
) -> Any:
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


_BY_KIND = {
    Kind.ELEMENTWISE: _elementwise,
    Kind.REDUCTION: _reduction,
    Kind.SCAN: _scan,
    Kind.CONTRACTION: _contraction,
    Kind.CAST: _cast,
}

_RULES = {
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "permute_dims": _permute_dims,
    "moveaxis": _moveaxis,
    "flip": _flip,
    "expand_dims": _expand_dims,
    "squeeze": _expand_dims,
    "roll": _roll,
    "tile": _tile,
    "concat": _joined,
    "stack": _joined,
    "matrix_transpose": _cast,
    "tril": _cast,
    "triu": _cast,
    "getitem": _getitem,
    "embed": _embed,
    "take": _take,
    "scatter_add": _scatter_add,
}
