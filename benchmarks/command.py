"""The command line that the benchmarks share: measure, print Markdown, write it to a page, exit by the goals."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.goals import Goal
from benchmarks.report import split, write
from benchmarks.worker import run

__all__ = ["Benchmark", "Measure"]

Measure = Callable[..., dict[str, Any]]
"""Runs a measurement by its name and arguments, in a process of its own."""


@dataclass(frozen=True)
class Benchmark:
    """What is measured under one name, ``python -m benchmarks.NAME``, and how it is judged and shown.

    ``measure(measured, rounds)`` asks ``measured`` for each measurement, and returns the results; ``judge(results)``
    its goals, which hold for one thread; ``render(results, goals, command)`` the text.
    """

    name: str
    about: str
    measure: Callable[[Measure, int], dict[str, Any]]
    judge: Callable[[Mapping[str, Any]], list[Goal]]
    render: Callable[[Mapping[str, Any], Sequence[Goal], str], str]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Measure, print, and say by the exit status whether every goal was met."""
        parser = self._parser()
        options = parser.parse_args(arguments)
        section = f"{self.name}, threads: {options.threads}"
        if options.write:
            try:
                split(options.write, section)
            except (OSError, ValueError) as error:
                parser.error(str(error))

        def measured(*what: str) -> dict[str, Any]:
            print(*what, file=sys.stderr, flush=True)
            return run(*what, threads=options.threads)

        results = self.measure(measured, options.rounds)
        goals = self.judge(results) if options.threads == 1 else []
        command = f"{parser.prog} --rounds {options.rounds} --threads {options.threads}"
        text = self.render(results, goals, command)
        print(text)
        if options.write:
            write(options.write, section, text)
        missed = [goal.what for goal in goals if not goal.met]
        if missed:
            print(f"missed: {'; '.join(missed)}", file=sys.stderr)
        return 1 if missed else 0

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(f"python -m benchmarks.{self.name}", description=self.about)
        parser.add_argument("--rounds", type=_positive, default=5, help="how often everyone runs in turn (default 5)")
        parser.add_argument(
            "--threads", type=_positive, default=1, help="threads of BLAS and PyTorch; the goals are for 1"
        )
        parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this Markdown page as well")
        return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {value}")
    return value
