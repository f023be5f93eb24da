"""The results of mean losses on clusters as Markdown."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.by_block import CASES
from benchmarks.foretold import MANY as FORETOLD
from benchmarks.goals import BY_HAND, Goal
from benchmarks.on_cluster import CHUNKS, LOADED, LOOPED, MANY
from benchmarks.report import goal_table, number, setting, table
from benchmarks.timing import ratio, spread

__all__ = ["render"]

TITLES = {
    "exact": "tl_arrayapi, exact",
    "fast": "tl_arrayapi, fast",
    "exact, chunks as they suit": "tl_arrayapi, exact, in chunks and tasks as they suit",
    "in process": "tl_arrayapi, exact, in this process",
    "mean_loss": "tl_arrayapi, exact, in this process",
    "mean by hand": "Dask by hand: losses by block, and their mean",
    "tree by hand": "Dask by hand: sums by block, and their tree",
    "futures by hand": "Dask by hand: sums of blocks as futures",
    "loop, eager": "forward in a loop",
    "loop, compiled": "forward in a loop, compiled",
    "1 bare": "one bare process",
    "2 bare": "two bare processes",
    "2 workers": "two workers of a cluster",
    "NumPy": "NumPy, plain",
    "Dask, tasks that do nothing": "Dask: as many tasks that do nothing, and no rows",
    "NumPy by chunks": "NumPy by an expert's hand: in place, by chunks of a mapped file",
    "dask-ml": "dask_ml.metrics.mean_squared_error",
    "scikit-learn": "sklearn.metrics.mean_squared_error, in this process",
    "DataLoader": "PyTorch, a DataLoader",
    "DataLoader, 2 processes": "PyTorch, a DataLoader with two processes",
    "DataLoader, batches at once": "PyTorch, a DataLoader that takes a batch at once",
}
PLANNED = {
    "tasks": ("tasks", 1.0),
    "sent": ("MB from the client", 1e6),
    "wire": ("MB over the wire", 1e6),
    "memory": ("MB, peak of a worker", 1e6),
    "seconds": ("seconds", 1.0),
}


def render(results: Mapping[str, Any], goals: Sequence[Goal], command: str) -> str:
    """Return the tables of a run; ``goals`` is empty where they do not apply."""
    parts = [setting(results["versions"], command)]
    for show in (_dask, _loop, _bare, _processor, _libraries, _torch, _memory, _simulator, _far, _plan):
        parts += show(results)
    if goals:
        parts += ["**Goals.**", goal_table(goals)]
    missing = [
        f"- {part}: {found[key]}" for part, found in results.items() for key in ("error", "note") if key in found
    ]
    missing += [
        f"- {name}: {why}"
        for found in results.values()
        if isinstance(found, Mapping)
        for name, why in found.get("notes", {}).items()
    ]
    parts += ["Not measured:\n\n" + "\n".join(missing)] if missing else []
    return "\n\n".join(parts) + "\n"


def _times(seconds: Mapping[str, Sequence[float]], rows: int, base: str) -> str:
    def line(name: str) -> list[str]:
        found = spread(seconds[name])
        time = f"{number(found.median * 1e3)} ms ({number(found.low * 1e3)}–{number(found.high * 1e3)})"
        return [
            TITLES[name],
            time,
            f"{number(found.median / rows * 1e9)} ns",
            number(ratio(seconds[name], seconds[base])),
        ]

    return table(["", "time (quartiles)", "a row", f"over {TITLES[base]}"], [line(name) for name in seconds])


def _dask(results: Mapping[str, Any]) -> list[str]:
    found, parts = results.get("dask", {}).get("seconds", {}), []
    for name, seconds in found.items():
        best = min((n for n in BY_HAND if n in seconds), key=lambda n: median(seconds[n]))
        parts += [
            f"**{CASES[name].title}: mean loss over {MANY[name]:,} rows** in {CHUNKS} blocks that two workers hold.",
            _times(seconds, MANY[name], best),
        ]
    return parts


def _loop(results: Mapping[str, Any]) -> list[str]:
    return [
        text
        for name, seconds in results.get("loop", {}).get("seconds", {}).items()
        for text in (
            f"**{CASES[name].title}: {LOOPED:,} samples in memory, one process.**",
            _times(seconds, LOOPED, "mean_loss"),
        )
    ]


def _bare(results: Mapping[str, Any]) -> list[str]:
    seconds = results.get("bare", {}).get("seconds")
    if not seconds:
        return []
    return [
        f"**Two workers and two bare processes**, {CASES['mlp'].title}, {MANY['mlp']:,} rows of the same files.",
        _times(seconds, MANY["mlp"], "2 bare"),
    ]


def _processor(results: Mapping[str, Any]) -> list[str]:
    seconds = results.get("processor", {}).get("seconds")
    if not seconds:
        return []
    where = f"{CASES['logistic'].title}, {MANY['logistic']:,} rows of files, {CHUNKS} chunks"
    return [
        f"**Processor time**, of client, scheduler and two workers together: {where}.",
        _times(seconds, MANY["logistic"], "NumPy"),
    ]


def _libraries(results: Mapping[str, Any]) -> list[str]:
    seconds = results.get("libraries", {}).get("seconds")
    if not seconds:
        return []
    return [
        f"**Libraries**: {CASES['linear'].title}, mean squared error of {MANY['linear']:,} rows.",
        _times(seconds, MANY["linear"], "exact"),
    ]


def _torch(results: Mapping[str, Any]) -> list[str]:
    seconds = results.get("torch", {}).get("seconds")
    if not seconds:
        return []
    return [
        f"**PyTorch's loop over a DataLoader**, batches of 1,024: {CASES['mlp'].title}, {LOADED:,} rows.",
        _times(seconds, LOADED, "in process"),
    ]


def _memory(results: Mapping[str, Any]) -> list[str]:
    found = results.get("memory", {}).get("megabytes")
    if not found:
        return []
    said = " and ".join(f"{grown:.1f} MB over {int(rows):,} rows" for rows, grown in found.items())
    return [f"**The client's memory** grows by {said} of files."]


def _simulator(results: Mapping[str, Any]) -> list[str]:
    found = results.get("simulator", {}).get("local")
    if not found:
        return []

    def line(workers: str) -> list[str]:
        run = spread(found[workers]["seconds"])
        said = found[workers]["foretold"]
        measured = f"{number(run.median)} s ({number(run.low)}–{number(run.high)})"
        off = f"{100 * (said / run.median - 1):+.0f} %"
        return [workers, f"{number(said)} s", measured, off, found[workers]["limit"]]

    costs = results["simulator"]["costs"]
    listed = ", ".join(
        f"{name.replace('_', ' ')} {number(value * scale)} {unit}"
        for name, scale, unit in (
            ("client_task", 1e3, "ms"),
            ("scheduler_task", 1e3, "ms"),
            ("worker_task", 1e3, "ms"),
            ("latency", 1e3, "ms"),
            ("client_byte", 1e9, "ns"),
            ("worker_byte", 1e9, "ns"),
            ("peer_byte", 1e9, "ns"),
            ("read_byte", 1e9, "ns"),
            ("sample", 1e9, "ns"),
        )
        for value in (costs[name],)
    )
    return [
        "**The simulator next to local clusters**, which share this machine's cores; costs measured on two workers.",
        table(["workers", "foretold", "measured (quartiles)", "off by", "waits most for"], [line(n) for n in found]),
        f"Costs: {listed}.",
    ]


def _far(results: Mapping[str, Any]) -> list[str]:
    found = results.get("simulator", {}).get("far")
    if not found:
        return []
    rows = [
        [
            title,
            workers,
            f"{run['chunk']:,}",
            f"{run['tasks']:,}",
            str(run["merged"]) if run["merged"] > 1 else "–",
            f"{number(run['seconds'])} s",
            f"{100 * run['efficiency']:.0f} %",
            run["limit"],
        ]
        for title, by_workers in found.items()
        for workers, run in by_workers.items()
    ]
    head = ["", "workers", "samples a piece", "tasks", "merged at once", "time", "of ideal", "waits most for"]
    how = "with the same costs and a core for each worker; sizes of pieces and of the tree follow from the costs"
    return [
        f"**{FORETOLD:,} samples on more workers, simulated** {how}.",
        table(head, rows),
    ]


def _plan(results: Mapping[str, Any]) -> list[str]:
    found = results.get("plan", {}).get("planned")
    if not found:
        return []
    rows = [
        [
            f"{of}: {PLANNED[what][0]}",
            number(pair["foretold"] / PLANNED[what][1]),
            number(pair["measured"] / PLANNED[what][1]),
            f"{100 * (pair['foretold'] / pair['measured'] - 1):+.0f} %" if pair["measured"] else "–",
        ]
        for of, pairs in found.items()
        for what, pair in pairs.items()
    ]
    return ["**`plan` before a run, and the run.**", table(["", "planned", "measured", "off by"], rows)]
