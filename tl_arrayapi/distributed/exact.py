"""Sums of float64 numbers without any rounding, so that order and grouping cannot matter.

Every finite float64 is an integer times 2^-1074. Sums of integers are exact, and the one rounding, when the mean is
read, is Python's division of integers, which is correctly rounded. Nothing here knows where the numbers come from.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tl_arrayapi.errors import ArgumentError

__all__ = ["ExactSum", "PlainSum"]

_EXPONENT = 1074


def _units(x: float) -> int:
    """Return a finite x in units of 2^-1074, the smallest positive float64."""
    numerator, denominator = x.as_integer_ratio()
    return numerator << (_EXPONENT + 1 - denominator.bit_length())


@dataclass(frozen=True)
class ExactSum:
    """Hold an exact weighted sum of numbers; what is not finite is counted apart.

    ``total`` is the sum of weight times value in units of 2^-2148, ``weight`` the sum of weights in units of 2^-1074,
    ``count`` the number of values.

    >>> (ExactSum.of([1e100, 1.0]).merge(ExactSum.of([-1e100]))).mean
    0.3333333333333333
    """

    total: int = 0
    weight: int = 0
    count: int = 0
    nans: int = 0
    positive_infinities: int = 0
    negative_infinities: int = 0

    @classmethod
    def of(cls, values: Iterable[float], weights: Sequence[float] | None = None) -> "ExactSum":
        """Sum ``values``, each times its weight (1 where ``weights`` is None); weights are finite and above 0."""
        values = list(values)
        scales = [1.0] * len(values) if weights is None else weights
        finite = [(x, w) for x, w in zip(values, scales, strict=True) if math.isfinite(x)]
        return cls(
            total=sum(_units(x) * _units(w) for x, w in finite),
            weight=sum(map(_units, scales)),
            count=len(values),
            nans=sum(map(math.isnan, values)),
            positive_infinities=values.count(math.inf),
            negative_infinities=values.count(-math.inf),
        )

    def merge(self, other: "ExactSum") -> "ExactSum":
        """Return the sum over the values of both."""
        return ExactSum(
            self.total + other.total,
            self.weight + other.weight,
            self.count + other.count,
            self.nans + other.nans,
            self.positive_infinities + other.positive_infinities,
            self.negative_infinities + other.negative_infinities,
        )

    @property
    def total_weight(self) -> float:
        """The sum of the weights, rounded once to float64."""
        return self.weight / (1 << _EXPONENT)

    @property
    def mean(self) -> float:
        """The weighted mean, rounded once to float64 (to nearest, ties to even), or what IEEE makes of NaN and Inf.

        Raises ArgumentError where the weights add up to 0.
        """
        if not self.weight:
            raise ArgumentError("the weights add up to 0: a mean needs one weight above 0 at least")
        if self.nans or (self.positive_infinities and self.negative_infinities):
            return math.nan
        if self.positive_infinities or self.negative_infinities:
            return math.inf if self.positive_infinities else -math.inf
        return self.total / (self.weight << _EXPONENT)


@dataclass(frozen=True)
class PlainSum:
    """Hold a weighted sum of float64 numbers as floating-point addition makes it: fast, and dependent on the order.

    >>> PlainSum(1.5, 1.0).merge(PlainSum(0.5, 3.0)).mean
    0.5
    """

    total: float
    weight: float

    def merge(self, other: "PlainSum") -> "PlainSum":
        """Return the sum over the values of both."""
        return PlainSum(self.total + other.total, self.weight + other.weight)

    @property
    def mean(self) -> float:
        """The weighted mean."""
        return self.total / self.weight
