"""Modules and samples that the tests of this folder share; workers import them from here."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

import tl_arrayapi as tl

__all__ = ["arrays", "bits", "exact_mean", "failing_loss", "module", "samples", "squared_error", "stacked"]

WIDTH = 5


def squared_error(w, b, x, y):
    """The loss of a small network: sum((tanh(x w) + b - y)^2)."""
    xp = tl.array_namespace(w, b, x, y)
    residual = xp.tanh(x @ w) + b - y
    return xp.sum(residual * residual)


def failing_loss(w, x):
    """The square of w x; where x is negative it fails, as losses with an assertion do."""
    if x < 0:
        raise ZeroDivisionError(f"no loss for {float(x)}")
    return w * w * x * x


def arrays(count: int, seed: int = 0) -> tuple[Any, Any]:
    """Return ``count`` rows of inputs and targets."""
    rng = np.random.default_rng(seed)
    # Magnitudes apart, so that sums in another order round in another way.
    scale = 10.0 ** rng.integers(-6, 6, size=(count, 1))
    return rng.normal(size=(count, WIDTH)), scale * rng.normal(size=(count, 3))


def samples(count: int, seed: int = 0) -> list[tuple[Any, Any]]:
    """Return ``count`` samples as a list of tuples."""
    return list(zip(*arrays(count, seed), strict=True))


def stacked(count: int, seed: int = 0) -> Any:
    """Return the same samples as stacked arrays."""
    return tl.stack_samples(*arrays(count, seed))


def module(loss: Any = squared_error, dtype: str = "float64", **more: Any) -> Any:
    """Return a module on NumPy with parameters w (5, 3) and b (3,)."""
    rng = np.random.default_rng(1)
    values = [rng.normal(size=(WIDTH, 3)), rng.normal(size=3)]
    return tl.ScalarModuleDef(loss, init_params=values, **more).instantiate(dtype=dtype)


def exact_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the mean by fractions, rounded once."""
    scales = [Fraction(1)] * len(values) if weights is None else [Fraction(w) for w in weights]
    return float(sum(w * Fraction(x) for w, x in zip(scales, values, strict=True)) / sum(scales))


def bits(arrays: Sequence[Any]) -> list[bytes]:
    """Return the bytes of NumPy arrays, so that equality is of bits."""
    return [np.ascontiguousarray(x).tobytes() for x in arrays]
