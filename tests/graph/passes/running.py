"""Graphs written by hand and at random, and their values on NumPy: what the tests of passes have in common."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import tl_arrayapi as tl
from tl_arrayapi.autograd.programs import runtime_of
from tl_arrayapi.graph import Atom, Builder, Equation, Graph, Literal, Var
from tl_arrayapi.graph.evaluate import evaluate
from tl_arrayapi.graph.passes.base import broadcast

RUNTIME = runtime_of(tl.namespace(np).ground, None)


def run(graph: Graph, *given: Any) -> list[Any]:
    """Return the values of a graph's outputs, by the evaluator."""
    with np.errstate(all="ignore"):
        return [np.asarray(x) for x in evaluate(graph, given, RUNTIME.function, RUNTIME.number, RUNTIME.dtype)]


def lines(graph: Graph) -> list[str]:
    """Return the equations as text, each value under the name of its place."""
    names: dict[Var, str] = {v: f"x{i}" for i, v in enumerate(graph.given)}

    def name(x: Atom) -> str:
        return repr(x.value) if isinstance(x, Literal) else names[x]

    found = []
    for equation in graph.equations:
        operands = [name(x) for x in equation.operands]
        for v in equation.results:
            names[v] = f"y{len(names) - len(graph.given)}"
        static = [f"{key}={value!r}" for key, value in equation.static]
        found.append(
            f"{', '.join(names[v] for v in equation.results)} = {equation.name}({', '.join(operands + static)})"
        )
    return [*found, f"return {', '.join(map(name, graph.outputs))}"]


def same_bits(xs: Sequence[Any], ys: Sequence[Any]) -> bool:
    """Say whether arrays are equal to the bit, but for which NaN a NaN is."""
    return len(xs) == len(ys) and all(
        x.shape == y.shape
        and x.dtype == y.dtype
        and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")
        and (x.dtype.kind != "f" or np.array_equal(np.signbit(x[x == 0]), np.signbit(y[y == 0])))
        for x, y in zip(xs, ys, strict=True)
    )


