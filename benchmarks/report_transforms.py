"""The results of the transforms as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.goals import Goal
from benchmarks.peers import TITLES
from benchmarks.report import goal_table, notes, number, setting, table, timing
from benchmarks.timing import ratio

__all__ = ["render"]

WAYS = {
    "vmap": "vmap",
    "loop": "a loop",
    "loop_by_hand": "NumPy by hand, a loop",
    "batch_by_hand": "NumPy by hand, one batch",
}
MAPPED = {"loss": "the loss", "gradient": "its gradient"}
NETWORKS = {"plain": "without", "checkpoint": "with checkpoint"}


def render(results: Mapping[str, Any], goals: Sequence[Goal], command: str) -> str:
    """Return the tables of a run; ``goals`` is empty where they do not apply."""
    parts = [setting(results["versions"], command)]
    if "error" not in results["map"]:
        parts += ["**A loss 32-64-1 and its gradient, for each of 10,000 samples.**", _mapped(results["map"])]
    if "seconds" in results["hessian"]:
        parts += ["**The Hessian of Rosenbrock's function, 200 dimensions.**", _hessian(results["hessian"]["seconds"])]
    if "seconds" in results["derivatives"]:
        parts += ["**Derivatives beside a gradient.**", _derivatives(results["derivatives"]["seconds"])]
    if "megabytes" in results["depth"]:
        parts += ["**Peak memory of a gradient by depth**, MB.", *_depth(results["depth"])]
    if goals:
        parts += ["**Goals.**", goal_table(goals)]
    measured = {name: result for name, result in results.items() if name != "versions"}
    return "\n\n".join([*parts, *notes(measured, {})]) + "\n"


def _mapped(found: Mapping[str, Any]) -> str:
    rows = []
    for of, title in MAPPED.items():
        seconds = found[of]["seconds"]
        rows += [
            [title, *(timing(seconds[way]) for way in WAYS)],
            ["as a ratio to vmap", *(number(ratio(seconds[way], seconds["vmap"])) for way in WAYS)],
        ]
    return table(["", *WAYS.values()], rows)


def _hessian(seconds: Mapping[str, Sequence[float]]) -> str:
    rows = [[TITLES[peer], timing(times), number(ratio(times, seconds["ours"]))] for peer, times in seconds.items()]
    return table(["", "time", "over tl_arrayapi's"], rows)


def _derivatives(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    names = list(dict.fromkeys(name for seconds in found.values() for name in seconds))
    rows = []
    for of, seconds in found.items():
        relative = {name: number(ratio(seconds[name], seconds["gradient"])) for name in seconds}
        rows += [
            [of, *(timing(seconds[name]) if name in seconds else "–" for name in names)],
            ["over the gradient's", *(relative.get(name, "–") for name in names)],
        ]
    return table(["", *names], rows)


def _depth(found: Mapping[str, Any]) -> list[str]:
    rows = [
        [title, *(f"{peak:.1f}" for peak in found["megabytes"][way]), f"{found['exponents'][way]:.2f}"]
        for way, title in NETWORKS.items()
    ]
    parts = [table(["layers", *map(str, found["depths"]), "growth: depth to the power"], rows)]
    if found["seconds"]:
        times = [f"{timing(found['seconds'][way])} {title}" for way, title in NETWORKS.items()]
        parts.append(f"A gradient through 64 layers takes {' and '.join(times)}.")
    return parts
