"""A training step on Dask's arrays in the eager and the compiled backend: the tasks that run, and the time.

Tasks are counted as they run. (``dask.optimize`` optimises each collection for itself, and would count twice what two
results share; ``compute`` and ``persist``, which a step calls, optimise them together.)
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks.timing import interleave

__all__ = ["CASES", "WAYS", "digits", "logistic", "measure", "tasks_of"]

WAYS = ("eager", "compiled")

DIGITS, PIXELS, HIDDEN, CLASSES = 1797, 64, 64, 10
ROWS, FEATURES = 10_000_000, 8

Case = tuple[Callable[..., Any], list[Any], tuple[Any, ...]]


def _classes(hidden: Any, hidden_bias: Any, out: Any, out_bias: Any, x: Any, labels: Any) -> Any:
    """Return the mean cross-entropy of an MLP on integer labels."""
    xp = tl.array_namespace(hidden, x)
    z = xp.tanh(x @ hidden + hidden_bias) @ out + out_bias
    z = z - tl.stop_gradient(xp.max(z, axis=-1, keepdims=True))
    # A comparison, not a gather: Dask's own gather at labels in chunks costs tasks by the square of these.
    right = xp.astype(labels[:, None] == xp.arange(CLASSES, dtype=labels.dtype), z.dtype)
    return xp.mean(xp.log(xp.sum(xp.exp(z), axis=-1)) - xp.sum(right * z, axis=-1))


def _probability(w: Any, b: Any, x: Any, y: Any) -> Any:
    """Return the mean cross-entropy of a logistic model on labels 0 and 1, in the form that does not overflow."""
    xp = tl.array_namespace(w, x)
    z = x @ w + b
    return xp.mean(xp.maximum(z, 0.0) - y * z + xp.log1p(xp.exp(-xp.abs(z))))


def digits(rows: int = DIGITS, chunk: int = 225) -> Case:
    """Return a loss, initial parameters and inputs of the shapes of the digits: (rows, 64) pixels and their labels."""
    import dask.array as da

    rng = np.random.default_rng(0)
    shapes = ((PIXELS, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,))
    params = [rng.standard_normal(shape) * 0.1 for shape in shapes]
    x = rng.random((rows, PIXELS), dtype="float32")
    labels = rng.integers(0, CLASSES, rows)
    return _classes, params, (da.from_array(x, chunks=(chunk, -1)), da.from_array(labels, chunks=chunk))


def logistic(rows: int = ROWS, chunk: int = 100_000) -> Case:
    """Return a loss, initial parameters and inputs: (rows, 8) features in float32 and labels 0 or 1."""
    import dask.array as da

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, FEATURES), dtype="float32")
    y = (rng.random(rows, dtype="float32") < 0.5).astype("float32")
    params = [rng.standard_normal(FEATURES) * 0.1, np.zeros(())]
    return _probability, params, (da.from_array(x, chunks=(chunk, -1)), da.from_array(y, chunks=chunk))


CASES: dict[str, Callable[[], Case]] = {"mlp": digits, "logistic": logistic}


def measure(rounds: int) -> dict[str, Any]:
    """Return, for each case and both ways, the tasks of one step and seconds of a step, one number a round."""
    try:
        import dask
    except ImportError as error:
        return {"note": f"not installed: {error}"}
    with dask.config.set(scheduler="threads"):
        return {name: _measured(make(), rounds) for name, make in CASES.items()}


def _measured(case: Case, rounds: int) -> dict[str, Any]:
    import dask
    import dask.array as da

    loss, params, inputs = case
    inputs = dask.persist(*inputs)
    modules = {way: tl.ScalarModule.create(loss, params, options=tl.Options(xp=da, backend=way)) for way in WAYS}
    steps = {way: lambda module=module: module.step(0.1, inputs) for way, module in modules.items()}
    losses = {way: [float(step().compute()) for _ in range(3)] for way, step in steps.items()}
    if not np.allclose(losses["eager"], losses["compiled"], rtol=1e-4):
        raise ValueError(f"the two ways have different losses: {losses}")
    return {"tasks": {way: tasks_of(step) for way, step in steps.items()}, "seconds": interleave(steps, rounds)}


def tasks_of(step: Callable[[], Any]) -> int:
    """Return how many tasks of Dask's a step runs, on this machine."""
    from dask.callbacks import Callback

    ran: list[Any] = []
    with Callback(posttask=lambda key, *_: ran.append(key)):
        step()
    return len(ran)
