"""The speeds to reach, and whether a run reached them. They hold for one thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.timing import ratio

__all__ = ["BY_HAND", "Goal", "judge", "judge_cluster", "judge_compiled", "judge_fills", "judge_transforms"]


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
    return [
        *(
            Goal(f"{w}: faster than {NAMES[p]}", _of_steps(results, w, p, "ours"), limit, at_least=True)
            for w, p, limit in FASTER
        ),
        *(Goal(f"{w}: time over {NAMES[p]}'s", _of_steps(results, w, "ours", p), limit) for w, p, limit in NEAR),
    ]


def _of_steps(results: Mapping[str, Any], workload: str, above: str, below: str) -> float | None:
    """Return the ratio of two peers' times of a step; None where one was not measured."""
    return _compare(results.get("workloads", {}).get(workload, {}).get("seconds", {}), above, below)


def _compare(seconds: Mapping[str, Any], above: str, below: str) -> float | None:
    return ratio(seconds[above], seconds[below]) if above in seconds and below in seconds else None


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
    mapped = {of: results.get("map", {}).get(of, {}).get("seconds", {}) for of in ("loss", "gradient")}
    hessian, depth = (results.get(name, {}) for name in ("hessian", "depth"))
    return [
        Goal("vmap of the loss: faster than a loop", _compare(mapped["loss"], "loop", "vmap"), 50.0, at_least=True),
        # Writing a gradient for every sample takes most of the time, however it is computed.
        Goal(
            "vmap of the gradient: time over that of one batch by hand",
            _compare(mapped["gradient"], "vmap", "batch_by_hand"),
            1.2,
        ),
        Goal(
            "Hessian: faster than HIPS autograd",
            _compare(hessian.get("seconds", {}), "hips", "ours"),
            5.0,
            at_least=True,
        ),
        Goal(
            "checkpoint: exponent of the peak memory's growth with depth",
            depth.get("exponents", {}).get("checkpoint"),
            0.6,
            unit="",
        ),
        Goal("checkpoint: time over that without", _compare(depth.get("seconds", {}), "checkpoint", "plain"), 1.5),
    ]


# ---- compiled steps
NEAR_H2 = ("W2", "W4", "W5", "W6", "W7")
FASTER_THAN_JAX = ("W1", "W2", "W5", "W7")
NEAR_JAX = {"W3": 1.15, "W4": 1.1, "W6": 1.1}
FASTER_THAN_TORCH = ("W1", "W2")
COMPILATION = {"W3": 50.0, "a loss of 200 equations": 1000.0, "W3, a last partial batch": 50.0}
ON_DASK = {"mlp": "an MLP on digits", "logistic": "logistic regression, 10M rows"}


def judge_compiled(results: Mapping[str, Any]) -> list[Goal]:
    """Return every goal of compiled steps with what ``results`` say of it."""

    def over(w: str, peer: str) -> float | None:
        return _of_steps(results, w, "ours_compiled", peer)

    def faster(w: str, peer: str) -> float | None:
        return _of_steps(results, w, peer, "ours_compiled")

    w1 = results.get("workloads", {}).get("W1", {}).get("seconds", {}).get("ours_compiled")
    memory = results.get("memory", {}).get("W4", {})
    ours, by_hand = (memory.get(peer, {}).get("megabytes") for peer in ("ours_compiled", "h2"))
    return [
        Goal("W1: a step", median(w1) * 1e6 if w1 else None, 6.0, unit=" us"),
        *(Goal(f"{w}: time over H2's", over(w, "h2"), 1.15) for w in NEAR_H2),
        *(Goal(f"{w}: time over jax.jit's", over(w, "jax_jit"), limit) for w, limit in NEAR_JAX.items()),
        *(Goal(f"{w}: faster than jax.jit", faster(w, "jax_jit"), 1.0, at_least=True) for w in FASTER_THAN_JAX),
        *(
            Goal(f"{w}: faster than torch.compile", faster(w, "torch_compiled"), 1.0, at_least=True)
            for w in FASTER_THAN_TORCH
        ),
        *(_first_step(results, case, limit) for case, limit in COMPILATION.items()),
        Goal("W4: peak memory over H2's", ours / by_hand if ours is not None and by_hand else None, 1.0),
        *(goal for case, title in ON_DASK.items() for goal in _on_dask(results, case, title)),
    ]


def _first_step(results: Mapping[str, Any], case: str, limit: float) -> Goal:
    found = results.get("compilation", {}).get("cases", {}).get(case)
    first = median(found["first"]) * 1e3 if found else None
    return Goal(f"{case}: the first step, compilation included", first, limit, unit=" ms")


