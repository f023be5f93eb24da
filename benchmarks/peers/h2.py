"""H2, NumPy by an expert's hand: arrays allocated beforehand, ``out=`` everywhere, long elementwise runs in blocks.

What a good code generator should reach. Python scalars are made 0-d arrays beforehand, sums along short axes are
products with ones, and parameters and gradients lie in one flat buffer each, so that an update is two calls.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from benchmarks.by_hand import EPS
from benchmarks.peers import Runner
from benchmarks.workloads import Workload

__all__ = ["prepare"]

Arrays = Sequence[np.ndarray]
BLOCK = 1 << 14


def prepare(workload: Workload) -> Runner:
    flat, params = _flat(workload.params)
    if workload.loss is None:
        return Runner(_adam(flat, _flat(workload.inputs)[0], workload.lr), lambda: params)
    if workload.name == "W5":
        loss_and_grads, step = _wave(params, workload.inputs, workload.lr)
        return Runner(step, lambda: params, loss_and_grads)
    flat_grads, grads = _flat([np.zeros_like(p) for p in params])
    loss = GRADIENTS[workload.name](params, grads, workload.inputs)
    lr = _scalar(workload.lr)

    def step() -> None:
        loss()
        np.multiply(flat_grads, lr, flat_grads)
        np.subtract(flat, flat_grads, flat)

    return Runner(step, lambda: params, lambda: (loss(), grads))


def _flat(arrays: Arrays) -> tuple[np.ndarray, list[np.ndarray]]:
    """Lay copies of the arrays one after another in one 64-byte aligned buffer; return it and its views."""
    starts, size = [], 0
    for a in arrays:
        starts.append(size)
        size += -(-a.size // 16) * 16
    raw = np.zeros(size + 16, np.float32)
    flat = raw[-(raw.ctypes.data // 4) % 16 :][:size]
    views = [flat[i : i + a.size].reshape(a.shape) for i, a in zip(starts, arrays, strict=True)]
    for view, a in zip(views, arrays, strict=True):
        view[...] = a
    return flat, views


def _scalar(value: float) -> np.ndarray:
    return np.asarray(value, np.float32)


def _empty(*shape: int) -> np.ndarray:
    return np.empty(shape, np.float32)


def _blocks(*arrays: np.ndarray) -> list[list[np.ndarray]]:
    """Cut flat arrays of one size into views that fit the cache together."""
    return [[a[i : i + BLOCK] for a in arrays] for i in range(0, arrays[0].size, BLOCK)]


def _linear(params: Arrays, grads: Arrays, inputs: Arrays) -> Callable[[], Any]:
    (w, b), (gw, gb), (x, y) = params, grads, inputs
    d, wt, gwt = _empty(*y.shape), w.T, gw.T
    flat, xt, ones = d.ravel(), x.T, np.ones(len(x), np.float32)
    flat_w, scale = gb.reshape(()), _scalar(2 / d.size)

    def run() -> Any:
        x.dot(wt, d)
        np.add(d, b, d)
        np.subtract(d, y, d)
        loss = flat.dot(flat) / flat.size
        np.multiply(d, scale, d)
        xt.dot(d, gwt)
        flat.dot(ones, flat_w)
        return loss

    return run


def _tanh_mlp(params: Arrays, grads: Arrays, inputs: Arrays) -> Callable[[], Any]:
    (w1, b1, w2, b2, w3, b3), (gw1, gb1, gw2, gb2, gw3, gb3), (x, y) = params, grads, inputs
    n = len(x)
    h1, h2, d = _empty(n, w1.shape[1]), _empty(n, w2.shape[1]), _empty(*y.shape)
    g1, g2, t1, t2 = _empty(*h1.shape), _empty(*h2.shape), _empty(*h1.shape), _empty(*h2.shape)
    flat, ones, gb3 = d.ravel(), np.ones(n, np.float32), gb3.reshape(())
    xt, h1t, h2t, w2t, w3t = x.T, h1.T, h2.T, w2.T, w3.T
    one, scale = _scalar(1), _scalar(2 / d.size)

    def run() -> Any:
        x.dot(w1, h1)
        np.add(h1, b1, h1)
        np.tanh(h1, h1)
        h1.dot(w2, h2)
        np.add(h2, b2, h2)
        np.tanh(h2, h2)
        h2.dot(w3, d)
        np.add(d, b3, d)
        np.subtract(d, y, d)
        loss = flat.dot(flat) / flat.size
        np.multiply(d, scale, d)
        h2t.dot(d, gw3)
        flat.dot(ones, gb3)
        np.multiply(h2, h2, t2)
        np.subtract(one, t2, t2)
        np.multiply(d, w3t, g2)
        np.multiply(g2, t2, g2)
        h1t.dot(g2, gw2)
        ones.dot(g2, gb2)
        np.multiply(h1, h1, t1)
        np.subtract(one, t1, t1)
        g2.dot(w2t, g1)
        np.multiply(g1, t1, g1)
        xt.dot(g1, gw1)
        ones.dot(g1, gb1)
        return loss

    return run


def _relu_mlp(params: Arrays, grads: Arrays, inputs: Arrays) -> Callable[[], Any]:
    x, labels = inputs
    n, classes = len(x), params[-1].size
    weights, biases, grad_w, grad_b = params[::2], params[1::2], grads[::2], grads[1::2]
    hidden = [x] + [_empty(n, b.size) for b in biases[:-1]]
    upstream = [_empty(*h.shape) for h in hidden[1:]]
    masks = [np.empty(h.shape, np.bool_) for h in hidden[1:]]
    z, e, top, total, log = _empty(n, classes), _empty(n, classes), _empty(n, 1), _empty(n, 1), _empty(n, 1)
    zt, by_class, chosen = z.ravel(), _empty(classes, n), _empty(n)
    where, ones = np.arange(n) * classes + labels, np.ones(n, np.float32)
    ones_c, zero, one, share = np.ones((classes, 1), np.float32), _scalar(0), _scalar(1), _scalar(1 / n)
    et, top_row = e.ravel(), top.ravel()
    last = len(weights) - 1

    def run() -> Any:
        for i in range(last):
            h = hidden[i + 1]
            hidden[i].dot(weights[i], h)
            np.add(h, biases[i], h)
            np.maximum(h, zero, out=h)
        hidden[last].dot(weights[last], z)
        np.add(z, biases[last], z)
        np.copyto(by_class, z.T)
        np.maximum.reduce(by_class, 0, None, top_row)
        np.subtract(z, top, z)
        np.exp(z, e)
        e.dot(ones_c, total)
        np.log(total, log)
        zt.take(where, None, chosen, "clip")
        loss = (np.add.reduce(log, None) - np.add.reduce(chosen)) / n
        np.divide(e, total, e)
        et.take(where, None, chosen, "clip")
        np.subtract(chosen, one, chosen)
        et[where] = chosen
        np.multiply(e, share, e)
        g = e
        for i in range(last, -1, -1):
            hidden[i].T.dot(g, grad_w[i])
            ones.dot(g, grad_b[i])
            if i:
                below = upstream[i - 1]
                g.dot(weights[i].T, below)
                np.greater(hidden[i], zero, masks[i - 1])
                np.multiply(below, masks[i - 1], below)
                g = below
        return loss

    return run


def _wave(params: Arrays, inputs: Arrays, lr: float) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Work block by block, the update included, so that no whole temporary is ever made."""
    (w, b), (x,) = params, inputs
    t1, t2, t3, t4, t5 = (_empty(min(BLOCK, x.size)) for _ in range(5))
    one, share, rate = _scalar(1), _scalar(1 / x.size), _scalar(lr / x.size)
    grad_w, grad_b = _empty(x.size), _empty(x.size)

    def block(w: np.ndarray, b: np.ndarray, x: np.ndarray, scale: np.ndarray, gw: Any, gb: Any) -> float:
        """Leave scale * d/dw in gw and scale * d/db in gb; return the sum of the block's values."""
        np.multiply(x, w, t1)
        np.multiply(x, x, t2)
        np.add(t1, b, t3)
        np.tanh(t3, t3)
        np.log1p(t2, t4)
        np.negative(t2, t2)
        np.exp(t2, t2)
        np.sin(t1, t5)
        value = float(t5.dot(t2)) + float(t3.dot(t4))
        np.multiply(t3, t3, t3)
        np.subtract(one, t3, t3)
        np.multiply(t3, t4, t3)
        np.multiply(t3, scale, gb)
        np.cos(t1, t1)
        np.multiply(t1, t2, t1)
        np.multiply(t1, scale, t1)
        np.add(t1, gb, t1)
        np.multiply(t1, x, gw)
        return value

    out_w, out_b = _empty(t1.size), _empty(t1.size)

    def step() -> float:
        total = 0.0
        for pw, pb, px in _blocks(w, b, x):
            total += block(pw, pb, px, rate, out_w, out_b)
            np.subtract(pw, out_w, pw)
            np.subtract(pb, out_b, pb)
        return total / x.size

    def loss_and_grads() -> tuple[float, list[np.ndarray]]:
        total = sum(block(*views[:3], share, *views[3:]) for views in _blocks(w, b, x, grad_w, grad_b))
        return total / x.size, [grad_w, grad_b]

    return loss_and_grads, step


