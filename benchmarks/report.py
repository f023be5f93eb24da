"""The results as Markdown, and where they go in a page: between the comments that name the run."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path
from platform import machine, processor, python_version
from typing import Any

from benchmarks.goals import Goal
from benchmarks.peers import EAGER, TITLES
from benchmarks.timing import ratio, spread

__all__ = ["goal_table", "memory_table", "notes", "number", "render", "setting", "split", "step_tables", "table"]
__all__ += ["times_table", "timing", "write"]


def render(results: Mapping[str, Any], goals: Sequence[Goal], command: str) -> str:
    """Return the tables of a run; ``goals`` is empty where they do not apply."""
    parts = [setting(results["versions"], command)]
    if results["workloads"]:
        parts += step_tables(results["workloads"], EAGER)
    if "seconds" in results.get("operations", {}):
        parts += ["**One operation on 16 floats**, us; forward includes recording.", _operations(results["operations"])]
    if results.get("memory"):
        parts += [
            "**Peak memory** over what the process held before, MB.",
            memory_table({"W4": results["memory"]}, EAGER),
        ]
    if "seconds" in results.get("dask", {}):
        parts += [_dask(results["dask"])]
    if goals:
        parts += ["**Goals.**", goal_table(goals)]
    measured = {**results["workloads"], "operations": results.get("operations", {}), "Dask": results.get("dask", {})}
    parts += notes(measured, {"W4": results.get("memory", {})})
    return "\n\n".join(parts) + "\n"


def step_tables(workloads: Mapping[str, Any], peers: Sequence[str]) -> list[str]:
    """Return the tables of the times of a step and of their ratios to those of the first of ``peers``."""
    base = peers[0]

    def ratio_to_base(seconds: Mapping[str, Sequence[float]], peer: str) -> str:
        return number(ratio(seconds[peer], seconds[base])) if base in seconds else "–"

    return [
        "**One training step.** Median, and half the distance of the quartiles in percent of it.",
        times_table(workloads, peers),
        f"**The same as ratios:** the peer's time over that of {TITLES[base]}; above 1, that is faster.",
        _workloads(workloads, peers, ratio_to_base),
    ]


def write(path: Path, name: str, text: str) -> None:
    """Put ``text`` between ``<!-- name -->`` and ``<!-- end of name -->`` of the file, whose other text stays."""
    before, after = split(path, name)
    path.write_text(f"{before}\n\n{text}\n{after}")


def split(path: Path, name: str) -> tuple[str, str]:
    """Return the text to the end of ``<!-- name -->`` and from ``<!-- end of name -->`` on; ValueError: not there."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    page = path.read_text()
    if page.count(start) != 1 or page.count(end) != 1 or page.index(end) < page.index(start):
        raise ValueError(f"{path} must have a line {start!r} and after it one {end!r}, for the tables to go between")
    return page[: page.index(start) + len(start)], page[page.index(end) :]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def setting(versions: Mapping[str, str], command: str) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    today = datetime.now(UTC).date().isoformat()
    return f"`{command}`, {today}, {_cpu()}, {cpu_count()} cores, Python {python_version()}, {libraries}."


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return processor() or machine()


def number(value: float) -> str:
    """Write three significant digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times_table(workloads: Mapping[str, Any], peers: Sequence[str]) -> str:
    """Return a table of the times of a step, a row a workload and a column a peer."""
    return _workloads(workloads, peers, lambda seconds, peer: timing(seconds[peer]))


def _workloads(
    workloads: Mapping[str, Any], peers: Sequence[str], cell: Callable[[Mapping[str, Any], str], str]
) -> str:
    """Return a table with a row a workload and a column a peer."""
    rows = [
        [f"**{name}** {found['title']}", *(cell(found["seconds"], p) if p in found["seconds"] else "–" for p in peers)]
        for name, found in workloads.items()
        if "seconds" in found
    ]
    return table(["", *(TITLES[peer] for peer in peers)], rows)


def timing(seconds: Sequence[float]) -> str:
    """Write the median, and half the distance of the quartiles in percent of it."""
    found = spread(seconds)
    value = f"{number(found.median * 1e6)} us" if found.median < 1e-2 else f"{number(found.median * 1e3)} ms"
    return f"{value} ±{50 * (found.high - found.low) / found.median:.0f}%"


def _operations(found: Mapping[str, Any]) -> str:
    def cell(seconds: Sequence[float]) -> str:
        s = spread([1e6 * t for t in seconds])
        return f"{number(s.median)} ({number(s.low)}–{number(s.high)})"

    rows = [[TITLES[peer], cell(times["forward"]), cell(times["backward"])] for peer, times in found["seconds"].items()]
    return table(["", "forward", "backward"], rows)


def memory_table(found: Mapping[str, Mapping[str, Any]], peers: Sequence[str]) -> str:
    """Return a table of the peaks that were ``found``, a row a workload and a column a peer."""

    def cell(peaks: Mapping[str, Any], peer: str) -> str:
        return f"{peaks[peer]['megabytes']:.0f}" if "megabytes" in peaks.get(peer, {}) else "–"

    rows = [[name, *(cell(peaks, peer) for peer in peers)] for name, peaks in found.items()]
    return table(["", *(TITLES[peer] for peer in peers)], rows)


def _dask(found: Mapping[str, Any]) -> str:
    times = {at: f"{number(1e3 * seconds)} ms" for at, seconds in found["seconds"].items()}
    said = " and ".join(f"the {at}th step {times[at]} (tasks behind a parameter: {found['tasks'][at]})" for at in times)
    return f"**W2 on Dask**, one chunk an array, in-process: {said}."


def goal_table(goals: Sequence[Goal]) -> str:
    def row(goal: Goal) -> list[str]:
        measured = "not measured" if goal.measured is None else f"{goal.measured:.2f}{goal.unit}"
        limit = f"{'≥' if goal.at_least else '≤'} {goal.limit}{goal.unit}"
        return [goal.what, measured, limit, "met" if goal.met else "**missed**"]

    return table(["", "measured", "goal", ""], [row(goal) for goal in goals])


def notes(measured: Mapping[str, Mapping[str, Any]], memory: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what was not measured and why, as a list; nothing where everything was."""
    lines = []
    for name, result in measured.items():
        lines += [f"- {name}, {TITLES[peer]}: {note}" for peer, note in result.get("notes", {}).items()]
        lines += [f"- {name}: {result[key]}" for key in ("error", "note") if key in result]
    for name, peaks in memory.items():
        for peer, result in peaks.items():
            lines += [f"- memory of {name}, {TITLES[peer]}: {result[k]}" for k in ("error", "note") if k in result]
    return ["Not measured:\n\n" + "\n".join(lines)] if lines else []
