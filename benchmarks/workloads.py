"""What is timed: W1 to W7, each a set of arrays, a loss written against the standard, and the same step by hand.

Nothing here may know of a peer. The losses take the namespace of their arrays, so that they run on any library.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks import by_hand

__all__ = ["MAKERS", "TRUTH_STEPS", "Truth", "Workload", "workload"]

TRUTH_STEPS = 3


@dataclass(frozen=True)
class Truth:
    """What a float64 run gives: loss and gradients at the start, and the parameters after ``TRUTH_STEPS`` steps."""

    loss: Any
    grads: list[np.ndarray]
    params: list[np.ndarray]


@dataclass(frozen=True)
class Workload:
    """One training step: float32 ``params``, ``inputs`` (float32, or int64 labels), and a ``loss(*params, *inputs)``.

    W7, the update of an optimiser alone, has no loss; its inputs are the gradients. ``tolerance`` bounds the relative
    error, in norm, that is allowed to float32.
    """

    name: str
    title: str
    params: list[np.ndarray]
    inputs: list[np.ndarray]
    lr: float
    loss: Callable[..., Any] | None
    by_hand: Callable[..., by_hand.Step]
    tolerance: float = 1e-4

    def truth(self) -> Truth:
        """Work out the right answer by hand, in float64."""
        step = self.by_hand(_widen(self.params), _widen(self.inputs), self.lr)
        loss, grads, params = step()
        for _ in range(TRUTH_STEPS - 1):
            _, _, params = step()
        return Truth(loss, grads, params)


def _widen(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]


# ---------------------------------------------------------------- the losses
def linear(w: Any, b: Any, x: Any, y: Any) -> Any:
    """Return the mean squared error of x w^T + b."""
    xp = tl.array_namespace(w, b, x, y)
    d = x @ xp.matrix_transpose(w) + b - y
    return xp.mean(d * d)


def tanh_mlp(w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, y: Any) -> Any:
    """Return the mean squared error of a network with two tanh layers."""
    xp = tl.array_namespace(w1, x)
    h = xp.tanh(x @ w1 + b1)
    h = xp.tanh(h @ w2 + b2)
    d = h @ w3 + b3 - y
    return xp.mean(d * d)


def relu_mlp(*arrays: Any) -> Any:
    """Return the cross-entropy, on integer labels, of a network with relu layers: w1, b1, w2, b2, ..., x, labels."""
    *params, x, labels = arrays
    xp = tl.array_namespace(x)
    weights, biases = params[::2], params[1::2]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        x = xp.maximum(x @ w + b, 0.0)
    logits = x @ weights[-1] + biases[-1]
    z = logits - tl.stop_gradient(xp.max(logits, axis=1, keepdims=True))
    chosen = xp.take_along_axis(z, xp.expand_dims(labels, axis=1), axis=1)
    return xp.mean(xp.log(xp.sum(xp.exp(z), axis=1))) - xp.mean(chosen)


def wave(w: Any, b: Any, x: Any) -> Any:
    """Return the mean of a long elementwise expression."""
    xp = tl.array_namespace(w, b, x)
    xw, xx = x * w, x * x
    return xp.mean(xp.sin(xw) * xp.exp(-xx) + xp.tanh(xw + b) * xp.log1p(xx))


def attention(wq: Any, wk: Any, wv: Any, wo: Any, x: Any, y: Any) -> Any:
    """Return the mean squared error of self-attention, a residual and a layer norm without scale or shift."""
    xp = tl.array_namespace(wq, x)
    q, k, v = x @ wq, x @ wk, x @ wv
    s = (q @ xp.matrix_transpose(k)) * x.shape[-1] ** -0.5
    e = xp.exp(s - tl.stop_gradient(xp.max(s, axis=-1, keepdims=True)))
    a = e / xp.sum(e, axis=-1, keepdims=True)
    h = x + (a @ v) @ wo
    h = h - xp.mean(h, axis=-1, keepdims=True)
    n = h / xp.sqrt(xp.mean(h * h, axis=-1, keepdims=True) + by_hand.EPS)
    d = n - y
    return xp.mean(d * d)


# ---------------------------------------------------------------- their data
def _normal(rng: np.random.Generator, *shape: int, std: float = 1.0) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(std)


def _layers(rng: np.random.Generator, sizes: Sequence[int]) -> list[np.ndarray]:
    """Draw a weight [in, out] of variance 2 / (in + out) and a bias for each layer."""
    params = []
    for fan_in, fan_out in pairwise(sizes):
        params += [_normal(rng, fan_in, fan_out, std=(2 / (fan_in + fan_out)) ** 0.5), _normal(rng, fan_out, std=0.1)]
    return params


def make_linear(rng: np.random.Generator) -> Workload:
    params, inputs = [_normal(rng, 1, 8), _normal(rng, 1)], [_normal(rng, 16, 8), _normal(rng, 16, 1)]
    return Workload("W1", "linear regression, 16 x 8", params, inputs, 0.01, linear, by_hand.sgd(by_hand.linear))


def make_tanh_mlp(rng: np.random.Generator) -> Workload:
    params, inputs = _layers(rng, (32, 64, 64, 1)), [_normal(rng, 32, 32), _normal(rng, 32, 1)]
    title = "MLP 32-64-64-1, tanh, batch 32"
    return Workload("W2", title, params, inputs, 0.01, tanh_mlp, by_hand.sgd(by_hand.tanh_mlp))


def make_relu_mlp(rng: np.random.Generator, name: str, title: str, batch: int, sizes: Sequence[int]) -> Workload:
    params, inputs = _layers(rng, sizes), [_normal(rng, batch, sizes[0]), rng.integers(0, sizes[-1], batch)]
    # One relu whose argument rounds to the other side of zero moves the gradient's norm by about 1e-3.
    return Workload(name, title, params, inputs, 0.01, relu_mlp, by_hand.sgd(by_hand.relu_mlp), tolerance=3e-3)


def make_wave(rng: np.random.Generator) -> Workload:
    size = 1 << 22
    params, inputs = [_normal(rng, size), _normal(rng, size)], [_normal(rng, size)]
    # The mean makes each gradient tiny; a learning rate of the size makes the update visible in float32.
    return Workload("W5", "elementwise, 4M elements", params, inputs, 0.01 * size, wave, by_hand.sgd(by_hand.wave))


def make_attention(rng: np.random.Generator) -> Workload:
    params = [_normal(rng, 64, 64, std=0.125) for _ in range(4)]
    inputs = [_normal(rng, 8, 64, 64), _normal(rng, 8, 64, 64)]
    title = "self-attention, residual, layer norm, 8 x 64 x 64"
    return Workload("W6", title, params, inputs, 0.1, attention, by_hand.sgd(by_hand.attention))


def make_adam(rng: np.random.Generator) -> Workload:
    params, grads = ([_normal(rng, 64, 64) for _ in range(50)] for _ in range(2))
    return Workload("W7", "Adam's update alone, 50 x 64 x 64", params, grads, 1e-3, None, by_hand.adam)


W3 = ("W3", "MLP 784-256-10, relu, cross-entropy, batch 128", 128, (784, 256, 10))
W4 = ("W4", "MLP 1024-2048-2048-10, relu, cross-entropy, batch 512", 512, (1024, 2048, 2048, 10))

MAKERS: dict[str, Callable[[np.random.Generator], Workload]] = {
    "W1": make_linear,
    "W2": make_tanh_mlp,
    "W3": lambda rng: make_relu_mlp(rng, *W3),
    "W4": lambda rng: make_relu_mlp(rng, *W4),
    "W5": make_wave,
    "W6": make_attention,
    "W7": make_adam,
}


def workload(name: str) -> Workload:
    """Make the workload of that name, W1 to W7: the same arrays every time."""
    return MAKERS[name](np.random.default_rng(2024))