def _on_dask(results: Mapping[str, Any], case: str, title: str) -> list[Goal]:
    found = results.get("dask", {}).get(case, {})
    tasks = found["tasks"]["eager"] / found["tasks"]["compiled"] if "tasks" in found else None
    return [
        Goal(f"Dask, {title}: fewer tasks than eager", tasks, 10.0, at_least=True),
        Goal(
            f"Dask, {title}: faster than eager",
            _compare(found.get("seconds", {}), "eager", "compiled"),
            5.0,
            at_least=True,
        ),
    ]


# ---- fills
# Ours, what it is compared with, and the most that its time may be of the other's.
FILLED = (
    ("numpy 1", "generator", 1.6),
    ("numpy 2", "generator", 1.2),
    ("numba 1", "generator", 0.25),
    ("ours on torch", "torch", 1.5),
    ("ours on jax", "jax", 1.0),
    # Two workers that never waited for one another would take half the time of one.
    ("dask 2", "dask 1", 0.75),
)
ON_A_GPU = ("ours on cupy", "cupy", 1.25)


def judge_fills(results: Mapping[str, Any]) -> list[Goal]:
    """Return every goal of the fills with what ``results`` say of it; those of a GPU where there is one."""
    seconds = results.get("fills", {}).get("seconds", {})
    wanted = [*FILLED, ON_A_GPU] if "cupy" in seconds else FILLED
    return [
        Goal(f"{ours}: time over that of {other}", _compare(seconds, ours, other), most) for ours, other, most in wanted
    ]


# ---- clusters
BY_HAND = ("mean by hand", "tree by hand", "futures by hand")
HELD = {"mlp": "a network", "logistic": "logistic regression"}
# Local workers, and the most that a run may differ from what the simulator said.
FORETOLD = {"1": 25.0, "2": 25.0, "4": 40.0, "8": 40.0}
PLANNED = ("tasks", "wire", "memory", "seconds")
MOST_OFF = 20.0


def judge_cluster(results: Mapping[str, Any]) -> list[Goal]:
    """Return every goal of mean losses on clusters with what ``results`` say of it."""
    seconds = {part: results.get(part, {}).get("seconds", {}) for part in ("dask", "loop", "bare", "processor")}
    limits = {"exact": 1.3, "fast": 1.05}
    memory = list(results.get("memory", {}).get("megabytes", {}).values())
    return [
        *(
            Goal(
                f"{title}, {way}: time over the best by hand with Dask", _over_best(seconds["dask"].get(of), way), most
            )
            for of, title in HELD.items()
            for way, most in limits.items()
        ),
        *(
            Goal(
                f"{title}, {way}: time over sums by block, and their tree",
                _compare(seconds["dask"].get(of) or {}, way, "tree by hand"),
                most,
            )
            for of, title in HELD.items()
            for way, most in limits.items()
        ),
        *(
            Goal(
                f"{title}, in this process: faster than looping forward",
                _compare(seconds["loop"].get(of, {}), "loop, eager", "mean_loss"),
                50.0,
                at_least=True,
            )
            for of, title in HELD.items()
        ),
        Goal(
            "two workers: of what two bare processes reach",
            _compare(seconds["bare"], "2 bare", "2 workers"),
            0.88,
            at_least=True,
        ),
        Goal(
            "logistic regression over 64 chunks: processor time over that of one pass by NumPy",
            _compare(seconds["processor"], "exact", "NumPy"),
            1.3,
        ),
        Goal(
            "the client's memory, eight times the samples",
            memory[1] - memory[0] if len(memory) == 2 else None,
            32.0,
            unit=" MB more",
        ),
        *(_foretold(results, workers, most) for workers, most in FORETOLD.items()),
        *(_planned(results, of, what) for of in ("in memory", "files") for what in PLANNED),
    ]


def _over_best(seconds: Mapping[str, Any] | None, way: str) -> float | None:
    """Return the time of ``way`` over that of what is fastest by hand, by the medians."""
    if not seconds or way not in seconds:
        return None
    best = min((name for name in BY_HAND if name in seconds), key=lambda name: median(seconds[name]))
    return ratio(seconds[way], seconds[best])


def _foretold(results: Mapping[str, Any], workers: str, most: float) -> Goal:
    found = results.get("simulator", {}).get("local", {}).get(workers)
    off = 100 * abs(found["foretold"] / median(found["seconds"]) - 1) if found else None
    return Goal(f"the simulator on {workers} local worker{'s' * (workers != '1')}: off by", off, most, unit=" %")


def _planned(results: Mapping[str, Any], of: str, what: str) -> Goal:
    found = results.get("plan", {}).get("planned", {}).get(of, {}).get(what)
    off = 100 * abs(found["foretold"] / found["measured"] - 1) if found else None
    return Goal(f"plan of samples {'in ' * (of == 'files')}{of}, {what}: off by", off, MOST_OFF, unit=" %")
