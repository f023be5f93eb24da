"""Those that are timed: one module a peer, each with ``prepare(workload) -> Runner``, or None where it has none.

A peer is imported when it is asked for, so that one that is not installed keeps none of the others from running.
To add a peer, write its module and a line below.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.workloads import Workload

__all__ = ["COMPILED", "COMPILERS", "EAGER", "ON_COMPILERS", "TITLES", "Runner", "prepare"]

TITLES = {
    "ours": "tl_arrayapi",
    "ours_compiled": "tl_arrayapi, compiled",
    "ours_torch": "tl_arrayapi on PyTorch, compiled",
    "ours_jax": "tl_arrayapi on JAX, compiled",
    "naive": "NumPy, naive",
    "h2": "NumPy, H2",
    "torch_eager": "torch",
    "torch_compiled": "torch.compile",
    "hips": "HIPS autograd",
    "mygrad_eager": "MyGrad",
    "jax_eager": "JAX, not jitted",
    "jax_jit": "JAX, jitted",
    "jax_first": "JAX, jitted, with compilation",
    "torch_func": "torch.func",
}
EAGER = ("ours", "naive", "h2", "torch_eager", "hips", "mygrad_eager")
COMPILERS = ("ours_compiled", "torch_compiled", "jax_jit")
COMPILED = ("ours_compiled", "h2", "jax_jit", "torch_compiled", "ours", "naive", "torch_eager", "hips", "mygrad_eager")
ON_COMPILERS = ("ours_torch", "torch_compiled", "ours_jax", "jax_jit")


@dataclass(frozen=True)
class Runner:
    """A workload made ready by a peer.

    ``step()`` takes one whole training step. ``loss_and_grads()`` gives them at the present parameters (None for an
    update alone), and ``params()`` the parameters, as NumPy arrays. ``programs()`` is how many programs a compiler has
    made for the steps taken so far.
    """

    step: Callable[[], Any]
    params: Callable[[], Sequence[np.ndarray]]
    loss_and_grads: Callable[[], tuple[Any, Sequence[np.ndarray]]] | None = None
    programs: Callable[[], int] | None = None


def prepare(peer: str, workload: Workload) -> Runner | None:
    """Make ``workload`` ready to run by ``peer``; None where it has no such thing. ImportError: not installed."""
    runner: Runner | None = import_module(f"{__name__}.{peer}").prepare(workload)
    return runner