def _attention(params: Arrays, grads: Arrays, inputs: Arrays) -> Callable[[], Any]:
    (wq, wk, wv, wo), (gwq, gwk, gwv, gwo), (x, y) = params, grads, inputs
    batch, length, width = x.shape
    rows, wide = batch * length, (batch * length, width)
    x2, y2 = x.reshape(wide), y.reshape(wide)
    q, k, v, o, h, t, gh, go, gq, gk, gv = (_empty(*wide) for _ in range(11))
    q3, k3, v3, o3, go3, gq3, gk3, gv3 = (a.reshape(x.shape) for a in (q, k, v, o, go, gq, gk, gv))
    s, gs = _empty(batch, length, length), _empty(batch, length, length)
    s2, gs2, st = s.reshape(-1, length), gs.reshape(-1, length), _empty(batch, length, length)
    top, col, inverse = _empty(rows, 1), _empty(rows, 1), _empty(rows, 1)
    ones_l, ones_w = np.ones((length, 1), np.float32), np.ones((width, 1), np.float32)
    mean_w = np.full((width, 1), 1 / width, np.float32)
    scale, eps, share = _scalar(width**-0.5), _scalar(EPS), _scalar(2 / prod(wide))
    flat, one = t.ravel(), _scalar(1)

    def run() -> Any:
        x2.dot(wq, q)
        x2.dot(wk, k)
        x2.dot(wv, v)
        np.multiply(q, scale, q)
        np.matmul(q3, k3.mT, s)
        np.maximum.reduce(s2, 1, None, top, True)
        np.subtract(s2, top, s2)
        np.exp(s2, s2)
        s2.dot(ones_l, col)
        np.divide(one, col, col)
        np.multiply(s2, col, s2)
        np.matmul(s, v3, o3)
        o.dot(wo, h)
        np.add(h, x2, h)
        h.dot(mean_w, col)
        np.subtract(h, col, h)
        np.multiply(h, h, t)
        t.dot(mean_w, inverse)
        np.add(inverse, eps, inverse)
        np.sqrt(inverse, inverse)
        np.divide(one, inverse, inverse)
        np.multiply(h, inverse, h)
        np.subtract(h, y2, t)
        loss = flat.dot(flat) / flat.size
        # Backward: of the layer norm, h being its output.
        np.multiply(t, share, gh)
        np.multiply(gh, h, t)
        t.dot(mean_w, col)
        np.multiply(h, col, t)
        gh.dot(mean_w, col)
        np.subtract(gh, col, gh)
        np.subtract(gh, t, gh)
        np.multiply(gh, inverse, gh)
        # Of the attention.
        o.T.dot(gh, gwo)
        gh.dot(wo.T, go)
        np.copyto(st, s.mT)
        np.matmul(st, go3, gv3)
        np.matmul(go3, v3.mT, gs)
        np.multiply(go, o, t)
        t.dot(ones_w, col)  # The row sums of gs * s, since s v = o.
        np.subtract(gs2, col, gs2)
        np.multiply(gs2, s2, gs2)
        np.matmul(gs, k3, gq3)
        np.copyto(st, gs.mT)
        np.matmul(st, q3, gk3)  # The scale is in q already.
        np.multiply(gq, scale, gq)
        x2.T.dot(gq, gwq)
        x2.T.dot(gk, gwk)
        x2.T.dot(gv, gwv)
        return loss

    return run


