"""Canonical forms: the few functions and the full static arguments that a traced program is written in.

Functions that only change the shape become ``reshape`` and ``permute_dims``; axes are nonnegative; keys have an entry
for every axis. A form is called as ``form(tracer, primitive, values, static)`` and returns one traced value; where
there is nothing to do it is the operand.
"""

import math
from collections.abc import Callable
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, Primitive
from tl_arrayapi.errors import ArgumentError, ShapeError
from tl_arrayapi.graph.shapes import infer_shapes

__all__ = ["CANONICAL"]

_Form = Callable[[Any, Primitive, list[Any], dict[str, Any]], Any]


def _positive(axis: int, rank: int, name: str) -> int:
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise ArgumentError(f"{name} has no axis {axis}: the operand has {rank} axes")
    return axis % rank


def _positives(axis: Any, rank: int, name: str) -> tuple[int, ...]:
    axes = tuple(range(rank)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    return tuple(_positive(a, rank, name) for a in axes)


def _shape_of(primitive: Primitive, x: Any, static: dict[str, Any]) -> tuple[int, ...]:
    (shape,) = infer_shapes(primitive.name, primitive.kind.value, [x.shape], static)
    return shape


def _reshaped(tracer: Any, x: Any, shape: tuple[int, ...]) -> Any:
    if shape == x.shape:
        return x
    return tracer.emit("reshape", Kind.MOVEMENT.value, [x], {"shape": shape}, [(shape, x.dtype)])[0]


def _permuted(tracer: Any, x: Any, axes: tuple[int, ...]) -> Any:
    if axes == tuple(range(x.ndim)):
        return x
    shape = tuple(x.shape[a] for a in axes)
    return tracer.emit("permute_dims", Kind.MOVEMENT.value, [x], {"axes": axes}, [(shape, x.dtype)])[0]


def _reshape(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    return _reshaped(tracer, x, _shape_of(primitive, x, {k: v for k, v in static.items() if k != "copy"}))


def _permute_dims(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    axes = tuple(static["axes"])
    _shape_of(primitive, x, {"axes": axes})
    return _permuted(tracer, x, _positives(axes, x.ndim, "permute_dims"))


def _matrix_transpose(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose takes an array of at least two axes; got shape {x.shape}")
    rank = x.ndim
    return _permuted(tracer, x, (*range(rank - 2), rank - 1, rank - 2))


def _moveaxis(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    source = _positives(static["source"], x.ndim, "moveaxis")
    destination = _positives(static["destination"], x.ndim, "moveaxis")
    if len(source) != len(destination):
        raise ArgumentError(f"moveaxis moves {len(source)} axes to {len(destination)} places: give as many of each")
    axes = [a for a in range(x.ndim) if a not in source]
    for to, a in sorted(zip(destination, source, strict=True)):
        axes.insert(to, a)
    return _permuted(tracer, x, tuple(axes))


def _flip(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    axes = tuple(sorted(_positives(static.get("axis"), x.ndim, "flip")))
    return tracer.write(primitive, values, {"axis": axes})[0] if axes else x


def _roll(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    shift, axis = static["shift"], static.get("axis")
    if axis is None:
        flat = _reshaped(tracer, x, (math.prod(x.shape),))
        rolled = tracer.write(primitive, [flat], {"shift": (int(shift),), "axis": (0,)})[0]
        return _reshaped(tracer, rolled, x.shape)
    axes = _positives(axis, x.ndim, "roll")
    shifts = tuple(shift) if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    return tracer.write(primitive, values, {"shift": shifts, "axis": axes})[0]


def _tile(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    repetitions = static["repetitions"]
    repetitions = (repetitions,) if isinstance(repetitions, int) else tuple(repetitions)
    return tracer.write(primitive, values, {"repetitions": repetitions})[0]


def _triangle(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    return tracer.write(primitive, values, {"k": static.get("k", 0)})[0]


def _broadcast_to(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    shape = static["shape"]
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return x if shape == x.shape else tracer.write(primitive, values, {"shape": shape})[0]


def _concat(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    axis = static.get("axis", 0)
    if axis is None:
        values, axis = [_reshaped(tracer, x, (math.prod(x.shape),)) for x in values], 0
    return tracer.write(primitive, values, {"axis": _positive(axis, values[0].ndim, "concat")})[0]


def _stack(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    return tracer.write(primitive, values, {"axis": _positive(static.get("axis", 0), values[0].ndim + 1, "stack")})[0]


def _reduction(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    axes = tuple(sorted(_positives(static.get("axis"), x.ndim, primitive.name)))
    kept = {"axis": axes, "keepdims": bool(static.get("keepdims", False))}
    if static.get("dtype") is not None:
        kept["dtype"] = static["dtype"]
    return tracer.write(primitive, values, kept)[0]


def _extremum_place(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    axis = static.get("axis")
    axis = None if axis is None else _positive(axis, x.ndim, primitive.name)
    return tracer.write(primitive, values, {"axis": axis, "keepdims": bool(static.get("keepdims", False))})[0]


def _scan(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    axis = static.get("axis")
    axis = (-1 if primitive.name == "argsort" else 0) if axis is None else axis
    if static.get("axis") is None and primitive.name != "argsort" and x.ndim != 1:
        raise ArgumentError(f"{primitive.name} of an array of {x.ndim} axes needs an axis")
    kept = {k: v for k, v in static.items() if v is not None} | {"axis": _positive(axis, x.ndim, primitive.name)}
    return tracer.write(primitive, values, kept)[0]


def _full_key(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return ``key`` with a nonnegative integer, or a slice of three integers, for every axis."""
    items = list(key)
    if any(part is Ellipsis for part in items):
        at = next(i for i, part in enumerate(items) if part is Ellipsis)
        items[at : at + 1] = [slice(None)] * (len(shape) - len(items) + 1)
    items += [slice(None)] * (len(shape) - len(items))
    found: list[Any] = []
    for axis, (part, n) in enumerate(zip(items, shape, strict=True)):
        if isinstance(part, slice):
            start, stop, step = part.indices(n)
            found.append(slice(start, max(start, stop), step))
        elif -n <= part < n:
            found.append(part % n)
        else:
            raise IndexError(f"index {part} is outside of axis {axis}, of {n} elements")
    return tuple(found)


def _is_whole(key: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    return all(part == slice(0, n, 1) for part, n in zip(key, shape, strict=True))


def _getitem(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    key = _full_key(static["key"], x.shape)
    return x if _is_whole(key, x.shape) else tracer.write(primitive, values, {"key": key})[0]


def _embed(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    shape = tuple(static["shape"])
    key = _full_key(static["key"], shape)
    return values[0] if _is_whole(key, shape) else tracer.write(primitive, values, {"shape": shape, "key": key})[0]


def _put(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    return tracer.write(primitive, values, {"key": _full_key(static["key"], values[0].shape)})[0]


def _take(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    x = values[0]
    axis = static.get("axis")
    if axis is None and x.ndim != 1:
        raise ArgumentError(f"take from an array of {x.ndim} axes needs an axis")
    return tracer.write(primitive, values, {"axis": 0 if axis is None else _positive(axis, x.ndim, "take")})[0]


def _scatter_add(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    shape = tuple(static["shape"])
    axis = _positive(static["axis"], len(shape), "scatter_add")
    return tracer.write(primitive, values, {"shape": shape, "axis": axis})[0]


def _astype(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    (x,) = values
    dtype = static["dtype"]
    if dtype == x.dtype:
        return x
    name = tracer.backend.dtype_name(dtype)
    return tracer.emit("astype", Kind.CAST.value, values, {"dtype": name}, [(x.shape, dtype)])[0]


def _positive_sign(tracer: Any, primitive: Primitive, values: list[Any], static: dict[str, Any]) -> Any:
    return values[0]


CANONICAL: dict[str, _Form] = {
    "reshape": _reshape,
    "expand_dims": _reshape,
    "squeeze": _reshape,
    "permute_dims": _permute_dims,
    "matrix_transpose": _matrix_transpose,
    "moveaxis": _moveaxis,
    "flip": _flip,
    "roll": _roll,
    "tile": _tile,
    "tril": _triangle,
    "triu": _triangle,
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "stack": _stack,
    **dict.fromkeys(("sum", "prod", "max", "min", "all", "any", "count_nonzero"), _reduction),
    "argmax": _extremum_place,
    "argmin": _extremum_place,
    **dict.fromkeys(("cumulative_sum", "cumulative_prod", "argsort"), _scan),
    "getitem": _getitem,
    "embed": _embed,
    "put": _put,
    "take": _take,
    "scatter_add": _scatter_add,
    "astype": _astype,
    "positive": _positive_sign,
}
"""The forms of functions of the main part of the standard, by name; all others are written down as they are called."""
