"""Hold a peer's results to the float64 truth before it is timed, and a compiler to having compiled."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.peers import Runner
from benchmarks.workloads import TRUTH_STEPS, Truth, Workload

__all__ = ["FellBackError", "WrongResultError", "check", "check_compiled", "near", "norm"]


class WrongResultError(Exception):
    """A peer's result is not the one that float64 gives, so that its time means nothing."""


class FellBackError(Exception):
    """A compiling peer took its steps in another way than with one program, so that its time is not a compiler's."""


def check(peer: str, runner: Runner, workload: Workload, truth: Truth) -> None:
    """Raise unless the first loss and gradients, and the parameters after some steps, are near ``truth``.

    The measure is the norm of the difference over that of the expected array; for parameters, over that of the
    expected change, and what float32 rounds in the parameter itself.
    """
    where = f"{peer} on {workload.name}"
    if runner.loss_and_grads is not None:
        loss, grads = runner.loss_and_grads()
        near(f"{where}: loss", [loss], [truth.loss], [workload.tolerance * abs(truth.loss)])
        near(f"{where}: gradient", grads, truth.grads, [workload.tolerance * norm(g) for g in truth.grads])
    for _ in range(TRUTH_STEPS):
        runner.step()
    rounding = np.finfo(np.float32).eps
    allowed = [
        workload.tolerance * norm(after - before) + TRUTH_STEPS * rounding * norm(before)
        for before, after in zip(workload.params, truth.params, strict=True)
    ]
    near(f"{where}: parameter after {TRUTH_STEPS} steps", runner.params(), truth.params, allowed)


def check_compiled(peer: str, runner: Runner, workload: Workload) -> None:
    """Raise unless the peer, if it compiles, has made one program for all the steps that it took."""
    if runner.programs is not None and (made := runner.programs()) != 1:
        raise FellBackError(f"{peer} on {workload.name}: {made} programs for one step, expected 1")


def norm(x: Any) -> float:
    """Return the Euclidean norm of all elements, in float64."""
    return float(np.linalg.norm(np.asarray(x, np.float64).ravel()))


def near(what: str, got: Sequence[Any], expected: Sequence[Any], allowed: Sequence[float]) -> None:
    """Raise unless each array of ``got`` has the shape expected, and differs by at most ``allowed`` in norm."""
    if len(got) != len(expected):
        raise WrongResultError(f"{what}: {len(got)} arrays, expected {len(expected)}")
    for i, (g, e, limit) in enumerate(zip(got, expected, allowed, strict=True)):
        if np.shape(g) != np.shape(e):
            raise WrongResultError(f"{what} {i}: shape {np.shape(g)}, expected {np.shape(e)}")
        error = norm(np.asarray(g, np.float64) - e)
        if not error <= limit:  # NaN is an error too.
            raise WrongResultError(f"{what} {i}: off by {error:.3g} in norm; {limit:.3g} is allowed")
