"""Initialisers that draw from a seed's stream with bounds or moments of the user's own: uniform, normal, truncated
normal, and orthogonal matrices.
"""

import math
from dataclasses import dataclass
from typing import SupportsFloat, SupportsIndex

from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.formats import FORMATS, FloatFormat
from tl_arrayapi.init.gaussian import FARTHEST, Gaussian, Truncated
from tl_arrayapi.init.matrices import Orthogonal
from tl_arrayapi.init.recipes import Constant, Range, Recipe, Symmetric
from tl_arrayapi.init.schemes.base import FloatInit, as_number, assign, fitted
from tl_arrayapi.init.splitmix64 import as_seed

__all__ = [
    "Normal",
    "OrthogonalMatrix",
    "TruncatedNormal",
    "Uniform",
    "as_std",
    "normal",
    "normal_recipe",
    "orthogonal",
    "symmetric_recipe",
    "truncated_normal",
    "uniform",
]


@dataclass(frozen=True)
class Uniform(FloatInit):
    """Made by `uniform`."""

    name = "uniform"
    lo: float
    hi: float
    seed: int = 0

    def __post_init__(self) -> None:
        assign(self, lo=as_number("lo", self.lo), hi=as_number("hi", self.hi), seed=as_seed(self.seed))
        if self.lo >= self.hi:
            raise PlanError(f"uniform(lo, hi) needs lo < hi, got {self.lo} and {self.hi}")
        if math.isinf(self.hi - self.lo) and self.lo != -self.hi:
            raise PlanError(f"uniform({self.lo}, {self.hi}) is wider than the largest float: bring the bounds closer")

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the formula about 0 where the bounds lie evenly about it, and the general one elsewhere."""
        lo, hi = fitted(self, self.lo, form), fitted(self, self.hi, form)
        if lo == -hi:
            return symmetric_recipe(self, hi, self.seed, form)
        if lo >= hi or hi - lo > FORMATS[form.compute].largest:
            problem = "are one number" if lo >= hi else "are too far apart"
            raise PlanError(f"the bounds of {self!r} {problem} in {form.name}: choose others, or a wider dtype")
        return Range(lo, hi, self.seed, form)


@dataclass(frozen=True)
class Normal(FloatInit):
    """Made by `normal`."""

    name = "normal"
    mean: float
    std: float
    seed: int = 0

    def __post_init__(self) -> None:
        assign(self, mean=as_number("mean", self.mean), std=as_std("normal", self.std), seed=as_seed(self.seed))

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the inverse of the distribution."""
        return normal_recipe(self, self.mean, self.std, self.seed, form)


