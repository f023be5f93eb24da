"""tl_arrayapi on PyTorch, compiled: the module of ours.py, its steps by torch.compile."""

from dataclasses import replace

import torch

from benchmarks.peers import Runner, ours_compiled
from benchmarks.workloads import Workload

__all__ = ["prepare"]


def prepare(workload: Workload) -> Runner:
    module = ours_compiled.module(workload, torch)
    found = ours_compiled.runner(workload, module)
    return replace(found, programs=lambda: sum(program.compilations for program in module.programs))
