"""Random graphs: a few inputs, and equations drawn one after another on what is there."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.graph.passes.running import SPECIAL, Sketch
from tl_arrayapi.graph import Graph, Literal, Var
from tl_arrayapi.graph.passes.base import broadcast

__all__ = ["SMOOTH", "graphs", "tame", "wild"]

SHAPES = [(), (3,), (1, 3), (2, 1), (2, 3), (1, 1), (3, 2), (6,)]
NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.25, 3.0, 0.1, 64.0]
UNARY = ("negative", "negative", "abs", "square", "positive", "exp", "tanh", "sqrt", "sign")
SMOOTH = ("negative", "negative", "abs", "square", "tanh")
BINARY = ("add", "add", "subtract", "multiply", "multiply", "divide", "maximum")
ORDERS = ("equal", "less", "less_equal", "greater", "greater_equal")
MOST = 100
"""Elements that an array may have."""


def graphs(unary: tuple[str, ...] = UNARY, orders: tuple[str, ...] = ORDERS) -> Any:
    """Return the strategy for graphs of float32 arrays, of up to 24 equations, most of which the outputs need.

    What is drawn is how many equations there are, and where a generator of random numbers starts that makes them: that
    finds more than drawing each of them does.
    """
    return st.builds(
        lambda count, seed: _Drawing(np.random.default_rng(seed), unary, orders).graph(count),
        st.integers(1, 24),
        st.integers(0, 2**32),
    )


class _Drawing:
    """One graph while it is being drawn."""

    def __init__(self, rng: np.random.Generator, unary: tuple[str, ...], orders: tuple[str, ...]) -> None:
        self.rng = rng
        self.unary, self.orders = unary, orders
        self.sketch = Sketch()
        self.floats: list[Any] = [self.sketch.given(*self.of(SHAPES)) for _ in range(rng.integers(1, 4))]
        self.truths: list[Any] = []

    def of(self, row: Any) -> Any:
        return row[self.rng.integers(len(row))]

    def recent(self, row: list[Any], *fits: Any) -> Any:
        """Return one of those made last that broadcasts with others."""
        found = [x for x in row if all(_compatible(x, y) for y in fits)]
        return self.of(found[-4:]) if found else Literal(1.0, "float32")

    def operand(self, *fits: Any) -> Any:
        return Literal(self.of(NUMBERS), "float32") if self.rng.random() < 0.3 else self.recent(self.floats, *fits)

    def graph(self, count: int) -> Graph:
        for _ in range(count):
            made = self.equation()
            if made is not None and 0 < made.size <= MOST:
                (self.truths if made.dtype == "bool" else self.floats).append(made)
        others = [self.of(self.floats + self.truths) for _ in range(self.rng.integers(0, 3))]
        return self.sketch.graph(*others, self.floats[-1])

    def equation(self) -> Any:
        s, x = self.sketch, self.recent(self.floats)
        what = self.rng.integers(16)
        if what < 2:
            return getattr(s, self.of(self.unary))(x)
        if what < 8:
            return getattr(s, self.of(BINARY))(*[x, self.operand(x)][:: self.of([1, -1])])
        if what == 8:
            return getattr(s, self.of(self.orders))(x, self.operand(x)) if self.orders else None
        if what == 9 and self.truths:
            condition = self.recent(self.truths)
            if self.rng.random() < 0.3:
                condition = s.logical_not(condition)
            y = self.operand(condition)
            return s.where(condition, y, self.operand(Var(-1, broadcast([y, condition]), "")))
        if what == 10 and self.truths:
            return s.astype(self.recent(self.truths), "float32")
        if what == 11:
            return s.full(self.of(NUMBERS), *self.of(SHAPES))
        if what == 12:
            if x.ndim < 2:
                return s.broadcast_to(x, 2, *x.shape)
            return s.permute(x, 1, 0, *range(2, x.ndim))
        if what == 13:
            axes = self.of([*[(a,) for a in range(x.ndim)], tuple(range(x.ndim))])
            return s.reduce(self.of(["sum", "sum", "max"]), x, axes, bool(self.rng.integers(2)))
        if what == 14:
            return s.reshape(x, x.size) if x.ndim != 1 else s.reshape(x, 1, x.size)
        whole = s.concat(s.reshape(x, x.size), s.full(self.of(NUMBERS), 2))
        start = int(self.rng.integers(x.size))
        return s.getitem(whole, slice(start, int(self.rng.integers(start + 1, x.size + 3))))


def _compatible(x: Any, y: Any) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(x.shape[::-1], y.shape[::-1], strict=False))


@st.composite
def wild(draw: Any, graph: Graph) -> list[Any]:
    """Return inputs for a graph that hold what algebra trips over."""
    values = st.sampled_from(SPECIAL)
    return [
        np.asarray(draw(st.lists(values, min_size=x.size, max_size=x.size)), "float32").reshape(x.shape)
        for x in graph.given
    ]


def tame(graph: Graph, seed: int) -> list[Any]:
    """Return inputs for a graph that are neither large nor small."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.uniform(0.5, 2.0, x.shape) * rng.choice([-1, 1], x.shape), "float32") for x in graph.given]
