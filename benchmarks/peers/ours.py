"""tl_arrayapi on NumPy, eager: the workload's loss as it is, in a module, with every check that a user's call has."""

import tl_arrayapi as tl
from benchmarks.peers import Runner
from benchmarks.workloads import Workload

__all__ = ["module", "prepare"]


def module(workload: Workload, xp: object = None) -> tl.ScalarModule:
    """Make a module of the workload's loss on the library ``xp``; its parameters are zeros."""
    definition = tl.ScalarModuleDef(
        workload.loss,
        param_shapes=[p.shape for p in workload.params],
        input_shapes=[x.shape for x in workload.inputs],
    )
    return definition.instantiate_float_with_runtime_init(tl.Options(xp=xp), [tl.init.zeros() for _ in workload.params])


def prepare(workload: Workload) -> Runner:
    return _training(workload) if workload.loss else _update(workload)


def _training(workload: Workload) -> Runner:
    made, inputs, lr = module(workload), tuple(workload.inputs), workload.lr
    made.set_params(workload.params)
    return Runner(lambda: made.step(lr, inputs), lambda: made.params, lambda: made.loss_and_grads(inputs))


def _update(workload: Workload) -> Runner:
    optimizer, params, grads = tl.optim.adam(workload.lr), workload.params, workload.inputs
    state = optimizer.init(params)

    def step() -> None:
        nonlocal params, state
        params, state = optimizer.step(state, params, grads)

    return Runner(step, lambda: params)
