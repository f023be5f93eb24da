"""tl_arrayapi on PyTorch, compiled: the module of ours.py, its steps by torch.compile."""

from dataclasses import replace

import torch
from torch._dynamo.utils import counters

from benchmarks.peers import Runner, ours_compiled
from benchmarks.workloads import Workload

__all__ = ["prepare"]


def prepare(workload: Workload) -> Runner:
    before = counters["stats"]["unique_graphs"]
    found = ours_compiled.runner(workload, ours_compiled.module(workload, torch))
    return replace(found, programs=lambda: counters["stats"]["unique_graphs"] - before)
