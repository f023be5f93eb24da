"""vmap against a loop: a small network's loss, and its gradient, for each of many samples.

The loop calls the same function once a sample; the loss then runs on NumPy's own functions. By hand, in plain NumPy, is
a loop that does no more than it must, and one batched computation, the least that vmap could take.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks.check import near, norm
from benchmarks.timing import interleave

__all__ = ["SAMPLES", "WAYS", "measure"]

SAMPLES = 10_000
TOLERANCE = 1e-4
WAYS = ("vmap", "loop", "loop_by_hand", "batch_by_hand")

_rng = np.random.default_rng(11)


def _normal(*shape: int, std: float = 1.0) -> np.ndarray:
    return _rng.standard_normal(shape, dtype=np.float32) * np.float32(std)


PARAMS = (_normal(32, 64, std=0.15), _normal(64, std=0.1), _normal(64, 1, std=0.15), _normal(1, std=0.1))

Params = tuple[np.ndarray, ...]


def loss(params: tuple[Any, ...], x: Any, y: Any) -> Any:
    """Return the mean squared error of a network 32-64-1 on one sample: x [32], y [1]."""
    w1, b1, w2, b2 = params
    xp = tl.array_namespace(x, w1)
    d = xp.tanh(x @ w1 + b1) @ w2 + b2 - y
    return xp.mean(d * d)


def losses_in_a_loop(params: Params, x: np.ndarray, y: np.ndarray) -> list[Any]:
    (w1, b1, w2, b2), found = params, []
    w2, b2 = w2[:, 0], b2[0]
    for row, target in zip(x, y[:, 0], strict=True):
        d = np.tanh(row.dot(w1) + b1).dot(w2) + b2 - target
        found.append(d * d)
    return found


def gradients_in_a_loop(params: Params, x: np.ndarray, y: np.ndarray) -> list[Any]:
    (w1, b1, w2, b2), found = params, []
    w2, b2 = w2[:, 0], b2[0]
    for row, target in zip(x, y[:, 0], strict=True):
        h = np.tanh(row.dot(w1) + b1)
        g2 = 2 * (h.dot(w2) + b2 - target)
        g1 = g2 * w2 * (1 - h * h)
        found.append((row[:, None] * g1, g1, (g2 * h)[:, None], g2[None]))
    return found


def losses_of_a_batch(params: Params, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    w1, b1, w2, b2 = params
    d = np.tanh(x @ w1 + b1) @ w2 + b2 - y
    return (d * d)[:, 0]


def gradients_of_a_batch(params: Params, x: np.ndarray, y: np.ndarray) -> Params:
    w1, b1, w2, b2 = params
    h = np.tanh(x @ w1 + b1)
    g2 = 2 * (h @ w2 + b2 - y)
    g1 = (g2 @ w2.T) * (1 - h * h)
    return x[:, :, None] * g1[:, None, :], g1, h[:, :, None] * g2[:, None, :], g2


def measure(rounds: int, samples: int = SAMPLES) -> dict[str, Any]:
    """Check all against float64, then time them in turn: seconds for all samples, one number a round."""
    data = _normal(samples, 32), _normal(samples, 1)
    wide = tuple(p.astype(np.float64) for p in PARAMS), *(x.astype(np.float64) for x in data)
    return {
        "loss": _timed(loss, losses_in_a_loop, losses_of_a_batch, data, losses_of_a_batch(*wide), rounds),
        "gradient": _timed(
            tl.grad(loss), gradients_in_a_loop, gradients_of_a_batch, data, gradients_of_a_batch(*wide), rounds
        ),
    }


def _timed(
    f: Callable[..., Any],
    looped: Callable[..., Any],
    batched: Callable[..., Any],
    data: tuple[np.ndarray, ...],
    truth: Any,
    rounds: int,
) -> dict[str, Any]:
    mapped = tl.vmap(f, in_axes=(None, 0, 0))
    steps: dict[str, Callable[[], Any]] = {
        "vmap": lambda: mapped(PARAMS, *data),
        "loop": lambda: [f(PARAMS, x, y) for x, y in zip(*data, strict=True)],
        "loop_by_hand": lambda: looped(PARAMS, *data),
        "batch_by_hand": lambda: batched(PARAMS, *data),
    }
    assert tuple(steps) == WAYS
    for name, step in steps.items():
        _check(name, step(), truth)
    return {"seconds": interleave(steps, rounds)}


def _check(name: str, found: Any, truth: Any) -> None:
    if isinstance(found, list):
        found = tuple(map(np.stack, zip(*found, strict=True))) if isinstance(found[0], tuple) else np.stack(found)
    if not isinstance(truth, tuple):
        found, truth = (found,), (truth,)
    near(f"{name} over the samples", found, truth, [TOLERANCE * norm(x) for x in truth])
