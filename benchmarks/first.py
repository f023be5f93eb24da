"""How long a compiler's first step of each workload takes, compilation included.

All in one process, where the peer has compiled and run another step before: what it loads and starts once in a process
is no part of it.
"""

from dataclasses import replace
from time import perf_counter
from typing import Any

from benchmarks.check import FellBackError
from benchmarks.peers import prepare
from benchmarks.workloads import MAKERS, Workload, workload

__all__ = ["measure"]


def measure(peer: str, names: tuple[str, ...] = tuple(MAKERS)) -> dict[str, Any]:
    """Return the seconds of the first step of each workload; a note where the peer cannot."""
    try:
        _first_step(peer, _another())
        return {"seconds": {name: _first_step(peer, workload(name)) for name in names}}
    except ImportError as error:
        return {"note": f"not installed: {error}"}
    except FellBackError as error:
        return {"note": str(error)}


def _another() -> Workload:
    """Return W2 with one sample less, which no compiler may take for W2."""
    made = workload("W2")
    return replace(made, inputs=[x[:-1] for x in made.inputs])


def _first_step(peer: str, made: Workload) -> float:
    runner = prepare(peer, made)
    assert runner is not None
    start = perf_counter()
    runner.step()
    return perf_counter() - start
