"""tl_arrayapi on NumPy, compiled: the module of ours.py, its steps traced once and run as straight code."""

from dataclasses import replace
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks.peers import Runner, ours
from benchmarks.peers.probe import RATE, gradients
from benchmarks.workloads import Workload

__all__ = ["module", "prepare", "runner"]


def module(workload: Workload, xp: object = None) -> tl.ScalarModule:
    """Make a module of the workload's loss on the library ``xp``; its parameters are zeros."""
    return ours.module(workload, xp, backend="compiled")


def prepare(workload: Workload) -> Runner:
    return runner(workload, module(workload))


def runner(workload: Workload, made: tl.ScalarModule) -> Runner:
    """Run the workload with the module, whose parameters become the workload's."""
    inputs = made.asarrays(workload.inputs)

    def loss_and_grads() -> tuple[Any, Any]:
        before = made.params
        value = made.step(RATE, inputs)
        after = made.params
        made.set_params(before)
        return value, gradients([np.asarray(p) for p in before], [np.asarray(p) for p in after])

    found = replace(ours.runner(workload, made), programs=lambda: len(made.programs))
    return replace(found, loss_and_grads=loss_and_grads) if workload.loss else found
