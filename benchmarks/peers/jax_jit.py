"""JAX: the whole step as one jitted program, what it updates donated to it."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.by_hand import EPS
from benchmarks.peers import Runner
from benchmarks.peers.probe import RATE, gradients
from benchmarks.workloads import Workload

__all__ = ["LOSSES", "prepare"]


def linear(w, b, x, y):
    d = x @ w.T + b - y
    return jnp.mean(d * d)


def tanh_mlp(w1, b1, w2, b2, w3, b3, x, y):
    h = jnp.tanh(x @ w1 + b1)
    h = jnp.tanh(h @ w2 + b2)
    d = h @ w3 + b3 - y
    return jnp.mean(d * d)


def relu_mlp(*arrays):
    *params, h, labels = arrays
    weights, biases = params[::2], params[1::2]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = jax.nn.relu(h @ w + b)
    log_p = jax.nn.log_softmax(h @ weights[-1] + biases[-1], axis=1)
    return -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], axis=1))


def wave(w, b, x):
    xw, xx = x * w, x * x
    return jnp.mean(jnp.sin(xw) * jnp.exp(-xx) + jnp.tanh(xw + b) * jnp.log1p(xx))


def attention(wq, wk, wv, wo, x, y):
    q, k, v = x @ wq, x @ wk, x @ wv
    a = jax.nn.softmax((q @ k.mT) * x.shape[-1] ** -0.5, axis=-1)
    h = x + (a @ v) @ wo
    h = h - jnp.mean(h, axis=-1, keepdims=True)
    d = h / jnp.sqrt(jnp.mean(h * h, axis=-1, keepdims=True) + EPS) - y
    return jnp.mean(d * d)


LOSSES = {"W1": linear, "W2": tanh_mlp, "W3": relu_mlp, "W4": relu_mlp, "W5": wave, "W6": attention}


def prepare(workload: Workload) -> Runner:
    return _training(workload) if workload.loss else _update(workload)


def _arrays(arrays: list[np.ndarray]) -> list[jax.Array]:
    return [jnp.array(a) for a in arrays]  # A copy: what is donated must not be the workload's own memory.


def _training(workload: Workload) -> Runner:
    params, inputs = _arrays(workload.params), _arrays(workload.inputs)
    differentiate = jax.value_and_grad(LOSSES[workload.name], argnums=tuple(range(len(params))))
    rate, great = jnp.float32(workload.lr), jnp.float32(RATE)

    def descend(params, inputs, rate):
        value, grads = differentiate(*params, *inputs)
        return value, [p - rate * g for p, g in zip(params, grads, strict=True)]

    compiled = jax.jit(descend, donate_argnums=0)

    def step() -> jax.Array:
        nonlocal params
        value, params = compiled(params, inputs, rate)
        return value.block_until_ready()

    def loss_and_grads():
        before = [np.asarray(p).copy() for p in params]
        value, after = compiled(_arrays(before), inputs, great)
        return value, gradients(before, after)

    return Runner(step, lambda: params, loss_and_grads, compiled._cache_size)


def _update(workload: Workload) -> Runner:
    lr, b1, b2, eps = workload.lr, 0.9, 0.999, 1e-8
    params, grads = _arrays(workload.params), _arrays(workload.inputs)
    state = params, [jnp.zeros_like(p) for p in params], [jnp.zeros_like(p) for p in params], jnp.float32(0)

    def adam(state, grads):
        params, means, squares, t = state
        t = t + 1
        means = [b1 * m + (1 - b1) * g for m, g in zip(means, grads, strict=True)]
        squares = [b2 * v + (1 - b2) * g * g for v, g in zip(squares, grads, strict=True)]
        c1, c2 = 1 - b1**t, 1 - b2**t
        params = [p - lr * (m / c1) / (jnp.sqrt(v / c2) + eps) for p, m, v in zip(params, means, squares, strict=True)]
        return params, means, squares, t

    compiled = jax.jit(adam, donate_argnums=0)

    def step() -> None:
        nonlocal state
        state = compiled(state, grads)
        state[0][0].block_until_ready()

    return Runner(step, lambda: state[0], programs=compiled._cache_size)
