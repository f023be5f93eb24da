"""What compiling a step takes us, part by part: tracing, the passes, lowering; and the first step in all.

Each round makes a new module, which has no program yet. The cases are the workloads, a last batch that is smaller than
those before it, and a recurrent network whose loss alone is 200 equations.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks.peers import ours_compiled
from benchmarks.workloads import MAKERS, relu_mlp, workload

__all__ = ["CASES", "PARTS", "measure", "recurrent"]

PARTS = ("trace", "passes", "lowering")
"""What compiling consists of, by the names that its report has for them."""

Step = Callable[[], Any]

STEPS, BATCH, WIDTH = 33, 8, 16


def recurrent(wx: Any, wh: Any, b: Any, v: Any, x: Any, y: Any) -> Any:
    """Return the mean squared error of a recurrent network over x [batch, steps, width], six equations a step."""
    xp = tl.array_namespace(wx, x)
    h = xp.zeros((x.shape[0], wh.shape[0]), dtype=x.dtype)
    for t in range(x.shape[1]):
        h = xp.tanh(x[:, t, :] @ wx + h @ wh + b)
    d = h @ v - y
    return xp.mean(d * d)


def _workload(name: str) -> tuple[tl.ScalarModule, Step]:
    made = workload(name)
    module = ours_compiled.module(made)
    return module, ours_compiled.runner(made, module).step


def _recurrent() -> tuple[tl.ScalarModule, Step]:
    rng = np.random.default_rng(0)
    shapes = ((WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH,), (WIDTH, 1))
    params = [rng.standard_normal(shape) * 0.1 for shape in shapes]
    module = tl.ScalarModule.create(recurrent, params, options=tl.Options(backend="compiled"))
    inputs = module.asarrays((rng.standard_normal((BATCH, STEPS, WIDTH)), rng.standard_normal((BATCH, 1))))
    return module, lambda: module.step(0.1, inputs)


def _partial() -> tuple[tl.ScalarModule, Step]:
    """Return a module that has stepped on whole batches, and its step on a smaller one."""
    made = workload("W3")
    module = tl.ScalarModule.create(relu_mlp, made.params, options=tl.Options(backend="compiled"))
    module.step(made.lr, tuple(made.inputs))
    last = tuple(x[:-28] for x in made.inputs)
    return module, lambda: module.step(made.lr, last)


CASES: dict[str, Callable[[], tuple[tl.ScalarModule, Step]]] = {
    **{name: lambda name=name: _workload(name) for name in MAKERS},
    "W3, a last partial batch": _partial,
    "a loss of 200 equations": _recurrent,
}


def measure(rounds: int, cases: tuple[str, ...] = tuple(CASES)) -> dict[str, Any]:
    """Return, for each case, seconds of each part and of the first step in all, one number a round; and how many
    equations were traced, and how many are run.
    """
    CASES["W2"]()[1]()  # What is loaded once in a process is no part of it.
    return {"cases": {case: _measured(CASES[case], rounds) for case in cases}}


def _measured(make: Callable[[], tuple[tl.ScalarModule, Step]], rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {part: [] for part in (*PARTS, "first")}
    for _ in range(rounds):
        module, step = make()
        start = perf_counter()
        step()
        found["first"].append(perf_counter() - start)
        compiled = module.programs[-1]
        for part in PARTS:
            found[part].append(compiled.seconds[part])
        found["equations"] = [len(compiled.traced.equations), len(compiled.graph.equations)]
    return found
