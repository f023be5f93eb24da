"""Whether a training step on Dask takes longer the more steps were taken: it must not, for each persists its graph."""

from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.peers import ours
from benchmarks.workloads import workload

__all__ = ["measure"]

EARLY, LATE, AROUND = 5, 50, 2


def measure() -> dict[str, Any]:
    """Return the seconds of a step of W2, medians around the 5th and the 50th, and the tasks behind a parameter."""
    try:
        import dask
        import dask.array as da
    except ImportError as error:
        return {"note": f"not installed: {error}"}
    made = workload("W2")
    module = ours.module(made, da)
    module.set_params([da.from_array(p) for p in made.params])
    inputs = tuple(da.from_array(x) for x in made.inputs)
    seconds, tasks = [], []
    with dask.config.set(scheduler="synchronous"):
        for _ in range(LATE + AROUND):
            start = perf_counter()
            module.step(made.lr, inputs)
            seconds.append(perf_counter() - start)
            tasks.append(len(dict(module.params[0].__dask_graph__())))
    return {
        "seconds": {str(at): median(seconds[at - 1 - AROUND : at + AROUND]) for at in (EARLY, LATE)},
        "tasks": {str(at): tasks[at - 1] for at in (EARLY, LATE)},
    }