def _adam(params: np.ndarray, grads: np.ndarray, lr: float) -> Callable[[], None]:
    b1, b2 = 0.9, 0.999
    means, squares, t = np.zeros_like(params), np.zeros_like(params), 0
    u = _empty(BLOCK)
    keep1, new1, keep2, new2, eps = (_scalar(v) for v in (b1, 1 - b1, b2, 1 - b2, 1e-8))
    blocks = [[*views, u[: views[0].size]] for views in _blocks(params, grads, means, squares)]

    def step() -> None:
        nonlocal t
        t += 1
        rate, correction = _scalar(lr / (1 - b1**t)), _scalar(1 / (1 - b2**t))
        for p, g, m, v, u in blocks:
            np.multiply(m, keep1, m)
            np.multiply(g, new1, u)
            np.add(m, u, m)
            np.multiply(v, keep2, v)
            np.multiply(g, g, u)
            np.multiply(u, new2, u)
            np.add(v, u, v)
            np.multiply(v, correction, u)
            np.sqrt(u, u)
            np.add(u, eps, u)
            np.divide(m, u, u)
            np.multiply(u, rate, u)
            np.subtract(p, u, p)

    return step


GRADIENTS = {"W1": _linear, "W2": _tanh_mlp, "W3": _relu_mlp, "W4": _relu_mlp, "W6": _attention}
