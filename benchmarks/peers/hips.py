"""HIPS autograd: NumPy's own functions, wrapped."""

import autograd.numpy as np
from autograd import value_and_grad

from benchmarks.by_hand import EPS
from benchmarks.peers import Runner
from benchmarks.workloads import Workload

__all__ = ["LOSSES", "prepare"]


def linear(params, x, y):
    w, b = params
    d = x @ w.T + b - y
    return np.mean(d * d)


def tanh_mlp(params, x, y):
    w1, b1, w2, b2, w3, b3 = params
    h = np.tanh(x @ w1 + b1)
    h = np.tanh(h @ w2 + b2)
    d = h @ w3 + b3 - y
    return np.mean(d * d)


def relu_mlp(params, h, labels):
    weights, biases = params[::2], params[1::2]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = np.maximum(h @ w + b, 0.0)
    z = h @ weights[-1] + biases[-1]
    z = z - np.max(z, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(labels)), labels])


def wave(params, x):
    w, b = params
    xw, xx = x * w, x * x
    return np.mean(np.sin(xw) * np.exp(-xx) + np.tanh(xw + b) * np.log1p(xx))


def attention(params, x, y):
    wq, wk, wv, wo = params
    q, k, v = x @ wq, x @ wk, x @ wv
    s = (q @ np.swapaxes(k, 1, 2)) * x.shape[-1] ** -0.5
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    a = e / np.sum(e, axis=-1, keepdims=True)
    h = x + (a @ v) @ wo
    h = h - np.mean(h, axis=-1, keepdims=True)
    d = h / np.sqrt(np.mean(h * h, axis=-1, keepdims=True) + EPS) - y
    return np.mean(d * d)


LOSSES = {"W1": linear, "W2": tanh_mlp, "W3": relu_mlp, "W4": relu_mlp, "W5": wave, "W6": attention}


def prepare(workload: Workload) -> Runner | None:
    if workload.loss is None:
        return None
    differentiate = value_and_grad(LOSSES[workload.name])
    params, inputs, lr = list(workload.params), workload.inputs, workload.lr

    def step() -> None:
        nonlocal params
        _, grads = differentiate(params, *inputs)
        params = [p - lr * g for p, g in zip(params, grads, strict=True)]

    return Runner(step, lambda: params, lambda: differentiate(params, *inputs))
