"""Time fills of drawn values next to the libraries' own generators.

    python -m benchmarks.fills [--rounds 5] [--write docs/benchmarks.md]

Prints Markdown. The exit status is 1 where a goal is missed or something could not be measured.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.command import Benchmark, Measure
from benchmarks.filling import COUNT, FILLS
from benchmarks.goals import FILLED, ON_A_GPU, Goal, judge_fills
from benchmarks.report import goal_table, number, setting, table, timing
from benchmarks.timing import ratio

__all__ = ["main", "render"]


def _measure(measured: Measure, rounds: int, threads: int) -> dict[str, Any]:
    return {"versions": measured("versions"), "fills": measured("fills", str(rounds))}


def render(results: Mapping[str, Any], goals: Sequence[Goal], command: str) -> str:
    """Return the table of a run; ``goals`` is empty where they do not apply."""
    found = results["fills"]
    parts = [setting(results["versions"], command)]
    if found.get("seconds"):
        parts += [
            f"**{COUNT // 10**6}M float32, uniform.** Median, and half the distance of the quartiles in percent of it."
        ]
        parts += [_times(found["seconds"])]
    if goals:
        parts += ["**Goals.**", goal_table(goals)]
    missing = [f"- {name}: {why}" for name, why in found.get("notes", {}).items()]
    missing += [f"- {found['error']}"] if "error" in found else []
    parts += ["Not measured:\n\n" + "\n".join(missing)] if missing else []
    return "\n\n".join(parts) + "\n"


def _times(seconds: Mapping[str, Sequence[float]]) -> str:
    other = {ours: theirs for ours, theirs, _ in (*FILLED, ON_A_GPU)}
    other |= {"numba 2": "generator", "ours on torch, numba": "torch"}

    def row(name: str) -> list[str]:
        each = number(sorted(seconds[name])[len(seconds[name]) // 2] / COUNT * 1e9)
        over = other.get(name)
        compared = [number(ratio(seconds[name], seconds[over])), FILLS[over]] if over in seconds else ["–", ""]
        return [FILLS[name], timing(seconds[name]), f"{each} ns", *compared]

    return table(["", "time", "an element", "ratio", "to"], [row(name) for name in FILLS if name in seconds])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every goal was met."""
    about = "Time fills of drawn values next to the libraries' own generators."
    return Benchmark("fills", about, _measure, judge_fills, render).main(arguments)


if __name__ == "__main__":
    sys.exit(main())
