"""One measurement, in a process of its own: its name and arguments on the command line, JSON on the last line out.

A process each, so that what one measurement does to allocator, caches and threads is no part of the next. How many
threads it may have is in the environment before NumPy or PyTorch is imported: `run` puts it there.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["MEASUREMENTS", "run"]


def time_workload(name: str, rounds: str, *peers: str) -> dict[str, Any]:
    """Check every peer on a workload, then time them in turn: seconds a step, one number a round."""
    from benchmarks.check import FellBackError, WrongResultError, check, check_compiled
    from benchmarks.peers import TITLES, prepare
    from benchmarks.timing import interleave
    from benchmarks.workloads import workload

    made = workload(name)
    truth = made.truth()
    runners, notes = {}, {}
    for peer in peers:
        try:
            runner = prepare(peer, made)
            if runner is not None:
                check(TITLES[peer], runner, made, truth)
                runners[peer] = runner
        except (ImportError, FellBackError, WrongResultError) as error:
            notes[peer] = f"{type(error).__name__}: {error}"
    seconds = interleave({peer: runner.step for peer, runner in runners.items()}, int(rounds))
    for peer, runner in runners.items():
        try:
            check_compiled(TITLES[peer], runner, made)
        except FellBackError as error:
            notes[peer] = f"{type(error).__name__}: {error}"
            del seconds[peer]
    return {"title": made.title, "seconds": seconds, "notes": notes}


def time_operations(rounds: str) -> dict[str, Any]:
    """Time single operations, forward and backward."""
    from benchmarks import overhead

    return overhead.measure(int(rounds))


def peak_memory(peer: str, name: str) -> dict[str, Any]:
    """Measure a peer's peak memory on a workload."""
    from benchmarks import memory

    return memory.measure(peer, name)


def first_steps(peer: str) -> dict[str, Any]:
    """Time a compiling peer's first step of every workload."""
    from benchmarks import first

    return first.measure(peer)


def compilation(rounds: str) -> dict[str, Any]:
    """Time the parts of compiling a step."""
    from benchmarks import compilation

    return compilation.measure(int(rounds))


def dask_growth() -> dict[str, Any]:
    """Compare early and late steps on Dask."""
    from benchmarks import growth

    return growth.measure()


def dask_compiled(rounds: str) -> dict[str, Any]:
    """Compare steps on Dask, eager and compiled: tasks and times."""
    from benchmarks import dask_compiled

    return dask_compiled.measure(int(rounds))


def time_maps(rounds: str) -> dict[str, Any]:
    """Time vmap against a loop."""
    from benchmarks import maps

    return maps.measure(int(rounds))


def time_hessian(rounds: str) -> dict[str, Any]:
    """Time everyone's Hessian."""
    from benchmarks import curvature

    return curvature.measure(int(rounds))


def time_derivatives(rounds: str) -> dict[str, Any]:
    """Time each derivative beside a gradient."""
    from benchmarks import curvature

    return {"seconds": curvature.measure_costs(int(rounds))}


def memory_by_depth(rounds: str) -> dict[str, Any]:
    """Measure how memory grows with depth, with checkpoint and without."""
    from benchmarks import depth

    return depth.measure(int(rounds))


def time_fills(rounds: str) -> dict[str, Any]:
    """Time fills next to the libraries' generators."""
    from benchmarks import filling

    return filling.measure(int(rounds))


def time_checkpoints(rounds: str) -> dict[str, Any]:
    """Time checkpoints next to plain files."""
    from benchmarks import saving

    return saving.measure(int(rounds))


def time_cluster(part: str, rounds: str) -> dict[str, Any]:
    """Time mean losses on clusters next to others', or compare them with what was foretold."""
    from benchmarks import foretold, on_cluster

    parts = {**on_cluster.PARTS, "plan": foretold.check_plan, "simulator": foretold.check_simulator}
    return parts[part](int(rounds))


def versions() -> dict[str, str]:
    """Return the versions of everything that is timed, NumPy's BLAS among them."""
    from importlib.metadata import PackageNotFoundError, version

    import numpy

    found = {"BLAS of NumPy": numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]}
    for package in (
        "numpy",
        "numba",
        "torch",
        "autograd",
        "mygrad",
        "jax",
        "dask",
        "distributed",
        "dask-ml",
        "scikit-learn",
    ):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "workload": time_workload,
    "operations": time_operations,
    "memory": peak_memory,
    "first": first_steps,
    "compilation": compilation,
    "dask": dask_growth,
    "dask_compiled": dask_compiled,
    "map": time_maps,
    "hessian": time_hessian,
    "derivatives": time_derivatives,
    "depth": memory_by_depth,
    "fills": time_fills,
    "checkpoints": time_checkpoints,
    "cluster": time_cluster,
    "versions": versions,
}
# NPROC is what XLA sizes its pools by; nothing in XLA_FLAGS does.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")


def run(measurement: str, *arguments: str, threads: int) -> dict[str, Any]:
    """Run a measurement in a new process with that many threads; ``{"error": its last line}`` where it fails."""
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    command = [sys.executable, "-m", "benchmarks.worker", measurement, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        lines = done.stderr.strip().splitlines()
        return {"error": lines[-1] if lines else f"exit status {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](*sys.argv[2:])))
