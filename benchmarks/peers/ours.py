"""tl_arrayapi on NumPy, eager: the workload's loss as it is, in a module, with every check that a user's call has."""

from typing import Any

import tl_arrayapi as tl
from benchmarks.peers import Runner
from benchmarks.workloads import Workload

__all__ = ["module", "prepare", "runner"]


def module(workload: Workload, xp: object = None, backend: str = "eager") -> tl.ScalarModule:
    """Make a module of the workload's loss on the library ``xp``; its parameters are zeros."""
    definition = tl.ScalarModuleDef(
        workload.loss or _none,
        param_shapes=[p.shape for p in workload.params],
        input_shapes=[x.shape for x in workload.inputs],
    )
    options = tl.Options(xp=xp, backend=backend)
    return definition.instantiate_float_with_runtime_init(options, [tl.init.zeros() for _ in workload.params])


def _none(*params: Any) -> Any:
    """Stand for the loss of an update alone."""
    raise AssertionError("an update alone has no loss that could be called")


def prepare(workload: Workload) -> Runner:
    return runner(workload, module(workload))


def runner(workload: Workload, made: tl.ScalarModule) -> Runner:
    """Run the workload with the module, whose parameters become the workload's."""
    made.set_params(made.asarrays(workload.params))
    if workload.loss is None:
        return _update(workload, made)
    inputs, lr = made.asarrays(workload.inputs), workload.lr
    return Runner(lambda: made.step(lr, inputs), lambda: made.params, lambda: made.loss_and_grads(inputs))


def _update(workload: Workload, made: tl.ScalarModule) -> Runner:
    optimizer, grads = tl.optim.adam(workload.lr), made.asarrays(workload.inputs)
    state = made.init_optim(optimizer)

    def step() -> None:
        nonlocal state
        state = made.apply_gradients(optimizer, state, grads)

    return Runner(step, lambda: made.params)
