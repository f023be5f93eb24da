"""Random graphs of whole numbers, on which every order of adding and multiplying gives the same bits."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tl_arrayapi.graph.graph import Atom, Builder, Graph, Literal, Var

__all__ = ["random_graph"]

FLOAT = "float64"
SHAPES = [(), (4,), (6,), (1, 6), (4, 1), (4, 6), (6, 4), (2, 3, 4), (24,), (2, 1, 4), (1, 4, 6), (4, 6, 1), (0, 3)]
MOST = 500
BOUND = Literal(7.0, FLOAT)


def random_graph(seed: int, size: int) -> Graph:
    """Return a graph of about ``size`` equations; all of its inputs are to hold small whole numbers."""
    return _Draw(seed, size).graph


class _Draw:
    def __init__(self, seed: int, size: int) -> None:
        self.rng = np.random.default_rng(seed)
        inputs = tuple(Var(i, SHAPES[self.below(len(SHAPES))], FLOAT) for i in range(1 + self.below(3)))
        self.build = Builder(Graph(inputs, (), (), ()))
        self.values: list[Var] = list(inputs)
        steps = (
            *(self.binary,) * 6,
            *(self.reduction,) * 4,
            *(self.joining,) * 2,
            *(self.unary, self.where, self.cast, self.reshape, self.permute, self.slice, self.write, self.shift),
            *(self.repeat, self.matmul, self.gather),
        )
        while len(self.build.equations) < size:
            steps[self.below(len(steps))]()
        outputs: list[Atom] = [self.pick(lambda v: True) for _ in range(1 + self.below(4))]
        outputs += [self.values[-1], BOUND][: self.below(3)]
        self.graph = Graph(inputs, (), tuple(self.build.equations), tuple(outputs))

    # ---- choices
    def below(self, n: int) -> int:
        return int(self.rng.integers(n))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, fits: Callable[[Var], bool] = lambda v: v.dtype == FLOAT) -> Var:
        found = [v for v in self.values if fits(v)]
        if self.chance(0.6):
            found = found[-6:]
        return found[self.below(len(found))]

    def axes(self, x: Var) -> tuple[int, ...]:
        count = 1 + self.below(x.ndim)
        if self.chance(0.4):
            return tuple(range(x.ndim - count, x.ndim))
        return tuple(sorted(self.rng.choice(x.ndim, count, replace=False).tolist()))

    def key(self, x: Var) -> tuple[tuple[Any, ...], tuple[int, ...]]:
        key: list[Any] = []
        for n in x.shape:
            start = self.below(n + 1) if self.chance(0.5) else 0
            stop = start + self.below(n - start + 1) if self.chance(0.5) else n
            key.append(self.below(n) if n and self.chance(0.3) else slice(start, stop, 1 + self.below(2)))
        return tuple(key), tuple(len(range(k.start, k.stop, k.step)) for k in key if isinstance(k, slice))

    def emit(
        self, name: str, kind: str, operands: Any, result: Any, /, result_dtype: str | None = None, **static: Any
    ) -> Var:
        """Add an equation."""
        if prod(result) > MOST:
            return self.values[-1]
        self.values.append(self.build.emit(name, kind, operands, result, result_dtype, **static))
        return self.values[-1]

    def bounded(self, name: str, kind: str, operands: Any, result: Any, /, **static: Any) -> None:
        """Add an equation whose result grows, and bring that back to small numbers."""
        found = self.emit(name, kind, operands, result, **static)
        if found.dtype == FLOAT:
            self.emit("remainder", "elementwise", (found, BOUND), found.shape)

    # ---- equations
    def binary(self) -> None:
        x = self.pick()
        y: Atom = Literal(float(self.below(7) - 3), FLOAT)
        if self.chance(0.8):
            y = self.pick(lambda v: v.dtype == FLOAT and broadcasts(v.shape, x.shape))
        shape = np.broadcast_shapes(x.shape, y.shape)
        if self.chance(0.15):
            name = ("less", "greater_equal", "equal")[self.below(3)]
            self.emit(name, "elementwise", (x, y), shape, "bool")
        else:
            name = ("add", "subtract", "multiply", "maximum", "minimum", "add")[self.below(6)]
            (self.bounded if self.chance(0.7) else self.emit)(name, "elementwise", (x, y), shape)

    def unary(self) -> None:
        x, name = self.pick(), ("negative", "square", "abs", "positive")[self.below(4)]
        (self.bounded if name == "square" else self.emit)(name, "elementwise", (x,), x.shape)

    def where(self) -> None:
        x = self.pick()
        condition = self.build.emit("greater", "elementwise", (x, Literal(0.0, FLOAT)), x.shape, "bool")
        self.values.append(condition)
        y: Atom = Literal(float(self.below(2)), FLOAT)
        if self.chance(0.7):
            y = self.pick(lambda v: v.dtype == FLOAT and broadcasts(v.shape, x.shape))
        branches = (x, y) if self.chance(0.7) else (y, x)
        self.emit("where", "elementwise", (condition, *branches), np.broadcast_shapes(x.shape, y.shape), FLOAT)

    def cast(self) -> None:
        x = self.pick(lambda v: True)
        if x.dtype == FLOAT:
            x = self.emit("astype", "cast", (x,), x.shape, "float32", dtype="float32")
        self.emit("astype", "cast", (x,), x.shape, FLOAT, dtype=FLOAT)

    def reduction(self) -> None:
        x = self.pick(lambda v: v.dtype == FLOAT)
        if not x.ndim or not x.size:
            return
        axes, keepdims = self.axes(x), self.chance(0.5)
        shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes)
        name = ("sum", "sum", "sum", "max", "min")[self.below(5)]
        emit = self.bounded if name == "sum" else self.emit
        emit(name, "reduction", (x,), shape, axis=axes, keepdims=keepdims)

    def reshape(self) -> None:
        x = self.pick()
        shapes = [shape for shape in (*SHAPES, (2, 12), (8, 3)) if prod(shape) == x.size] or [x.shape]
        shape = shapes[self.below(len(shapes))]
        self.emit("reshape", "movement", (x,), shape, shape=shape)

    def permute(self) -> None:
        x = self.pick()
        axes = tuple(self.rng.permutation(x.ndim).tolist())
        self.emit("permute_dims", "movement", (x,), tuple(x.shape[a] for a in axes), axes=axes)

    def slice(self) -> None:
        x = self.pick()
        key, shape = self.key(x)
        self.emit("getitem", "indexing", (x,), shape, key=key)

    def write(self) -> None:
        x = self.pick()
        key, shape = self.key(x)
        value = next((v for v in self.values[::-1] if v.dtype == FLOAT and v.shape == shape), None)
        if value is None:
            value = self.emit("getitem", "indexing", (x,), shape, key=key)
        if self.chance(0.5):
            self.emit("embed", "indexing", (value,), x.shape, shape=x.shape, key=key)
        else:
            self.emit("put", "indexing", (x, value), x.shape, key=key)

    def shift(self) -> None:
        x = self.pick()
        if not x.ndim:
            return
        axes = self.axes(x)
        if self.chance(0.5):
            self.emit("flip", "movement", (x,), x.shape, axis=axes)
        else:
            shift = tuple(self.rng.integers(-5, 6, len(axes)).tolist())
            self.emit("roll", "movement", (x,), x.shape, shift=shift, axis=axes)

    def repeat(self) -> None:
        x, count = self.pick(), 1 + self.below(3)
        if self.chance(0.5):
            self.emit("broadcast_to", "movement", (x,), (count, *x.shape), shape=(count, *x.shape))
        elif x.ndim:
            shape = (*x.shape[:-1], count * x.shape[-1])
            self.emit("tile", "movement", (x,), shape, repetitions=(count,))

    def joining(self) -> None:
        x = self.pick()
        if self.chance(0.3) or not x.ndim:
            axis, others = self.below(x.ndim + 1), [self.pick(lambda v: v.dtype == FLOAT and v.shape == x.shape)]
            self.emit("stack", "movement", (x, *others), (*x.shape[:axis], 2, *x.shape[axis:]), axis=axis)
            return
        axis = self.below(x.ndim) if self.chance(0.5) else 0
        rest = (*x.shape[:axis], *x.shape[axis + 1 :])

        def fits(v: Var) -> bool:
            return v.dtype == FLOAT and v.ndim == x.ndim and without(v.shape, axis) == rest

        parts = [x, *(self.pick(fits) for _ in range(1 + self.below(4)))]
        shape = (*x.shape[:axis], sum(v.shape[axis] for v in parts), *x.shape[axis + 1 :])
        self.emit("concat", "movement", parts, shape, axis=axis)

    def matmul(self) -> None:
        x = self.pick()
        fitting = [v for v in self.values if v.dtype == FLOAT and multiplies(x.shape, v.shape)]
        if fitting:
            y = fitting[self.below(len(fitting))]
            shape = np.matmul(np.zeros(x.shape), np.zeros(y.shape)).shape
            self.bounded("matmul", "contraction", (x, y), shape)

    def gather(self) -> None:
        x = self.pick()
        if not x.ndim or not x.size:
            return
        axis, count = self.below(x.ndim), 1 + self.below(5)
        n = Literal(x.shape[axis], "int64")
        places = self.build.emit(
            "arange", "creation", (), (count,), "int64", start=0, stop=count, step=1, dtype="int64"
        )
        indices = self.build.emit("remainder", "elementwise", (places, n), (count,))
        if self.chance(0.4):
            indices = self.build.emit("subtract", "elementwise", (indices, n), (count,))
        shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
        taken = self.emit("take", "indexing", (x, indices), shape, axis=axis)
        if taken.shape == shape and self.chance(0.5):
            self.bounded("scatter_add", "indexing", (taken, indices), x.shape, shape=x.shape, axis=axis)
        else:
            self.bounded("cumulative_sum", "scan", (x,), x.shape, axis=axis)


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def broadcasts(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(one, other)
    except ValueError:
        return False
    return True


def multiplies(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    if not one or not other or one[-1] != other[0 if len(other) == 1 else -2]:
        return False
    return len(one) < 3 or len(other) < 3 or broadcasts(one[:-2], other[:-2])
