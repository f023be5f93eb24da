"""Time the transforms: vmap against loops, Hessians against other libraries', checkpoint against keeping everything.

    python -m benchmarks.transforms [--rounds 5] [--threads 1] [--write docs/benchmarks.md]

Prints Markdown. The exit status is 1 where a goal is missed or something could not be measured.
"""

import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.command import Benchmark, Measure
from benchmarks.goals import judge_transforms
from benchmarks.report_transforms import render

__all__ = ["main"]


def _measure(measured: Measure, rounds: int, threads: int) -> dict[str, Any]:
    names = ("map", "hessian", "derivatives", "depth")
    return {"versions": measured("versions"), **{name: measured(name, str(rounds)) for name in names}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every goal was met."""
    about = "Time vmap, Hessians and checkpoint against what they compete with."
    return Benchmark("transforms", about, _measure, judge_transforms, render).main(arguments)


if __name__ == "__main__":
    sys.exit(main())
