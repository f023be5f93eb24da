"""Programs traced from Python: the benchmarks' steps, losses of other kinds, and the gradient of every function."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks.workloads import workload
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.containers import map_tree
from tl_arrayapi.autograd.tracer import TracingNamespace
from tl_arrayapi.graph import Graph

NUMPY = tl.namespace(np)


def trace(function: Callable[..., Any], *arrays: Any) -> tuple[Graph, list[Any]]:
    """Return the program of a function of arrays like these, and what it is given: these, and what it captured."""
    inside = TracingNamespace(NUMPY, None)
    out = function(*[inside.ground.input(a.shape, a.dtype) for a in arrays])
    outputs: list[Any] = []
    map_tree(lambda x, path: outputs.append(inside.lift(x)) if isinstance(x, Array) else None, out, "")
    graph, captured = inside.ground.finish(outputs)
    return graph, [*arrays, *captured]


def split(flat: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    xp = tl.array_namespace(flat)
    parts, place = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        parts.append(xp.reshape(flat[place : place + size], shape))
        place += size
    return parts


def join(arrays: Sequence[Any]) -> Any:
    xp = tl.array_namespace(*arrays)
    return xp.concat([xp.reshape(x, (-1,)) for x in arrays])


def flat_step(loss: Callable[..., Any], params: Sequence[Any]) -> Callable[..., Any]:
    """Return a step of gradient descent, on parameters that lie in one flat array, as a compiled module traces it."""
    shapes = [p.shape for p in params]
    gradient = tl.value_and_grad(loss, argnums=tuple(range(len(params))))

    def step(flat: Any, lr: Any, *inputs: Any) -> Any:
        parts = split(flat, shapes)
        value, grads = gradient(*parts, *inputs)
        return value, join([p + (-lr * g) for p, g in zip(parts, grads, strict=True)])

    return step


def benchmark(name: str) -> tuple[Graph, list[Any]]:
    """Return a benchmark's step and what it is given."""
    w = workload(name)
    flat, lr = np.concatenate([p.ravel() for p in w.params]), np.asarray(w.lr, np.float32)
    given = [flat, lr, *w.inputs]
    return trace(flat_step(w.loss, w.params), *given)


# ---- losses of other kinds
def gru(w: Any, u: Any, b: Any, h: Any, xs: Any) -> Any:
    """Return the mean square of the last state of a gated recurrent unit over the rows of ``xs``."""
    xp = tl.array_namespace(w)
    n = h.shape[-1]
    for t in range(xs.shape[0]):
        gates = xs[t, ...] @ w + h @ u + b
        z, r = (1 / (1 + xp.exp(-gates[..., i * n : (i + 1) * n])) for i in range(2))
        fresh = xp.tanh(gates[..., 2 * n :] * r)
        h = (1 - z) * h + z * fresh
    return xp.mean(h * h)


def layer_norm(w: Any, scale: Any, shift: Any, x: Any) -> Any:
    xp = tl.array_namespace(w)
    h = x @ xp.matrix_transpose(w)
    centred = h - xp.mean(h, axis=-1, keepdims=True)
    normal = centred / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)
    return xp.mean(xp.abs(normal * scale + shift))


def convolution(w: Any, b: Any, x: Any) -> Any:
    """Return the mean of a 3 x 3 convolution made of slices, with a leaky relu behind it."""
    xp = tl.array_namespace(w)
    rows, columns = x.shape[-2] - 2, x.shape[-1] - 2
    out = sum(w[i, j] * x[..., i : i + rows, j : j + columns] for i in range(3) for j in range(3)) + b
    return xp.mean(xp.where(out > 0, out, 0.1 * out) ** 2)


def _draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * np.float32(0.5)


LOSSES: dict[str, tuple[Callable[..., Any], list[Any], list[Any]]] = {
    "gru": (
        gru,
        [_draw(3, 12), _draw(4, 12, seed=1), _draw(12, seed=2)],
        [_draw(2, 4, seed=3), _draw(20, 2, 3, seed=4)],
    ),
    "layer_norm": (layer_norm, [_draw(5, 4), _draw(5, seed=1), _draw(5, seed=2)], [_draw(3, 6, 4, seed=3)]),
    "convolution": (convolution, [_draw(3, 3), _draw(1, seed=1)], [_draw(2, 8, 7, seed=2)]),
}


def other(name: str) -> tuple[Graph, list[Any]]:
    loss, params, inputs = LOSSES[name]
    given = [np.concatenate([p.ravel() for p in params]), np.asarray(0.1, np.float32), *inputs]
    return trace(flat_step(loss, params), *given)
