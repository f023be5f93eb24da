"""tl_arrayapi on JAX, compiled: the module of ours.py, its steps by jax.jit."""

from dataclasses import replace

import jax

from benchmarks.peers import Runner, ours_compiled
from benchmarks.workloads import Workload

__all__ = ["prepare"]


def prepare(workload: Workload) -> Runner:
    module = ours_compiled.module(workload, jax.numpy)
    found = ours_compiled.runner(workload, module)

    def programs() -> int:
        return sum(program.compilations for program in module.programs)

    return replace(found, step=lambda: jax.block_until_ready(found.step()), programs=programs)
