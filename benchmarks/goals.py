"""The speeds to reach, and whether a run reached them. They hold for one thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.timing import ratio

__all__ = ["Goal", "judge", "judge_transforms"]


@dataclass(frozen=True)
class Goal:
    """One thing to reach: ``measured`` (None: there is no measurement) is to be at most, or at least, ``limit``."""

    what: str
    measured: float | None
    limit: float
    at_least: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether it was reached; what was not measured was not."""
        if self.measured is None:
            return False
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def judge(results: Mapping[str, Any]) -> list[Goal]:
    """Return every goal with what ``results`` say of it."""
    return [*_operations(results), *_workloads(results), _memory(results), _dask(results)]


def _operations(results: Mapping[str, Any]) -> list[Goal]:
    found = results.get("operations", {}).get("seconds", {}).get("ours")
    return [
        Goal(f"an operation on 16 floats, {way}", median(found[way]) * 1e6 if found else None, 1.2, unit=" us")
        for way in ("forward", "backward")
    ]


FASTER = (("W1", "torch_eager", 2.0), ("W2", "torch_eager", 1.4), ("W1", "hips", 4.0), ("W2", "hips", 4.0))
NEAR = (("W3", "torch_eager", 1.3), ("W4", "torch_eager", 1.3), ("W6", "torch_eager", 1.6))
NAMES = {"torch_eager": "torch", "hips": "HIPS autograd"}


def _workloads(results: Mapping[str, Any]) -> list[Goal]:
    def compare(name: str, above: str, below: str) -> float | None:
        seconds = results.get("workloads", {}).get(name, {}).get("seconds", {})
        return ratio(seconds[above], seconds[below]) if above in seconds and below in seconds else None

    return [
        *(Goal(f"{w}: faster than {NAMES[p]}", compare(w, p, "ours"), limit, at_least=True) for w, p, limit in FASTER),
        *(Goal(f"{w}: time over {NAMES[p]}'s", compare(w, "ours", p), limit) for w, p, limit in NEAR),
    ]


def _memory(results: Mapping[str, Any]) -> Goal:
    ours, torch = (results.get("memory", {}).get(peer, {}).get("megabytes") for peer in ("ours", "torch_eager"))
    return Goal("W4: peak memory over torch's", ours / torch if ours is not None and torch else None, 1.0)


def _dask(results: Mapping[str, Any]) -> Goal:
    found = results.get("dask", {}).get("seconds")
    # A graph that grew would make it many times slower; half as much again is noise.
    return Goal("Dask: the 50th step over the 5th", found["50"] / found["5"] if found else None, 1.5)


# ---- the transforms
def judge_transforms(results: Mapping[str, Any]) -> list[Goal]:
    """Return every goal of the transforms with what ``results`` say of it."""

    def compare(seconds: Mapping[str, Any], above: str, below: str) -> float | None:
        return ratio(seconds[above], seconds[below]) if above in seconds and below in seconds else None

    mapped = {of: results.get("map", {}).get(of, {}).get("seconds", {}) for of in ("loss", "gradient")}
    hessian, depth = (results.get(name, {}) for name in ("hessian", "depth"))
    return [
        Goal("vmap of the loss: faster than a loop", compare(mapped["loss"], "loop", "vmap"), 50.0, at_least=True),
        # Writing a gradient for every sample takes most of the time, however it is computed.
        Goal(
            "vmap of the gradient: time over that of one batch by hand",
            compare(mapped["gradient"], "vmap", "batch_by_hand"),
            1.2,
        ),
        Goal(
            "Hessian: faster than HIPS autograd",
            compare(hessian.get("seconds", {}), "hips", "ours"),
            5.0,
            at_least=True,
        ),
        Goal(
            "checkpoint: exponent of the peak memory's growth with depth",
            depth.get("exponents", {}).get("checkpoint"),
            0.6,
            unit="",
        ),
        Goal("checkpoint: time over that without", compare(depth.get("seconds", {}), "checkpoint", "plain"), 1.5),
    ]
