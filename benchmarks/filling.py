"""Filling 10M float32 with a uniform distribution about 0, next to each library's own generator of [0, 1).

Each library's generator and ours run in turn, in one process. Where a generator writes into memory that is there, ours
does; where it makes a new array, ours makes one. Every fill is held to the portable fill's bits before it is timed.
"""

import importlib.util
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.check import WrongResultError
from benchmarks.timing import interleave
from tl_arrayapi import backends, init
from tl_arrayapi.backends.numpy import tiers
from tl_arrayapi.init.fills import draw
from tl_arrayapi.init.formats import FORMATS

__all__ = ["COUNT", "FILLS", "measure"]

COUNT = 10_000_000
CHUNKS = 8

SCHEME = init.uniform(-0.5, 0.5, seed=1)
RECIPE = SCHEME.recipe(FORMATS["float32"])

FILLS = {
    "generator": "numpy.random.Generator.random, into memory",
    "numpy 1": "NumPy, one thread, into memory",
    "numpy 2": "NumPy, two threads, into memory",
    "numba 1": "Numba, one thread, into memory",
    "numba 2": "Numba, two threads, into memory",
    "torch": "torch.rand, one thread",
    "ours on torch": "PyTorch's tensors by NumPy, one thread",
    "ours on torch, numba": "PyTorch's tensors by Numba, one thread",
    "jax": "jax.random.uniform, jitted",
    "ours on jax": "JAX's arrays",
    "dask 1": f"Dask, {CHUNKS} chunks by NumPy, one worker",
    "dask 2": f"Dask, {CHUNKS} chunks by NumPy, two workers",
    "cupy": "cupy: a plain fill of a new array",
    "ours on cupy": "CuPy's arrays",
}
"""What is timed, by what it is called in the tables."""

Steps = dict[str, Callable[[], Any]]


def measure(rounds: int) -> dict[str, Any]:
    """Return the seconds of each fill, one number a round, and why others have none."""
    steps, notes = {}, {}
    for make in (_on_numpy, _on_numba, _on_torch, _on_jax, _on_dask, _on_cupy):
        try:
            steps.update(make())
        except ImportError as error:
            notes[make.__name__.removeprefix("_on_")] = str(error)
    return {"seconds": interleave(steps, rounds), "notes": notes}


def _ours(found: Any) -> None:
    """Raise unless an array has the portable fill's first and last values."""
    values = np.asarray(found)
    if not np.array_equal(values[:1000], draw(RECIPE, (1000,), np, "float32")):
        raise WrongResultError("a fill has other values than the portable one")
    if values[-1] != np.float32(RECIPE.at(COUNT - 1)):
        raise WrongResultError("a fill has another last value than the portable one")


def _by(numba: bool, threads: int, fill: Callable[[], Any]) -> Callable[[], Any]:
    """Have a fill on the host go by Numba's kernels, or not, on so many threads."""

    def step() -> Any:
        tiers.LOADING = 0 if numba else math.inf
        os.environ["OMP_NUM_THREADS"] = str(threads)
        return fill()

    return step


def _into_memory(numba: bool) -> Steps:
    host: Any = backends.get(None)
    out = np.empty(COUNT, np.float32)
    steps: Steps = {}
    for threads in (1, 2):
        step = _by(numba, threads, lambda: host.fill_into(out, RECIPE))
        step()
        _ours(out)
        steps[f"{'numba' if numba else 'numpy'} {threads}"] = step
    return steps


def _on_numpy() -> Steps:
    generator, out = np.random.default_rng(0), np.empty(COUNT, np.float32)
    return {"generator": lambda: generator.random(out=out, dtype=np.float32), **_into_memory(numba=False)}


def _on_numba() -> Steps:
    import numba  # noqa: F401  (its absence is noted; the fill imports it by itself)

    return _into_memory(numba=True)


def _on_torch() -> Steps:
    import torch

    def alone(fill: Callable[[], Any]) -> Callable[[], Any]:
        def step() -> Any:
            torch.set_num_threads(1)
            return fill()

        return step

    def fill() -> Any:
        return init.materialize(SCHEME, (COUNT,), torch)

    ours = {"ours on torch": alone(_by(False, 1, fill))}
    if importlib.util.find_spec("numba"):
        ours["ours on torch, numba"] = alone(_by(True, 1, fill))
    for step in ours.values():
        _ours(step())
    return {"torch": alone(lambda: torch.rand(COUNT)), **ours}


def _on_jax() -> Steps:
    import jax

    uniform = jax.jit(lambda key: jax.random.uniform(key, (COUNT,), "float32"))
    key = jax.random.key(0)

    def fill() -> Any:
        return init.materialize(SCHEME, (COUNT,), jax.numpy).block_until_ready()

    _ours(fill())
    return {"jax": lambda: uniform(key).block_until_ready(), "ours on jax": fill}


def _on_dask() -> Steps:
    import dask
    import dask.array as da

    def step(workers: int) -> Callable[[], Any]:
        def fill() -> Any:
            made = init.materialize(SCHEME, (COUNT,), da, chunks=-(-COUNT // CHUNKS))
            return dask.persist(made, scheduler="threads", num_workers=workers)[0]

        return _by(False, 1, fill)

    _ours(step(2)())
    return {f"dask {workers}": step(workers) for workers in (1, 2)}


def _on_cupy() -> Steps:
    import cupy

    if not backends.get("cupy").devices():
        raise ImportError("there is no GPU")

    def waited(fill: Callable[[], Any]) -> Callable[[], Any]:
        def step() -> Any:
            made = fill()
            cupy.cuda.Device().synchronize()
            return made

        return step

    ours = waited(lambda: init.materialize(SCHEME, (COUNT,), cupy))
    _ours(ours().get())
    return {"cupy": waited(lambda: cupy.full(COUNT, 0.5, cupy.float32)), "ours on cupy": ours}
