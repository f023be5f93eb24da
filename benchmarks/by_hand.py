"""The training steps written out in plain NumPy, gradients and all.

In float64 they are the truth that every peer is held to; in float32 they are a peer of their own. The arguments are
lists of arrays, and a step returns ``(loss, gradients, new parameters)``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["EPS", "Step", "adam", "attention", "linear", "relu_mlp", "sgd", "tanh_mlp", "wave"]

Arrays = Sequence[np.ndarray]
Gradients = tuple[Any, list[np.ndarray]]
Step = Callable[[], tuple[Any, list[np.ndarray], list[np.ndarray]]]

EPS = 1e-5


def linear(params: Arrays, inputs: Arrays) -> Gradients:
    (w, b), (x, y) = params, inputs
    d = x @ w.T + b - y
    g = d * (2 / d.size)
    return np.mean(d * d), [g.T @ x, np.sum(g, axis=0)]


def tanh_mlp(params: Arrays, inputs: Arrays) -> Gradients:
    (w1, b1, w2, b2, w3, b3), (x, y) = params, inputs
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    d = h2 @ w3 + b3 - y
    g3 = d * (2 / d.size)
    g2 = (g3 @ w3.T) * (1 - h2 * h2)
    g1 = (g2 @ w2.T) * (1 - h1 * h1)
    grads = [x.T @ g1, np.sum(g1, axis=0), h1.T @ g2, np.sum(g2, axis=0), h2.T @ g3, np.sum(g3, axis=0)]
    return np.mean(d * d), grads


def relu_mlp(params: Arrays, inputs: Arrays) -> Gradients:
    x, labels = inputs
    weights, biases = params[::2], params[1::2]
    layers = [x]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        layers.append(np.maximum(layers[-1] @ w + b, 0))
    z = layers[-1] @ weights[-1] + biases[-1]
    z = z - np.max(z, axis=1, keepdims=True)
    e = np.exp(z)
    total = np.sum(e, axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = np.mean(np.log(total[:, 0]) - z[rows, labels])
    g = e / total
    g[rows, labels] -= 1
    g /= len(labels)
    grads: list[np.ndarray] = []
    for w, h in zip(reversed(weights), reversed(layers), strict=True):
        grads = [h.T @ g, np.sum(g, axis=0), *grads]
        if h is not x:
            g = (g @ w.T) * (h > 0)
    return loss, grads


def wave(params: Arrays, inputs: Arrays) -> Gradients:
    (w, b), (x,) = params, inputs
    xw, xx = x * w, x * x
    e, t, log = np.exp(-xx), np.tanh(xw + b), np.log1p(xx)
    gb = (1 - t * t) * log / x.size
    gw = (np.cos(xw) * e / x.size + gb) * x
    return np.mean(np.sin(xw) * e + t * log), [gw, gb]


def attention(params: Arrays, inputs: Arrays) -> Gradients:
    (wq, wk, wv, wo), (x, y) = params, inputs
    scale = x.shape[-1] ** -0.5
    q, k, v = x @ wq, x @ wk, x @ wv
    s = (q @ k.mT) * scale
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    a = e / np.sum(e, axis=-1, keepdims=True)
    o = a @ v
    h = x + o @ wo
    h = h - np.mean(h, axis=-1, keepdims=True)
    inverse = 1 / np.sqrt(np.mean(h * h, axis=-1, keepdims=True) + EPS)
    n = h * inverse
    d = n - y
    gn = d * (2 / d.size)
    gh = (gn - np.mean(gn, axis=-1, keepdims=True) - n * np.mean(gn * n, axis=-1, keepdims=True)) * inverse
    go = gh @ wo.T
    ga = go @ v.mT
    gs = a * (ga - np.sum(ga * a, axis=-1, keepdims=True)) * scale
    grads = [_weight(x, gs @ k), _weight(x, gs.mT @ q), _weight(x, a.mT @ go), _weight(o, gh)]
    return np.mean(d * d), grads


def _weight(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Return the gradient of w in x @ w, summed over the batch."""
    return x.reshape(-1, x.shape[-1]).T @ g.reshape(-1, g.shape[-1])


def sgd(gradients: Callable[[Arrays, Arrays], Gradients]) -> Callable[[Arrays, Arrays, float], Step]:
    """Make a training step of ``gradients(params, inputs)`` and stochastic gradient descent."""

    def start(params: Arrays, inputs: Arrays, lr: float) -> Step:
        params = list(params)

        def step() -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
            nonlocal params
            loss, grads = gradients(params, inputs)
            params = [p - lr * g for p, g in zip(params, grads, strict=True)]
            return loss, grads, params

        return step

    return start


def adam(params: Arrays, grads: Arrays, lr: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Step:
    """Make a step of Adam (Kingma and Ba, 2015) on gradients that stay what they are."""
    params, grads, t = list(params), list(grads), 0
    means, squares = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]

    def step() -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
        nonlocal params, means, squares, t
        t += 1
        means = [b1 * m + (1 - b1) * g for m, g in zip(means, grads, strict=True)]
        squares = [b2 * v + (1 - b2) * g * g for v, g in zip(squares, grads, strict=True)]
        updates = [(m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) for m, v in zip(means, squares, strict=True)]
        params = [p - lr * u for p, u in zip(params, updates, strict=True)]
        return None, grads, params

    return step
