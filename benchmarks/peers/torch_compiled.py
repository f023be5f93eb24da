"""PyTorch: the losses of torch_eager.py, the whole step as one program of torch.compile, which may break nowhere."""

from collections.abc import Callable
from typing import Any

import torch
from torch._dynamo.exc import TorchDynamoException
from torch._inductor.compile_fx import compile_fx
from torch.optim.adam import adam

from benchmarks.check import FellBackError
from benchmarks.peers import Runner
from benchmarks.peers.probe import RATE, gradients
from benchmarks.peers.torch_eager import LOSSES
from benchmarks.workloads import Workload

__all__ = ["prepare"]


def prepare(workload: Workload) -> Runner:
    return _training(workload) if workload.loss else _update(workload)


def _compiled(f: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[[], int]]:
    """Return ``f`` compiled as a whole, and a function that tells how many graphs of it were compiled.

    A graph break raises, and so does what cannot be compiled, say for want of a C++ compiler.
    """
    graphs = []

    def compiler(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return compile_fx(graph, inputs)

    compiled = torch.compile(f, backend=compiler, fullgraph=True, dynamic=False)

    def run(*args: Any) -> Any:
        try:
            return compiled(*args)
        except TorchDynamoException as error:
            raise FellBackError(str(error).strip().splitlines()[0]) from error

    return run, lambda: len(graphs)


def _training(workload: Workload) -> Runner:
    params, inputs = ([torch.tensor(a) for a in arrays] for arrays in (workload.params, workload.inputs))
    differentiate = torch.func.grad_and_value(LOSSES[workload.name], argnums=tuple(range(len(params))))
    rate, great = torch.tensor(workload.lr), torch.tensor(RATE)

    def descend(params, inputs, rate):
        grads, value = differentiate(*params, *inputs)
        for p, g in zip(params, grads, strict=True):
            p.sub_(rate * g)
        return value

    compiled, programs = _compiled(descend)

    def loss_and_grads():
        before, after = ([p.clone() for p in params] for _ in range(2))
        value = compiled(after, inputs, great)
        return value.item(), gradients([p.numpy() for p in before], [p.numpy() for p in after])

    return Runner(lambda: compiled(params, inputs, rate), lambda: [p.numpy() for p in params], loss_and_grads, programs)


def _update(workload: Workload) -> Runner:
    params, grads = ([torch.tensor(a) for a in arrays] for arrays in (workload.params, workload.inputs))
    means, squares = ([torch.zeros_like(p) for p in params] for _ in range(2))
    steps = [torch.zeros(()) for _ in params]

    # The function behind torch.optim.Adam, whose own step() asks for a graph break; it takes as long.
    def update(params, grads, means, squares, steps):
        adam(
            params,
            grads,
            means,
            squares,
            [],
            steps,
            foreach=False,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=workload.lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    compiled, programs = _compiled(update)
    return Runner(
        lambda: compiled(params, grads, means, squares, steps), lambda: [p.numpy() for p in params], programs=programs
    )
