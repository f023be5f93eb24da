"""Time the eager engine against its peers.

    python -m benchmarks.eager [--rounds 5] [--threads 1] [--write docs/benchmarks.md]

Prints Markdown. The exit status is 1 where a goal is missed or something could not be measured.
"""

import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.command import Benchmark, Measure
from benchmarks.goals import judge
from benchmarks.peers import EAGER
from benchmarks.report import render
from benchmarks.workloads import MAKERS

__all__ = ["main"]


def _measure(measured: Measure, rounds: int, threads: int) -> dict[str, Any]:
    return {
        "versions": measured("versions"),
        "workloads": {name: measured("workload", name, str(rounds), *EAGER) for name in MAKERS},
        "operations": measured("operations", str(rounds)),
        "memory": {peer: measured("memory", peer, "W4") for peer in EAGER},
        "dask": measured("dask"),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every goal was met."""
    about = "Time the eager engine against its peers."
    return Benchmark("eager", about, _measure, judge, render).main(arguments)


if __name__ == "__main__":
    sys.exit(main())
