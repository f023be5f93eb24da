"""How the peak memory of a gradient grows with the depth of a network, with `tl.checkpoint` and without, and its cost.

The layers are cut into about sqrt(depth) segments of as many layers; with checkpoint only what goes into a segment is
kept. The network is wide in samples and narrow in features, for the gradients of the parameters grow with depth
whatever is done. The peak is what `tracemalloc` counts: NumPy reports its arrays to it.
"""

import math
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tl_arrayapi as tl
from benchmarks.check import near, norm
from benchmarks.timing import interleave

__all__ = ["DEPTHS", "exponent", "measure"]

DEPTHS = (4, 16, 64, 256)
TIMED = 64
WIDTH, BATCH = 64, 4096


def segment(x: Any, weights: list[Any]) -> Any:
    """Return x [batch, width] after a tanh layer for each of ``weights`` [width, width]."""
    xp = tl.array_namespace(x, *weights)
    for w in weights:
        x = xp.tanh(x @ w)
    return x


def loss(weights: list[Any], x: Any, wrap: Callable[..., Any]) -> Any:
    """Return the mean square of the last layer, every segment wrapped in ``wrap``."""
    length = math.isqrt(len(weights))
    for start in range(0, len(weights), length):
        x = wrap(segment)(x, weights[start : start + length])
    return tl.array_namespace(x).mean(x * x)


def _plain(f: Callable[..., Any]) -> Callable[..., Any]:
    return f


WAYS: dict[str, Callable[..., Any]] = {"checkpoint": tl.checkpoint, "plain": _plain}


def _made(depth: int, width: int, batch: int) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(depth)
    scale = np.float32(width**-0.5)
    weights = [rng.standard_normal((width, width), dtype=np.float32) * scale for _ in range(depth)]
    return weights, rng.standard_normal((batch, width), dtype=np.float32)


def peak(step: Callable[[], Any]) -> float:
    """Return by how many 10^6 bytes the arrays in memory grow while ``step`` runs."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        step()
        return (tracemalloc.get_traced_memory()[1] - before) / 1e6
    finally:
        tracemalloc.stop()


def exponent(depths: Sequence[int], sizes: Sequence[float]) -> float:
    """Return p of the best fit of sizes to a depth^p, by least squares of the logarithms."""
    return float(np.polyfit(np.log(depths), np.log(sizes), 1)[0])


def measure(rounds: int, depths: Sequence[int] = DEPTHS, width: int = WIDTH, batch: int = BATCH) -> dict[str, Any]:
    """Return the peaks in 10^6 bytes, a number a depth, and the seconds of a gradient at one, a number a round."""
    peaks: dict[str, list[float]] = {way: [] for way in WAYS}
    seconds: dict[str, list[float]] = {}
    for depth in depths:
        weights, x = _made(depth, width, batch)
        steps = {way: _step(weights, x, wrap) for way, wrap in WAYS.items()}
        kept, plain = (steps[way]() for way in ("checkpoint", "plain"))
        near(f"checkpoint at depth {depth}: gradient", kept, plain, [1e-5 * norm(g) for g in plain])
        del kept, plain
        for way, step in steps.items():
            peaks[way].append(peak(step))
        if depth == TIMED:
            seconds = interleave(steps, rounds)
    return {
        "depths": list(depths),
        "megabytes": peaks,
        "exponents": {way: exponent(depths, sizes) for way, sizes in peaks.items()},
        "seconds": seconds,
    }


def _step(weights: list[np.ndarray], x: np.ndarray, wrap: Callable[..., Any]) -> Callable[[], Any]:
    gradient = tl.grad(lambda weights: loss(weights, x, wrap))
    return lambda: gradient(weights)
