"""The results of compiled steps as Markdown."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.compilation import PARTS
from benchmarks.goals import ON_DASK, Goal
from benchmarks.peers import COMPILED, ON_COMPILERS, TITLES
from benchmarks.report import goal_table, memory_table, notes, number, setting, step_tables, table, times_table, timing
from benchmarks.timing import ratio

__all__ = ["render"]


def render(results: Mapping[str, Any], goals: Sequence[Goal], command: str) -> str:
    """Return the tables of a run; what was not measured for this number of threads has none."""
    parts = [setting(results["versions"], command), *step_tables(results["workloads"], COMPILED)]
    first = {peer: found["seconds"] for peer, found in results.get("first", {}).items() if "seconds" in found}
    if first:
        parts += ["**The first step**, compilation included, ms.", _first(first)]
    if "cases" in results.get("compilation", {}):
        parts += [f"**What compiling takes {TITLES['ours_compiled']}**, ms.", _compilation(results["compilation"])]
    if results.get("libraries"):
        parts += [
            "**The same module on libraries with a compiler of their own**, beside a step written for that.",
            times_table(results["libraries"], ON_COMPILERS),
        ]
    if results.get("memory"):
        parts += ["**Peak memory** over what the process held before, MB.", memory_table(results["memory"], COMPILED)]
    on_dask = {case: results["dask"][case] for case in ON_DASK if case in results.get("dask", {})}
    if on_dask:
        parts += ["**A step on Dask**: tasks after Dask's own optimisation, and time.", _dask(on_dask)]
    if goals:
        parts += ["**Goals.**", goal_table(goals)]
    measured = {
        **results["workloads"],
        **{f"first step, {TITLES[peer]}": found for peer, found in results.get("first", {}).items()},
        "compilation": results.get("compilation", {}),
        **{f"{name} on libraries": found for name, found in results.get("libraries", {}).items()},
        "Dask": results.get("dask", {}),
    }
    return "\n\n".join([*parts, *notes(measured, results.get("memory", {}))]) + "\n"


def _first(found: Mapping[str, Mapping[str, float]]) -> str:
    names = list(next(iter(found.values())))
    rows = [[TITLES[peer], *(number(1e3 * seconds[name]) for name in names)] for peer, seconds in found.items()]
    return table(["", *names], rows)


def _compilation(found: Mapping[str, Any]) -> str:
    def milliseconds(seconds: Sequence[float]) -> str:
        return number(1e3 * median(seconds))

    rows = [
        [
            case,
            f"{parts['equations'][0]} → {parts['equations'][1]}",
            *(milliseconds(parts[part]) for part in PARTS),
            timing(parts["first"]),
        ]
        for case, parts in found["cases"].items()
    ]
    return table(["", "equations, traced → run", *PARTS, "first step in all"], rows)


def _dask(found: Mapping[str, Any]) -> str:
    rows = []
    for case, measured in found.items():
        tasks, seconds = measured["tasks"], measured["seconds"]
        rows.append(
            [
                ON_DASK[case],
                *(str(tasks[way]) for way in ("eager", "compiled")),
                number(tasks["eager"] / tasks["compiled"]),
                *(timing(seconds[way]) for way in ("eager", "compiled")),
                number(ratio(seconds["eager"], seconds["compiled"])),
            ]
        )
    return table(["", "tasks, eager", "compiled", "ratio", "time, eager", "compiled", "ratio"], rows)
