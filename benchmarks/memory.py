"""Peak memory of training: how far a process grows beyond what it held before, in a process of its own.

The peer first takes steps of W2, which loads what it loads lazily and starts its threads. Then the workload's NumPy
arrays are made, the kernel's high-water mark of resident memory is reset, and the peer makes it ready (its own copies
of the parameters included) and takes three steps. The mark is exact, not sampled; it counts what BLAS and the allocator
hold on to, and what a compiler takes.
"""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.check import FellBackError
from benchmarks.peers import prepare
from benchmarks.workloads import Workload, workload

__all__ = ["measure", "peak_above", "status"]

STEPS = 3


def measure(peer: str, name: str) -> dict[str, Any]:
    """Return the peak on a workload over the baseline in 10^6 bytes; a note where it cannot be measured."""
    if not Path("/proc/self/clear_refs").exists():
        return {"note": "needs Linux's /proc/self/clear_refs"}
    try:
        _steps(peer, workload("W2"))
    except ImportError as error:
        return {"note": f"not installed: {error}"}
    except FellBackError as error:
        return {"note": str(error)}
    given = workload(name)
    return {"megabytes": peak_above(lambda: _steps(peer, given))}


def peak_above(step: Callable[[], Any]) -> float:
    """Return how far this process grows in ``step`` beyond what it holds before, in 10^6 bytes."""
    gc.collect()
    baseline = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    step()
    return (status("VmHWM") - baseline) / 1e6


def _steps(peer: str, made: Workload) -> None:
    runner = prepare(peer, made)
    assert runner is not None
    for _ in range(STEPS):
        runner.step()


def status(field: str) -> int:
    """Return a field of the process's status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
