"""NumPy as one writes it first: the steps of by_hand.py in float32."""

from benchmarks.peers import Runner
from benchmarks.workloads import Workload

__all__ = ["prepare"]


def prepare(workload: Workload) -> Runner:
    """Run the step by hand; its loss and gradients are those of its first step."""
    take = workload.by_hand(workload.params, workload.inputs, workload.lr)
    params = workload.params

    def step() -> None:
        nonlocal params
        _, _, params = take()

    def loss_and_grads():
        loss, grads, _ = workload.by_hand(params, workload.inputs, workload.lr)()
        return loss, grads

    return Runner(step, lambda: params, loss_and_grads if workload.loss else None)
