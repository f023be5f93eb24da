"""PyTorch, eager: its own fused layers and losses, its fused Adam, and descent in place, its leanest form."""

import torch
from torch.nn import functional as F

from benchmarks.by_hand import EPS
from benchmarks.peers import Runner
from benchmarks.workloads import Workload

__all__ = ["LOSSES", "prepare"]


def linear(w, b, x, y):
    return F.mse_loss(F.linear(x, w, b), y)


def tanh_mlp(w1, b1, w2, b2, w3, b3, x, y):
    h = torch.tanh(torch.addmm(b1, x, w1))
    h = torch.tanh(torch.addmm(b2, h, w2))
    return F.mse_loss(torch.addmm(b3, h, w3), y)


def relu_mlp(*arrays):
    *params, h, labels = arrays
    weights, biases = params[::2], params[1::2]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = torch.relu(torch.addmm(b, h, w))
    return F.cross_entropy(torch.addmm(biases[-1], h, weights[-1]), labels)


def wave(w, b, x):
    xw, xx = x * w, x * x
    return torch.mean(torch.sin(xw) * torch.exp(-xx) + torch.tanh(xw + b) * torch.log1p(xx))


def attention(wq, wk, wv, wo, x, y):
    q, k, v = x @ wq, x @ wk, x @ wv
    a = torch.softmax((q @ k.mT) * x.shape[-1] ** -0.5, dim=-1)
    return F.mse_loss(F.layer_norm(x + (a @ v) @ wo, x.shape[-1:], eps=EPS), y)


LOSSES = {"W1": linear, "W2": tanh_mlp, "W3": relu_mlp, "W4": relu_mlp, "W5": wave, "W6": attention}


def prepare(workload: Workload) -> Runner:
    params = [torch.tensor(p, requires_grad=workload.loss is not None) for p in workload.params]
    inputs = [torch.tensor(x) for x in workload.inputs]
    return _training(workload, params, inputs) if workload.loss else _update(workload, params, inputs)


def _training(workload: Workload, params: list[torch.Tensor], inputs: list[torch.Tensor]) -> Runner:
    loss, lr = LOSSES[workload.name], workload.lr

    def loss_and_grads():
        value = loss(*params, *inputs)
        return value, torch.autograd.grad(value, params)

    def step() -> None:
        _, grads = loss_and_grads()
        with torch.no_grad():
            for p, g in zip(params, grads, strict=True):
                p.sub_(g, alpha=lr)

    def as_numpy():
        value, grads = loss_and_grads()
        return value.item(), [g.numpy() for g in grads]

    return Runner(step, lambda: [p.detach().numpy() for p in params], as_numpy)


def _update(workload: Workload, params: list[torch.Tensor], grads: list[torch.Tensor]) -> Runner:
    for p, g in zip(params, grads, strict=True):
        p.grad = g
    return Runner(torch.optim.Adam(params, lr=workload.lr, fused=True).step, lambda: [p.numpy() for p in params])
