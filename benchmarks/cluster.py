"""Time mean losses on clusters next to Dask by hand and other libraries, and check what is foretold of them.

    python -m benchmarks.cluster [--rounds 5] [--write docs/benchmarks.md]

Prints Markdown. The exit status is 1 where a goal is missed or something could not be measured. Clusters of up to eight
processes are started on loopback; files of some gigabytes are written to the folder for temporary files, and removed.
"""

import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.command import Benchmark, Measure
from benchmarks.goals import judge_cluster
from benchmarks.report_cluster import render

__all__ = ["PARTS", "main"]

PARTS = ("dask", "loop", "bare", "processor", "libraries", "torch", "memory", "simulator", "plan")


def _measure(measured: Measure, rounds: int, threads: int) -> dict[str, Any]:
    return {
        "versions": measured("versions"),
        **{part: measured("cluster", part, str(rounds)) for part in PARTS},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every goal was met."""
    about = "Time mean losses on clusters next to others', and check what is foretold of them."
    return Benchmark("cluster", about, _measure, judge_cluster, render).main(arguments)


if __name__ == "__main__":
    sys.exit(main())
