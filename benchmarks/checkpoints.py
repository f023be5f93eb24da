"""Time checkpoints next to what the disk does with plain bytes.

    python -m benchmarks.checkpoints [--rounds 5] [--write docs/benchmarks.md]

Prints Markdown. The exit status is 1 where a goal is missed or something could not be measured. Files of some eight
gigabytes are written to the folder for temporary files, and removed.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.command import Benchmark, Measure
from benchmarks.goals import Goal
from benchmarks.report import goal_table, number, setting, table
from benchmarks.saving import READS, WRITES
from benchmarks.timing import ratio, spread

__all__ = ["judge", "main", "render"]

_TITLES = {"write": WRITES, "read": READS}
_SAYS = {"write": "saves", "read": "loads"}


def _measure(measured: Measure, rounds: int, threads: int) -> dict[str, Any]:
    return {"versions": measured("versions"), "checkpoints": measured("checkpoints", str(rounds))}


def judge(results: Mapping[str, Any]) -> list[Goal]:
    """Return every goal with what ``results`` say of it."""
    seconds = results.get("checkpoints", {}).get("seconds", {})
    return [
        Goal(
            f"a checkpoint {says}, {'in one file' if who == 'ours' else 'in shards'}: of the raw speed",
            100 * ratio(seconds[way]["raw"], seconds[way][who]) if who in seconds.get(way, {}) else None,
            70,
            at_least=True,
            unit=" %",
        )
        for way, says in _SAYS.items()
        for who in ("ours", "shards")
    ]


def render(results: Mapping[str, Any], goals: Sequence[Goal], command: str) -> str:
    """Return the tables of a run; ``goals`` is empty where they do not apply."""
    found = results["checkpoints"]
    parts = [setting(results["versions"], command)]
    if found.get("seconds"):
        parts += [
            f"**{found['bytes'] / 1e9:.1f} GB of float32.** Median, the quartiles, and the share of the raw speed."
        ]
        parts += [_times(way, seconds, found["bytes"]) for way, seconds in found["seconds"].items()]
    if goals:
        parts += ["**Goals.**", goal_table(goals)]
    missing = [f"- {name}: {why}" for name, why in found.get("notes", {}).items()]
    missing += [f"- {found['error']}"] if "error" in found else []
    parts += ["Not measured:\n\n" + "\n".join(missing)] if missing else []
    return "\n\n".join(parts) + "\n"


def _times(way: str, seconds: Mapping[str, Sequence[float]], size: int) -> str:
    def row(name: str) -> list[str]:
        s = spread(seconds[name])
        share = f"{100 * ratio(seconds['raw'], seconds[name]):.0f} %"
        times = f"{number(s.median)} s ({number(s.low)}–{number(s.high)})"
        return [_TITLES[way][name], times, f"{size / s.median / 1e9:.2f} GB/s", share]

    return table(["", "time", "speed", "of raw"], [row(name) for name in _TITLES[way] if name in seconds])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every goal was met."""
    about = "Time checkpoints next to what the disk does with plain bytes."
    return Benchmark("checkpoints", about, _measure, judge, render).main(arguments)


if __name__ == "__main__":
    sys.exit(main())