class Sketch:
    """Write a graph by hand: `given` its inputs, then one call an equation, named after its function.

    >>> sketch = Sketch()
    >>> x = sketch.given(3)
    >>> lines(sketch.graph(sketch.multiply(x, 2.0)))
    ['y0 = multiply(x0, 2.0)', 'return y0']
    """

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = dtype
        self.inputs: list[Var] = []
        self.build = Builder(Graph((), (), (), ()))
        self.build._number = 100

    def given(self, *shape: int, dtype: str | None = None) -> Var:
        self.inputs.append(Var(len(self.inputs), shape, dtype or self.dtype))
        return self.inputs[-1]

    def graph(self, *outputs: Atom) -> Graph:
        return Graph(tuple(self.inputs), (), tuple(self.build.equations), outputs)

    def emit(
        self,
        name: str,
        kind: str,
        operands: Sequence[Any],
        result: Sequence[int],
        of: str | None = None,
        /,
        **static: Any,
    ) -> Var:
        like = next((x.dtype for x in operands if isinstance(x, Var | Literal)), self.dtype)
        lifted = tuple(x if isinstance(x, Var | Literal) else Literal(x, like) for x in operands)
        return self.build.emit(name, kind, lifted, tuple(result), of or like, **static)

    def __getattr__(self, name: str) -> Any:
        """Return what writes an elementwise equation of that name."""

        def write(*operands: Any, dtype: str | None = None, **static: Any) -> Var:
            like = next((x.dtype for x in reversed(operands) if isinstance(x, Var | Literal)), self.dtype)
            lifted = [x if isinstance(x, Var | Literal) else Literal(x, like) for x in operands]
            found = "bool" if name in _TRUTHS else like
            return self.emit(name, "elementwise", lifted, broadcast(lifted), dtype or found, **static)

        return write

    def full(self, value: Any, *shape: int, dtype: str | None = None) -> Var:
        dtype = dtype or self.dtype
        return self.build.emit("full", "creation", (), shape, dtype, value=value, shape=shape, dtype=dtype)

    def broadcast_to(self, x: Atom, *shape: int) -> Var:
        return self.emit("broadcast_to", "movement", (x,), shape, shape=shape)

    def reshape(self, x: Atom, *shape: int) -> Var:
        return self.emit("reshape", "movement", (x,), shape, shape=shape)

    def permute(self, x: Atom, *axes: int) -> Var:
        return self.emit("permute_dims", "movement", (x,), [x.shape[a] for a in axes], axes=axes)

    def concat(self, *xs: Atom, axis: int = 0) -> Var:
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return self.emit("concat", "movement", xs, shape, axis=axis)

    def getitem(self, x: Atom, *key: int | slice) -> Var:
        full = [k if isinstance(k, int) else slice(*k.indices(n)) for k, n in zip(key, x.shape, strict=True)]
        shape = [len(range(k.start, k.stop, k.step)) for k in full if isinstance(k, slice)]
        return self.emit("getitem", "indexing", (x,), shape, key=tuple(full))

    def astype(self, x: Atom, dtype: str) -> Var:
        return self.emit("astype", "cast", (x,), x.shape, dtype, dtype=dtype)

    def matmul(self, x: Atom, y: Atom) -> Var:
        batch = broadcast([Var(-1, x.shape[:-2], ""), Var(-1, y.shape[:-2], "")])
        shape = (*batch, *x.shape[-2:-1], *(y.shape[-1:] if y.ndim > 1 else ()))
        return self.emit("matmul", "contraction", (x, y), shape)

    def reduce(self, name: str, x: Atom, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Var:
        axes = tuple(range(x.ndim)) if axis is None else axis
        shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
        return self.emit(name, "reduction", (x,), shape, axis=axes, keepdims=keepdims)

    def sum(self, x: Atom, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Var:
        return self.reduce("sum", x, axis, keepdims)


_TRUTHS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan", "isfinite", "signbit"}
_TRUTHS |= {"logical_and", "logical_or", "logical_not", "bitwise_and", "bitwise_or"}

SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1.5,
    -2.25,
    3e38,
    -3e38,
    1e-38,
    1e-44,
    -1e-45,
    float("inf"),
    float("-inf"),
    float("nan"),
]
"""Numbers at which rounding, overflow, the sign of zero and the lack of an order show."""


def specials(*shape: int, shift: int = 0, dtype: str = "float32") -> Any:
    """Return an array that goes through the special numbers, again and again, starting at ``shift``."""
    count = int(np.prod(shape))
    return np.asarray([SPECIAL[(i * (1 + shift) + shift) % len(SPECIAL)] for i in range(count)], dtype).reshape(shape)


def equations(graph: Graph, name: str) -> list[Equation]:
    return [e for e in graph.equations if e.name == name]


def as_dtype(graph: Graph, dtype: str) -> Graph:
    """Return a graph with ``dtype`` in the place of float32."""

    def var(x: Atom) -> Atom:
        if isinstance(x, Literal):
            return Literal(x.value, dtype) if x.dtype == "float32" else x
        return Var(x.number, x.shape, dtype) if x.dtype == "float32" else x

    def row(xs: Sequence[Atom]) -> Any:
        return tuple(map(var, xs))

    def static(e: Equation) -> Any:
        return tuple((k, dtype if (k, v) == ("dtype", "float32") else v) for k, v in e.static)

    equations = [Equation(e.name, e.kind, row(e.operands), static(e), row(e.results)) for e in graph.equations]
    return Graph(row(graph.inputs), row(graph.captured), tuple(equations), row(graph.outputs))


def close(found: Sequence[Any], truth: Sequence[Any], eager: Sequence[Any]) -> bool:
    """Say whether values in float32 are as near to those in float64 as the eager ones are, or within a few roundings:
    of the largest in an array, for where sums cancel.
    """
    for x, y, z in zip(found, truth, eager, strict=True):
        scale = np.max(np.abs(y), initial=1e-30)
        allowed = np.maximum(4 * np.max(np.abs(z - y), initial=0), 64 * np.finfo("float32").eps * scale)
        if x.shape != y.shape or x.dtype != z.dtype or not np.all(np.abs(x - y) <= allowed):
            return False
    return True
