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

    ``measure(measured, rounds, threads)`` asks ``measured`` for each measurement, and returns the results;
    ``judge(results)`` its goals, which hold for one thread; ``render(results, goals, command)`` the text. ``threads``
    are the numbers of threads that it is run for where none is asked for.
    """

    name: str
    about: str
    measure: Callable[[Measure, int, int], dict[str, Any]]
    judge: Callable[[Mapping[str, Any]], list[Goal]]
    render: Callable[[Mapping[str, Any], Sequence[Goal], str], str]
    threads: tuple[int, ...] = (1,)

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Measure, print, and say by the exit status whether every goal was met."""
        parser = self._parser()
        options = parser.parse_args(arguments)
        if options.write:
            try:
                for threads in options.threads:
                    split(options.write, self._section(threads))
            except (OSError, ValueError) as error:
                parser.error(str(error))
        goals = [goal for threads in options.threads for goal in self._run(threads, options.rounds, options.write)]
        missed = [goal.what for goal in goals if not goal.met]
        if missed:
            print(f"missed: {'; '.join(missed)}", file=sys.stderr)
        return 1 if missed else 0

    def _section(self, threads: int) -> str:
        return f"{self.name}, threads: {threads}"

    def _run(self, threads: int, rounds: int, page: Path | None) -> list[Goal]:
        """Measure with that many threads, print and write the tables, and return the goals."""

        def measured(*what: str) -> dict[str, Any]:
            print(*what, file=sys.stderr, flush=True)
            return run(*what, threads=threads)

        results = self.measure(measured, rounds, threads)
        goals = self.judge(results) if threads == 1 else []
        text = self.render(results, goals, f"python -m benchmarks.{self.name} --rounds {rounds} --threads {threads}")
        print(text)
        if page:
            write(page, self._section(threads), text)
        return goals

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(f"python -m benchmarks.{self.name}", description=self.about)
        parser.add_argument("--rounds", type=_positive, default=5, help="how often everyone runs in turn (default 5)")
        parser.add_argument(
            "--threads",
            type=_positive,
            nargs="+",
            default=self.threads,
            help="threads of BLAS, PyTorch and XLA, one number or several in turn; the goals are for 1 "
            f"(default {' '.join(map(str, self.threads))})",
        )
        parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this Markdown page as well")
        return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {value}")
    return value
