"""Time the eager engine against its peers.

    python -m benchmarks.eager [--rounds 5] [--threads 1] [--write docs/benchmarks.md]

Prints Markdown. The exit status is 1 where a goal is missed or something could not be measured.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.goals import judge
from benchmarks.peers import EAGER
from benchmarks.report import render, split, write
from benchmarks.worker import run
from benchmarks.workloads import MAKERS

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every goal was met."""
    parser = _parser()
    options = parser.parse_args(arguments)
    section = f"eager, threads: {options.threads}"
    if options.write:
        try:
            split(options.write, section)
        except (OSError, ValueError) as error:
            parser.error(str(error))
    results = _measure(options.rounds, options.threads)
    goals = judge(results) if options.threads == 1 else []
    command = f"python -m benchmarks.eager --rounds {options.rounds} --threads {options.threads}"
    text = render(results, goals, command)
    print(text)
    if options.write:
        write(options.write, section, text)
    missed = [goal.what for goal in goals if not goal.met]
    if missed:
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.eager", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=_positive, default=5, help="how often everyone runs in turn (default 5)")
    parser.add_argument("--threads", type=_positive, default=1, help="threads of BLAS and PyTorch; the goals are for 1")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this Markdown page as well")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {value}")
    return value


def _measure(rounds: int, threads: int) -> dict[str, Any]:
    def measured(*what: str) -> dict[str, Any]:
        print(*what, file=sys.stderr, flush=True)
        return run(*what, threads=threads)

    return {
        "versions": measured("versions"),
        "workloads": {name: measured("workload", name, str(rounds)) for name in MAKERS},
        "operations": measured("operations", str(rounds)),
        "memory": {peer: measured("memory", peer) for peer in EAGER},
        "dask": measured("dask"),
    }


if __name__ == "__main__":
    sys.exit(main())
