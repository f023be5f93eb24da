"""Random programs: functions of the namespace applied one after another to what is there, ending in a number.

A program is data, which Hypothesis draws, shrinks and prints; `loss_of` makes the function that runs it. Values stay
moderate, and inside the domains of derivatives, so that a large error is an error.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from hypothesis import strategies as st

__all__ = ["Program", "programs"]

Host = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Program:
    """Host arrays, and instructions: a name, the places of the operands, and an integer from which a function takes
    its static arguments.
    """

    arrays: tuple[Host, ...]
    steps: tuple[tuple[str, tuple[int, ...], int], ...]
    most: int = 100

    def __call__(self, xp: Any, *arrays: Any) -> Any:
        """Run the program, and return a weighted sum of everything in it."""
        values = list(arrays)
        for name, places, choice in self.steps:
            x, y = (values[place % len(values)] for place in places)
            values.append(bounded(xp, STEPS[name](xp, x, y, choice), self.most))
        return reduce(operator.add, [xp.mean(x) * (1 + i % 3) for i, x in enumerate(values)])

    def __repr__(self) -> str:
        shapes = ", ".join(str(x.shape) for x in self.arrays)
        return f"Program of {shapes}: " + "; ".join(f"{name}{places}, {n}" for name, places, n in self.steps)


def bounded(xp: Any, x: Any, most: int) -> Any:
    """Cut what has more elements than ``most`` down to its first ones."""
    while math.prod(x.shape) > most:
        x = x[0, ...]
    return x


def _axis(x: Any, choice: int) -> int:
    return choice % len(x.shape)


def _axes(x: Any, choice: int) -> Any:
    rank = len(x.shape)
    options: list[Any] = [None, *range(rank), *range(-rank, 0), tuple(range(rank)), tuple(range(rank))[:2]]
    return options[choice % len(options)]


def _fitting(xp: Any, x: Any, y: Any) -> Any:
    """Return ``y``, or a number made of it where it does not broadcast with ``x``, or to far more elements."""
    try:
        count = math.prod(np.broadcast_shapes(tuple(x.shape), tuple(y.shape)))
    except ValueError:
        return xp.mean(y)
    return y if count <= max(100, 2 * math.prod(x.shape), 2 * math.prod(y.shape)) else xp.mean(y)


def _with_axes(xp: Any, x: Any, count: int) -> Any:
    while len(x.shape) < count:
        x = x[None, ...]
    return x


def _unary(f: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda xp, x, y, choice: f(xp, x)


def _binary(f: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    return lambda xp, x, y, choice: f(xp, x, _fitting(xp, x, y))


def _number(f: Callable[[Any, float], Any]) -> Callable[..., Any]:
    return lambda xp, x, y, choice: f(x, (0.0, 1.0, -1.0, 2.0, 0.5, -0.25, 3.0)[choice % 7])


def _reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    def step(xp: Any, x: Any, y: Any, choice: int) -> Any:
        return f(xp, x, axis=_axes(x, choice // 2), keepdims=bool(choice % 2))

    return step


def _reshape(xp: Any, x: Any, y: Any, choice: int) -> Any:
    count = math.prod(x.shape)
    shapes = [(count,), (1, count), (*x.shape, 1), tuple(x.shape[::-1]), (count, 1), (-1,)]
    return xp.reshape(x, shapes[choice % len(shapes)])


def _permute(xp: Any, x: Any, y: Any, choice: int) -> Any:
    axes = list(range(len(x.shape)))
    turned = axes[choice % max(len(axes), 1) :] + axes[: choice % max(len(axes), 1)]
    return xp.permute_dims(x, tuple(turned if choice % 2 else turned[::-1]))


def _slice(xp: Any, x: Any, y: Any, choice: int) -> Any:
    x = _with_axes(xp, x, 1)
    n = x.shape[0]
    keys = [
        slice(None, None, -1),
        slice(n // 2, None),
        slice(None, None, 2),
        slice(n - 1, n),
        (..., slice(0, 1)),
        0,
        -1,
    ]
    keys += [(slice(None), None), (..., None), slice(None, max(n - 1, 1))]
    return (
        x[keys[choice % len(keys)]]
        if not isinstance(keys[choice % len(keys)], int)
        else x[keys[choice % len(keys)], ...]
    )


def _written(xp: Any, x: Any, y: Any, choice: int) -> Any:
    x = _with_axes(xp, x, 1) * 1.0
    place = [0, -1, slice(None, None, 2), Ellipsis][choice % 4]
    x[(place, ...) if place is not Ellipsis else place] = xp.mean(y) if choice % 3 else 0.5
    return x


def _concat(xp: Any, x: Any, y: Any, choice: int) -> Any:
    parts = [x, x * 2, xp.flip(x)] if x.shape != y.shape else [x, y]
    return xp.concat([_with_axes(xp, part, 1) for part in parts], axis=choice % max(len(x.shape), 1))


def _product(xp: Any, x: Any, y: Any, choice: int) -> Any:
    a, b = _with_axes(xp, x, 2), _with_axes(xp, y, 2)
    if a.shape[-1] == b.shape[-2] and len(b.shape) == 2:
        return a @ b
    if a.shape[-1] == b.shape[-1] and len(b.shape) == 2:
        return a @ b.T
    return [lambda: a @ xp.matrix_transpose(a), lambda: xp.matrix_transpose(a) @ a, lambda: a @ a[..., 0, :, None]][
        choice % 3
    ]()


def _positive(xp: Any, x: Any) -> Any:
    a = _with_axes(xp, x, 2)
    return a @ xp.matrix_transpose(a) + 2.0 * xp.eye(a.shape[-2], dtype=a.dtype)


def _softmax(xp: Any, x: Any, y: Any, choice: int) -> Any:
    x = _with_axes(xp, x, 1)
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def _log_sum_exp(xp: Any, x: Any, y: Any, choice: int) -> Any:
    x = _with_axes(xp, x, 1)
    top = xp.max(x, axis=choice % len(x.shape), keepdims=True)
    return top + xp.log(xp.sum(xp.exp(x - top), axis=choice % len(x.shape), keepdims=True))


def _normalised(xp: Any, x: Any, y: Any, choice: int) -> Any:
    x = _with_axes(xp, x, 1)
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    return centred / xp.sqrt(xp.mean(centred**2, axis=-1, keepdims=True) + 0.1)


def _taken(xp: Any, x: Any, y: Any, choice: int) -> Any:
    x = _with_axes(xp, x, 1)
    axis = _axis(x, choice)
    places = xp.arange(x.shape[axis] + 1) % x.shape[axis]
    return xp.take(x, places, axis=axis)


STEPS: dict[str, Callable[..., Any]] = {
    "negative": _unary(lambda xp, x: -x),
    "tanh": _unary(lambda xp, x: xp.tanh(x)),
    "sin": _unary(lambda xp, x: xp.sin(x)),
    "cos": _unary(lambda xp, x: xp.cos(x)),
    "exp": _unary(lambda xp, x: xp.exp(xp.tanh(x))),
    "sigmoid": _unary(lambda xp, x: 1 / (1 + xp.exp(-x))),
    "log1p": _unary(lambda xp, x: xp.log1p(x * x)),
    "sqrt": _unary(lambda xp, x: xp.sqrt(1 + x**2)),
    "square": _unary(lambda xp, x: xp.tanh(x) ** 2),
    "cube": _unary(lambda xp, x: xp.sin(x) ** 3),
    "reciprocal": _unary(lambda xp, x: 1 / (2 + x * x)),
    "abs": _unary(lambda xp, x: xp.abs(x)),
    "relu": _unary(lambda xp, x: xp.maximum(x, xp.zeros_like(x))),
    "clip": _unary(lambda xp, x: xp.clip(x, -0.6, 0.7)),
    "mask": _unary(lambda xp, x: xp.where(x > 0.1, x, 0.3 * x)),
    "twice": _unary(lambda xp, x: x + x),
    "nothing": _unary(lambda xp, x: x),
    "add": _binary(lambda xp, x, y: x + y),
    "subtract": _binary(lambda xp, x, y: x - y),
    "multiply": _binary(lambda xp, x, y: xp.tanh(x) * xp.sin(y)),
    "divide": _binary(lambda xp, x, y: x / (2 + y * y)),
    "maximum": _binary(lambda xp, x, y: xp.maximum(x, y)),
    "minimum": _binary(lambda xp, x, y: xp.minimum(x, y)),
    "choice": _binary(lambda xp, x, y: xp.where(x > y, x, y * 0.5)),
    "hypot": _binary(lambda xp, x, y: xp.hypot(x + 2, y)),
    "atan2": _binary(lambda xp, x, y: xp.atan2(x, 2 + xp.abs(y))),
    "mixed": _binary(lambda xp, x, y: x * 0.5 + y * 0.25 - 1),
    "plus number": _number(lambda x, n: x + n),
    "number minus": _number(lambda x, n: n - x),
    "times number": _number(lambda x, n: n * x),
    "over number": _number(lambda x, n: x / (n + 4)),
    "sum": _reduction(lambda xp, x, **s: xp.sum(x, **s) / 10),
    "mean": _reduction(lambda xp, x, **s: xp.mean(x, **s)),
    "mean of squares": _reduction(lambda xp, x, **s: xp.mean(x * x, **s)),
    "max": _reduction(lambda xp, x, **s: xp.max(x, **s)),
    "min": _reduction(lambda xp, x, **s: xp.min(x, **s)),
    "prod": _reduction(lambda xp, x, **s: xp.prod(xp.tanh(x) * 0.5 + 0.6, **s)),
    "var": _reduction(lambda xp, x, **s: xp.var(x, **s)),
    "std": _reduction(lambda xp, x, **s: xp.sqrt(xp.var(x, **s) + 0.1)),
    "reshape": _reshape,
    "permute": _permute,
    "slice": _slice,
    "write": _written,
    "flip": lambda xp, x, y, n: xp.flip(x),
    "roll": lambda xp, x, y, n: xp.roll(x, n % 5 - 2),
    "concat": _concat,
    "stack": lambda xp, x, y, n: xp.stack([x, xp.cos(x)], axis=n % (len(x.shape) + 1)),
    "tile": lambda xp, x, y, n: xp.tile(x, (1 + n % 2, 2)),
    "repeat": lambda xp, x, y, n: xp.repeat(_with_axes(xp, x, 1), 2, axis=0),
    "broadcast": lambda xp, x, y, n: xp.broadcast_to(x, (2, *x.shape)),
    "tril": lambda xp, x, y, n: xp.tril(_with_axes(xp, x, 2), k=n % 3 - 1),
    "squeeze": lambda xp, x, y, n: xp.squeeze(x[None, ...], axis=0),
    "cumulative_sum": lambda xp, x, y, n: (
        xp.cumulative_sum(_with_axes(xp, x, 1), axis=_axis(x, n) if x.shape else 0) / 4
    ),
    "sort": lambda xp, x, y, n: xp.sort(_with_axes(xp, x, 1), axis=-1),
    "take": _taken,
    "product": _product,
    "vecdot": lambda xp, x, y, n: xp.vecdot(_with_axes(xp, x, 1), _with_axes(xp, xp.sin(x), 1)),
    "outer": lambda xp, x, y, n: xp.linalg.outer(xp.reshape(x, (-1,))[:6], xp.reshape(y, (-1,))[:6]),
    "tensordot": lambda xp, x, y, n: xp.tensordot(x, x, axes=len(x.shape)) / 10,
    "inv": lambda xp, x, y, n: xp.linalg.inv(_positive(xp, x)),
    "cholesky": lambda xp, x, y, n: xp.linalg.cholesky(_positive(xp, x)),
    "solve": lambda xp, x, y, n: xp.linalg.solve(_positive(xp, x), _with_axes(xp, x, 2)),
    "norm": lambda xp, x, y, n: xp.linalg.vector_norm(x + 2.5),
    "softmax": _softmax,
    "log-sum-exp": _log_sum_exp,
    "normalised": _normalised,
}


# What takes an array as a matrix is slow where that is large.
MATRICES = frozenset(("product", "outer", "inv", "cholesky", "solve", "tensordot", "tril"))
LARGE = [
    (40_003,),
    (200, 257),
    (1, 30_000),
    (30_000, 1),
    (17, 31, 97),
    (3, 9000),
    (9000, 3),
    (128, 256),
    (2, 1, 20_000),
]


@st.composite
def programs(draw: Any, longest: int = 10, large: bool = False) -> Program:
    """Draw a program of one to three arrays, with axes of 1 to 4 elements; or with many, in whose blocks and rows a
    lowering may do one thing after another.
    """
    whole = list(draw(st.sampled_from(LARGE))) if large else draw(st.lists(st.integers(1, 4), max_size=3))
    names = sorted(STEPS.keys() - MATRICES if large else STEPS)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    others = [whole[draw(st.integers(0, len(whole))) :] for _ in range(draw(st.integers(0, 2)))]
    shapes = [tuple(whole), *(tuple(n if draw(st.booleans()) else 1 for n in other) for other in others)]
    place = st.integers(0, 12)
    step = st.tuples(st.sampled_from(names), st.tuples(place, place), st.integers(0, 40))
    steps = draw(st.lists(step, min_size=1, max_size=longest))
    arrays = tuple(rng.uniform(-1.5, 1.5, shape) for shape in shapes)
    return Program(arrays, tuple(steps), 60_000 if large else 100)