@dataclass(frozen=True)
class TruncatedNormal(FloatInit):
    """Made by `truncated_normal`."""

    name = "truncated_normal"
    mean: float = 0.0
    std: float = 1.0
    lo: float = -2.0
    hi: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        assign(self, mean=as_number("mean", self.mean), std=as_std("truncated_normal", self.std))
        assign(self, lo=as_number("lo", self.lo), hi=as_number("hi", self.hi), seed=as_seed(self.seed))
        if self.lo >= self.hi:
            raise PlanError(f"truncated_normal needs lo < hi, got {self.lo} and {self.hi}")
        self.recipe(FORMATS["float64"])

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the inverse of the distribution, between the bounds."""
        lo, hi = fitted(self, self.lo, form), fitted(self, self.hi, form)
        if lo >= hi:
            raise PlanError(f"the bounds of {self!r} are one number in {form.name}: choose others, or a wider dtype")
        if not self.std:
            return Constant(min(max(form.round(self.mean), lo), hi))
        for value in (self.mean, self.std):
            fitted(self, value, FORMATS[form.compute])
        recipe = Truncated(self.mean, self.std, lo, hi, self.seed, form)
        if not recipe.count:
            raise PlanError(f"no draw of a normal distribution falls between the bounds of {self!r}: widen them")
        return recipe


@dataclass(frozen=True)
class OrthogonalMatrix(FloatInit):
    """Made by `orthogonal`."""

    name = "orthogonal"
    gain: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        assign(self, gain=as_number("gain", self.gain), seed=as_seed(self.seed))

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the product of random reflections."""
        return Orthogonal(fitted(self, self.gain, form), self.seed, form)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise PlanError for a scalar's or a vector's."""
        if len(shape) < 2:
            raise PlanError(f"orthogonal() fills a matrix, and shape {shape} is none: give it two dimensions or more")


# ---------------------------------------------------------------- what users call
def uniform(lo: SupportsFloat, hi: SupportsFloat, seed: SupportsIndex = 0) -> Uniform:
    """Fill uniformly from [lo, hi): ``lo + u (hi - lo)``, where what would round to hi becomes the next value below.

    Where ``lo == -hi`` it is ``hi (2u - 1)``, which rounds once. Raise PlanError where ``lo < hi`` does not hold, for
    bounds that are not finite, and for a seed outside of [0, 2**64).

    >>> uniform(-1, 1, seed=7)
    Uniform(lo=-1.0, hi=1.0, seed=7)
    """
    return Uniform(lo, hi, seed)  # type: ignore[arg-type]


def normal(mean: SupportsFloat, std: SupportsFloat, seed: SupportsIndex = 0) -> Normal:
    """Fill from the normal distribution of a mean and a standard deviation: ``mean + std z``, z being the inverse of
    the standard normal distribution function at ``(r + 1/2) / 2**32``, r the 32-bit draw.

    z is computed in integers, to 2**-28 (float64: 2**-31), and lies within 6.34 of 0. Raise PlanError for a negative
    deviation, for numbers that are not finite, and, when it meets a dtype, where values would be beyond its largest.

    >>> normal(0, 0.02, seed=1)
    Normal(mean=0.0, std=0.02, seed=1)
    """
    return Normal(mean, std, seed)  # type: ignore[arg-type]


def truncated_normal(
    mean: SupportsFloat = 0.0,
    std: SupportsFloat = 1.0,
    lo: SupportsFloat = -2.0,
    hi: SupportsFloat = 2.0,
    seed: SupportsIndex = 0,
) -> TruncatedNormal:
    """Fill from the normal distribution, given that the value is in [lo, hi]: the bounds are values, not deviations, as
    in ``torch.nn.init.trunc_normal_``.

    It is the inverse of the distribution function on the part between the bounds (L. Devroye, "Non-Uniform Random
    Variate Generation", 1986, section II.2). Raise PlanError for what `normal` and `uniform` refuse, and for bounds so
    far out, or so close together, that no draw falls between them.

    >>> truncated_normal(0, 0.02, -0.04, 0.04, seed=1)
    TruncatedNormal(mean=0.0, std=0.02, lo=-0.04, hi=0.04, seed=1)
    """
    return TruncatedNormal(mean, std, lo, hi, seed)  # type: ignore[arg-type]


def orthogonal(gain: SupportsFloat = 1.0, seed: SupportsIndex = 0) -> OrthogonalMatrix:
    """Fill a matrix with gain times a random orthogonal one: orthonormal columns, or rows where those are fewer.

    It is a product of Householder reflections by normal vectors (G. W. Stewart, 1980), uniform over all orthogonal
    matrices, to rounding; the operations and their order are fixed, and take time of the order of rows x columns^2. An
    array of more dimensions is a matrix of as many rows as its first, as in ``torch.nn.init.orthogonal_`` (A. Saxe et
    al., 2013). Raise PlanError for a gain that is not finite, and, when it meets a shape, for a vector's.

    >>> from tl_arrayapi import init
    >>> q = init.materialize(orthogonal(), (3, 2), dtype="float64")
    >>> (q.T @ q).round(12) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    return OrthogonalMatrix(gain, seed)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what others are made of
def symmetric_recipe(scheme: FloatInit, bound: float, seed: int, form: FloatFormat) -> Recipe:
    """Return how to draw uniformly from [-bound, bound); raise PlanError where the format has no such bound."""
    rounded = fitted(scheme, bound, form)
    if not rounded:
        raise PlanError(
            f"the bound {bound} of {scheme!r} rounds to 0 in {form.name}, and all values with it: take a wider dtype"
        )
    if rounded < form.smallest_normal:
        # So few values are left below the bound that a product may round to it.
        return Range(-rounded, rounded, seed, form)
    return Symmetric(rounded, seed, form)


def normal_recipe(scheme: FloatInit, mean: float, std: float, seed: int, form: FloatFormat) -> Recipe:
    """Return how to draw normally; raise PlanError where values would be beyond the largest of the format."""
    if abs(mean) + FARTHEST * std > form.largest:
        raise PlanError(f"{scheme!r} reaches beyond {form.largest}, the largest {form.name}: take a wider dtype")
    return Gaussian(mean, std, seed, form) if std else Constant(form.round(mean))


def as_std(name: str, value: SupportsFloat) -> float:
    """Return a standard deviation; raise PlanError where it is negative, or no finite number."""
    std = as_number("std", value)
    if std < 0:
        raise PlanError(f"{name} needs a standard deviation of 0 or more, got {std}")
    return std
