"""Shapes of what moves, repeats or joins elements."""

import math
from typing import Any

from tl_arrayapi.errors import ArgumentError, ShapeError
from tl_arrayapi.graph.shape_rules.common import (
    Rule,
    Shape,
    axes_of,
    axis_of,
    fits,
    integer,
    lengths,
    replaced,
    several,
)

__all__ = ["MOVEMENT"]


def _broadcast_to(x: Shape, *, shape: Any) -> Shape:
    whole = lengths(shape)
    if not fits(x, whole):
        raise ShapeError(f"shape {x} does not broadcast to {whole}: each of its axes must have that length, or 1")
    return whole


def _reshape(x: Shape, *, shape: Any, copy: Any = None) -> Shape:
    given = several(shape)
    if given.count(-1) > 1:
        raise ArgumentError(f"shape {given} leaves two lengths open: give all but one")
    known = lengths(tuple(n for n in given if n != -1))
    size = math.prod(known)
    if -1 in given:
        if size == 0 or math.prod(x) % size:
            raise ShapeError(f"the {math.prod(x)} elements of shape {x} do not divide into shape {given}")
        at = given.index(-1)
        return (*known[:at], math.prod(x) // size, *known[at:])
    if size != math.prod(x):
        raise ShapeError(f"shape {x} has {math.prod(x)} elements and {known} has {size}: reshape keeps their number")
    return known


def _permute_dims(x: Shape, *, axes: Any) -> Shape:
    order = axes_of(several(axes), len(x))
    if len(order) != len(x):
        raise ArgumentError(f"axes {axes} are not all {len(x)} axes of shape {x}: name each once")
    return tuple(x[a] for a in order)


def _matrix_transpose(x: Shape) -> Shape:
    if len(x) < 2:
        raise ShapeError(f"matrix_transpose takes an array of 2 axes or more; got shape {x}")
    return (*x[:-2], x[-1], x[-2])


def _moveaxis(x: Shape, *, source: Any, destination: Any) -> Shape:
    sources, destinations = axes_of(source, len(x)), axes_of(destination, len(x))
    if len(sources) != len(destinations):
        raise ArgumentError(f"moveaxis takes as many destinations as sources; got {source} and {destination}")
    places = dict(zip(destinations, sources, strict=True))
    others = (a for a in range(len(x)) if a not in sources)
    return tuple(x[places[i] if i in places else next(others)] for i in range(len(x)))


def _expand_dims(x: Shape, *, axis: Any = 0) -> Shape:
    rank = len(x) + len(several(axis))
    new, old = axes_of(axis, rank), iter(x)
    return tuple(1 if i in new else next(old) for i in range(rank))


def _squeeze(x: Shape, *, axis: Any) -> Shape:
    axes = axes_of(axis, len(x))
    for a in axes:
        if x[a] != 1:
            raise ShapeError(f"squeeze takes out axes of length 1; axis {a} of shape {x} has {x[a]}")
    return tuple(n for a, n in enumerate(x) if a not in axes)


def _flip(x: Shape, *, axis: Any = None) -> Shape:
    axes_of(axis, len(x))
    return x


def _roll(x: Shape, *, shift: Any, axis: Any = None) -> Shape:
    shifts = len([integer(n, "a shift") for n in several(shift)])
    if axis is None:
        if shifts != 1:
            raise ArgumentError(f"roll takes an axis for each of its shifts {shift}; got axis=None")
        return x
    # The same axis may be rolled twice.
    axes = [axis_of(a, len(x)) for a in several(axis)]
    if shifts not in (1, len(axes)) and len(axes) != 1:
        raise ArgumentError(f"roll takes one shift for each axis; got shift={shift} and axis={axis}")
    return x


def _concat(*xs: Shape, axis: Any = 0) -> Shape:
    if not xs:
        raise ArgumentError("concat takes one array or more; got none")
    if axis is None:
        return (sum(map(math.prod, xs)),)
    axis = axis_of(axis, len(xs[0]))
    for x in xs[1:]:
        if len(x) != len(xs[0]) or replaced(x, axis) != replaced(xs[0], axis):
            raise ShapeError(f"concat along axis {axis} takes shapes that are equal but for it; got {xs[0]} and {x}")
    return replaced(xs[0], axis, sum(x[axis] for x in xs))


def _stack(*xs: Shape, axis: Any = 0) -> Shape:
    if not xs:
        raise ArgumentError("stack takes one array or more; got none")
    for x in xs[1:]:
        if x != xs[0]:
            raise ShapeError(f"stack takes arrays of one shape; got {xs[0]} and {x}")
    axis = axis_of(axis, len(xs[0]) + 1)
    return (*xs[0][:axis], len(xs), *xs[0][axis:])


def _tile(x: Shape, *, repetitions: Any) -> Shape:
    counts = lengths(repetitions)
    rank = max(len(x), len(counts))
    x, counts = (1,) * (rank - len(x)) + x, (1,) * (rank - len(counts)) + counts
    return lengths(tuple(n * count for n, count in zip(x, counts, strict=True)))


def _triangle(x: Shape, *, k: int = 0) -> Shape:
    if len(x) < 2:
        raise ShapeError(f"tril and triu take an array of 2 axes or more; got shape {x}")
    return x


MOVEMENT: dict[str, Rule] = {
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "expand_dims": _expand_dims,
    "flip": _flip,
    "matrix_transpose": _matrix_transpose,
    "moveaxis": _moveaxis,
    "permute_dims": _permute_dims,
    "reshape": _reshape,
    "roll": _roll,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": _tile,
    "tril": _triangle,
    "triu": _triangle,
}
"""The rule of each function that moves elements."""
