"""Losses over many rows: written for one sample, for tl_arrayapi, and for a block of rows in NumPy, by hand.

The blocks' forms are what one hands to ``map_blocks``. Workers of a cluster import both from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import tl_arrayapi as tl

__all__ = ["CASES", "Case"]

FEATURES = 8
PIXELS, HIDDEN, CLASSES = 64, 128, 10

Arrays = tuple[np.ndarray, ...]


def linear(w: Any, b: Any, x: Any, y: Any) -> Any:
    """Return the squared error of a linear model on one sample."""
    d = x @ w + b - y
    return d * d


def linear_of_block(w: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    d = x @ w
    d += b
    d -= y
    d *= d
    return d


def logistic(w: Any, b: Any, x: Any, y: Any) -> Any:
    """Return the cross-entropy of a logistic model on one sample with label 0 or 1, in the form without overflow."""
    xp = tl.array_namespace(w, x)
    z = x @ w + b
    return xp.maximum(z, 0.0) - y * z + xp.log1p(xp.exp(-xp.abs(z)))


def logistic_of_block(w: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    z = x @ w
    z += b
    losses = np.abs(z)
    np.negative(losses, out=losses)
    np.exp(losses, out=losses)
    np.log1p(losses, out=losses)
    losses -= y * z
    losses += np.maximum(z, 0, out=z)
    return losses


def mlp(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> Any:
    """Return the cross-entropy of a network 64-128-10 on one sample with a target [10] of one 1."""
    xp = tl.array_namespace(w1, x)
    z = xp.tanh(x @ w1 + b1) @ w2 + b2
    z = z - xp.max(z)
    return xp.log(xp.sum(xp.exp(z))) - xp.sum(y * z)


def mlp_of_block(
    w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    h = x @ w1
    h += b1
    z = np.tanh(h, out=h) @ w2
    z += b2
    z -= z.max(axis=1, keepdims=True)
    right = np.einsum("ij,ij->i", y, z)
    losses = np.exp(z, out=z).sum(axis=1)
    np.log(losses, out=losses)
    losses -= right
    return losses


@dataclass(frozen=True)
class Case:
    """One loss: ``sample(*params, x, y)``, ``block(*params, x, y)``, and what makes its arrays."""

    title: str
    sample: Callable[..., Any]
    block: Callable[..., np.ndarray]
    shapes: tuple[tuple[int, ...], ...]
    inputs: tuple[tuple[int, ...], ...]

    def params(self) -> Arrays:
        """Return the parameters, float32."""
        rng = np.random.default_rng(7)
        return tuple((0.2 * rng.standard_normal(shape)).astype(np.float32) for shape in self.shapes)

    def rows(self, count: int, seed: int = 0) -> Arrays:
        """Return ``count`` rows of the inputs, float32: the last input is a target of zeros and ones."""
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((count, *self.inputs[0]), dtype=np.float32)
        if self.inputs[1]:
            return x, np.eye(*self.inputs[1], dtype=np.float32)[rng.integers(0, *self.inputs[1], count)]
        return x, (rng.random(count, dtype=np.float32) < 0.5).astype(np.float32)

    def module(self, backend: str = "compiled") -> tl.ScalarModule:
        """Return the module of the loss on NumPy, float32."""
        options = tl.Options(backend=backend)
        return tl.ScalarModule.create(self.sample, list(self.params()), options=options)

    @property
    def losses(self) -> Callable[..., np.ndarray]:
        """The block's form with the parameters put in."""
        return partial(self.block, *self.params())

    def mean(self, arrays: Arrays, size: int = 1 << 16) -> float:
        """Return the mean in float64, of losses in float64."""
        params = [p.astype(np.float64) for p in self.params()]
        total, count = 0.0, len(arrays[0])
        for start in range(0, count, size):
            block = [x[start : start + size].astype(np.float64) for x in arrays]
            total += float(self.block(*params, *block).sum())
        return total / count


CASES = {
    "linear": Case("linear regression, 8 features", linear, linear_of_block, ((FEATURES,), ()), ((FEATURES,), ())),
    "logistic": Case(
        "logistic regression, 8 features", logistic, logistic_of_block, ((FEATURES,), ()), ((FEATURES,), ())
    ),
    "mlp": Case(
        f"a network {PIXELS}-{HIDDEN}-{CLASSES}",
        mlp,
        mlp_of_block,
        ((PIXELS, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,)),
        ((PIXELS,), (CLASSES,)),
    ),
}
