"""MyGrad: tensors over NumPy arrays, with its own losses where it has them."""

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu, softmax
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.by_hand import EPS
from benchmarks.peers import Runner
from benchmarks.workloads import Workload

__all__ = ["LOSSES", "prepare"]


def linear(w, b, x, y):
    d = mg.matmul(x, w.T) + b - y
    return mg.mean(d * d)


def tanh_mlp(w1, b1, w2, b2, w3, b3, x, y):
    h = mg.tanh(mg.matmul(x, w1) + b1)
    h = mg.tanh(mg.matmul(h, w2) + b2)
    d = mg.matmul(h, w3) + b3 - y
    return mg.mean(d * d)


def relu_mlp(*arrays):
    *params, h, labels = arrays
    weights, biases = params[::2], params[1::2]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = relu(mg.matmul(h, w) + b)
    return softmax_crossentropy(mg.matmul(h, weights[-1]) + biases[-1], labels)


def wave(w, b, x):
    xw, xx = x * w, x * x
    return mg.mean(mg.sin(xw) * mg.exp(-xx) + mg.tanh(xw + b) * mg.log1p(xx))


def attention(wq, wk, wv, wo, x, y):
    q, k, v = mg.matmul(x, wq), mg.matmul(x, wk), mg.matmul(x, wv)
    s = mg.matmul(q, mg.swapaxes(k, 1, 2)) * np.float32(x.shape[-1] ** -0.5)
    h = x + mg.matmul(mg.matmul(softmax(s, axis=-1), v), wo)
    h = h - mg.mean(h, axis=-1, keepdims=True)
    d = h / mg.sqrt(mg.mean(h * h, axis=-1, keepdims=True) + np.float32(EPS)) - y
    return mg.mean(d * d)


LOSSES = {"W1": linear, "W2": tanh_mlp, "W3": relu_mlp, "W4": relu_mlp, "W5": wave, "W6": attention}


def prepare(workload: Workload) -> Runner | None:
    if workload.loss is None:
        return None
    loss, inputs, lr = LOSSES[workload.name], workload.inputs, workload.lr
    params = [mg.tensor(p) for p in workload.params]

    def loss_and_grads():
        value = loss(*params, *inputs)
        value.backward()
        return value.item(), [p.grad for p in params]

    def step() -> None:
        loss(*params, *inputs).backward()
        for p in params:
            p.data -= lr * p.grad

    return Runner(step, lambda: [p.data for p in params], loss_and_grads)
