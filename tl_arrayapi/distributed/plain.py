"""Moments of float64 numbers as floating-point addition makes them: fast, and dependent on the order.

Nothing here knows where the numbers come from.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy

__all__ = ["PlainMoments"]

_Floats = numpy.ndarray[Any, numpy.dtype[numpy.float64]]


@dataclass(frozen=True)
class PlainMoments:
    """Hold the weighted sum of numbers, the sum of the weights, and that of weight times squared distance to the mean.

    The last one is merged as Chan, Golub and LeVeque do (Updating formulae and a pairwise algorithm for computing
    sample variances, 1979): squares of the numbers themselves would cancel.

    >>> moments = PlainMoments.of(numpy.asarray([1.0, 2.0])).merge(PlainMoments.of(numpy.asarray([6.0])))
    >>> moments.mean, moments.variance
    (3.0, 4.666666666666667)
    """

    total: float
    weight: float
    spread: float

    @classmethod
    def of(cls, values: _Floats, weights: _Floats | None = None) -> "PlainMoments":
        """Return the moments of ``values``, each with its weight (1 where ``weights`` is None)."""
        weight = float(len(values)) if weights is None else _sum(weights)
        if not weight:
            return cls(0.0, 0.0, 0.0)
        # Infinite losses are told of by the sums that they make.
        with numpy.errstate(over="ignore", invalid="ignore"):
            total = _sum(values if weights is None else weights * values)
            squares = (values - total / weight) ** 2
            return cls(total, weight, _sum(squares if weights is None else weights * squares))

    def merge(self, other: "PlainMoments") -> "PlainMoments":
        """Return the moments of the values of both."""
        if not (self.weight and other.weight):
            return self if self.weight else other
        weight = self.weight + other.weight
        apart = other.total / other.weight - self.total / self.weight
        spread = self.spread + other.spread + apart * apart * (self.weight * other.weight / weight)
        return PlainMoments(self.total + other.total, weight, spread)

    @property
    def mean(self) -> float:
        """The weighted mean; NaN where there is no weight."""
        return self.total / self.weight if self.weight else math.nan

    @property
    def variance(self) -> float:
        """The weighted mean of the squared distances to the mean."""
        return self.spread / self.weight if self.weight else math.nan


def _sum(values: _Floats) -> float:
    """Add up pairs of neighbours, and pairs of these sums, and so on: runs of 2^k numbers are branches of one tree."""
    while len(values) > 1:
        if len(values) % 2:
            values = numpy.append(values, 0.0)
        values = values[0::2] + values[1::2]
    return float(values[0]) if len(values) else 0.0
