"""Time compiled steps against other compilers, NumPy by hand and the eager engines.

    python -m benchmarks.compiled [--rounds 3] [--threads 1 2] [--write docs/benchmarks.md]

Prints Markdown. The exit status is 1 where a goal is missed or something could not be measured.
"""

import os
import sys
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.command import Benchmark, Measure
from benchmarks.goals import judge_compiled
from benchmarks.peers import COMPILED, COMPILERS, ON_COMPILERS
from benchmarks.report_compiled import render
from benchmarks.workloads import MAKERS

__all__ = ["main"]


def _measure(measured: Measure, rounds: int, threads: int) -> dict[str, Any]:
    found: dict[str, Any] = {"versions": measured("versions")}
    if threads == 1:  # What threads change little, or the goals are not for; compiling first, while no cache has it.
        found |= {
            "first": {peer: measured("first", peer) for peer in COMPILERS},
            "compilation": measured("compilation", str(rounds)),
            "memory": {name: {peer: measured("memory", peer, name) for peer in COMPILED} for name in ("W4", "W5")},
            "libraries": {name: measured("workload", name, str(rounds), *ON_COMPILERS) for name in ("W2", "W6")},
            "dask": measured("dask_compiled", str(rounds)),
        }
    return {**found, "workloads": {name: measured("workload", name, str(rounds), *COMPILED) for name in MAKERS}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every goal was met."""
    about = "Time compiled steps against other compilers, NumPy by hand and the eager engines."
    benchmark = Benchmark("compiled", about, _measure, judge_compiled, render, threads=(1, 2))
    with TemporaryDirectory() as cache:
        # PyTorch keeps what it compiled on disk: what an earlier run left there would make its compilation free.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        return benchmark.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
