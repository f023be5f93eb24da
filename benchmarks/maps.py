"""vmap against a loop: a small network's loss, and its gradient, for each of many samples.

The loop calls the same function once a sample; the loss then runs on NumPy's own functions. By hand is one batched
computation in plain NumPy, the least that vmap could take.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks.check import near, norm
from benchmarks.timing import interleave

__all__ = ["SAMPLES", "measure"]

SAMPLES = 10_000
TOLERANCE = 1e-4

_rng = np.random.default_rng(11)


def _normal(*shape: int, std: float = 1.0) -> np.ndarray:
    return _rng.standard_normal(shape, dtype=np.float32) * np.float32(std)


PARAMS = (_normal(32, 64, std=0.15), _normal(64, std=0.1), _normal(64, 1, std=0.15), _normal(1, std=0.1))


def loss(params: tuple[Any, ...], x: Any, y: Any) -> Any:
    """Return the squared error of a network 32-64-1 on one sample: x [32], y []."""
    w1, b1, w2, b2 = params
    h = tl.array_namespace(x, w1).tanh(x @ w1 + b1)
    d = (h @ w2 + b2)[0] - y
    return d * d


def losses_by_hand(params: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    w1, b1, w2, b2 = params
    d = (np.tanh(x @ w1 + b1) @ w2 + b2)[:, 0] - y
    return d * d


def gradients_by_hand(params: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    w1, b1, w2, b2 = params
    h = np.tanh(x @ w1 + b1)
    g2 = 2 * (h @ w2 + b2 - y[:, None])
    g1 = (g2 @ w2.T) * (1 - h * h)
    return x[:, :, None] * g1[:, None, :], g1, h[:, :, None] * g2[:, None, :], g2


def measure(rounds: int, samples: int = SAMPLES) -> dict[str, Any]:
    """Check all against float64, then time them in turn: seconds for all samples, one number a round."""
    x, y = _normal(samples, 32), _normal(samples)
    wide = tuple(p.astype(np.float64) for p in PARAMS), x.astype(np.float64), y.astype(np.float64)
    gradient = tl.grad(loss)
    return {
        "loss": _timed(loss, losses_by_hand, (x, y), losses_by_hand(*wide), rounds),
        "gradient": _timed(gradient, gradients_by_hand, (x, y), gradients_by_hand(*wide), rounds),
    }


def _timed(f: Callable[..., Any], by_hand: Callable[..., Any], data: Any, truth: Any, rounds: int) -> dict[str, Any]:
    mapped = tl.vmap(f, in_axes=(None, 0, 0))
    steps: dict[str, Callable[[], Any]] = {
        "vmap": lambda: mapped(PARAMS, *data),
        "loop": lambda: [f(PARAMS, x, y) for x, y in zip(*data, strict=True)],
        "by_hand": lambda: by_hand(PARAMS, *data),
    }
    expected = truth if isinstance(truth, tuple) else (truth,)
    for name, step in steps.items():
        found = step()
        if name == "loop":
            found = _stacked(found)
        parts = found if isinstance(found, tuple) else (found,)
        near(f"{name} over the samples", parts, expected, [TOLERANCE * norm(e) for e in expected])
    return {"seconds": interleave(steps, rounds)}


def _stacked(rows: list[Any]) -> Any:
    if isinstance(rows[0], tuple):
        return tuple(np.stack(column) for column in zip(*rows, strict=True))
    return np.stack(rows)
