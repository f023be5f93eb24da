"""tl_arrayapi on NumPy, compiled: the module of ours.py, its steps traced once and run as straight code."""

import tl_arrayapi as tl
from benchmarks.peers import Runner, ours
from benchmarks.workloads import Workload

__all__ = ["module", "prepare", "runner"]


def module(workload: Workload) -> tl.ScalarModule:
    """Make a module of the workload's loss; its parameters are zeros."""
    return ours.module(workload, backend="compiled")


def prepare(workload: Workload) -> Runner:
    return runner(workload, module(workload))


def runner(workload: Workload, made: tl.ScalarModule) -> Runner:
    """Run the workload with the module, whose parameters become the workload's."""
    return ours.runner(workload, made)
