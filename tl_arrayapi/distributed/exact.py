"""Sums and moments of float64 numbers without any rounding, so that order and grouping cannot matter.

Every finite float64 is an integer times 2^-1074. Sums of integers are exact, and the one rounding, when the mean or the
variance is read, is Python's division of integers, which is correctly rounded. Nothing here knows where the numbers
come from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from tl_arrayapi.distributed.units import EXPONENT, running_units
from tl_arrayapi.errors import ArgumentError

__all__ = ["ExactSum", "Moments"]

_Values = Sequence[float] | numpy.ndarray[Any, Any]
_Floats = numpy.ndarray[Any, numpy.dtype[numpy.float64]]


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
    def of(cls, values: _Values, weights: _Values | None = None) -> "ExactSum":
        """Sum ``values``, each times its weight (1 where ``weights`` is None); weights are finite and above 0."""
        return _totals(1, *_columns(values, weights))[0]

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
    def is_finite(self) -> bool:
        """Whether all values are finite."""
        return not (self.nans or self.positive_infinities or self.negative_infinities)

    @property
    def total_weight(self) -> float:
        """The sum of the weights, rounded once to float64."""
        return _rounded(self.weight, 1 << EXPONENT)

    @property
    def sum(self) -> float:
        """The weighted sum, rounded once to float64, or what IEEE arithmetic makes of NaN and infinities."""
        return _rounded(self.total, 1 << 2 * EXPONENT) if self.is_finite else self._not_finite

    @property
    def mean(self) -> float:
        """The weighted mean, rounded once to float64 (to nearest, ties to even), or what IEEE makes of NaN and Inf.

        Raises ArgumentError where the weights add up to 0.
        """
        if not self.weight:
            raise ArgumentError("the weights add up to 0: a mean needs one weight above 0 at least")
        return self.total / (self.weight << EXPONENT) if self.is_finite else self._not_finite

    @property
    def _not_finite(self) -> float:
        if self.nans or (self.positive_infinities and self.negative_infinities):
            return math.nan
        return math.inf if self.positive_infinities else -math.inf


@dataclass(frozen=True)
class Moments:
    """Hold the exact weighted sums of numbers and of their squares.

    ``squares`` is the sum of weight times value squared, of what is finite, in units of 2^-3222.

    >>> moments = Moments.of([1e8 + 1, 1e8 + 3])
    >>> moments.mean, moments.variance
    (100000002.0, 1.0)
    """

    sum: ExactSum
    squares: int

    @classmethod
    def of(cls, values: _Values, weights: _Values | None = None) -> "Moments":
        """Sum ``values`` and their squares, each times its weight (1 where ``weights`` is None)."""
        return cls(*_totals(2, *_columns(values, weights)))

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of the values of both."""
        return Moments(self.sum.merge(other.sum), self.squares + other.squares)

    @property
    def total(self) -> float:
        """The weighted sum: see `ExactSum.sum`."""
        return self.sum.sum

    @property
    def weight(self) -> float:
        """The sum of the weights: see `ExactSum.total_weight`."""
        return self.sum.total_weight

    @property
    def mean(self) -> float:
        """The weighted mean: see `ExactSum.mean`."""
        return self.sum.mean

    @property
    def variance(self) -> float:
        """The weighted mean of the squared distances to the mean, rounded once to float64; NaN where a value is not
        finite.

        It is the variance of these values as they are: times n / (n - 1) it estimates that of what n values of equal
        weight were drawn from. Raises ArgumentError where the weights add up to 0.
        """
        weight = self.sum.weight
        if not weight:
            raise ArgumentError("the weights add up to 0: a variance needs one weight above 0 at least")
        if not self.sum.is_finite:
            return math.nan
        return _rounded(self.squares * weight - self.sum.total**2, weight**2 << 2 * EXPONENT)


def _columns(values: _Values, weights: _Values | None) -> tuple[_Floats, _Floats | None]:
    columns = [_column(x) for x in (values, weights) if x is not None]
    if len({len(x) for x in columns}) != 1:
        raise ArgumentError(
            f"there are {len(columns[1])} weights for {len(columns[0])} values: one for each is expected"
        )
    return columns[0], columns[1] if weights is not None else None


def _column(x: _Values) -> _Floats:
    # Narrower numbers are widened block by block, where they are summed.
    found = numpy.asarray(x)
    is_floating = found.dtype.kind == "f" and found.dtype.itemsize <= 8
    return (found if is_floating else found.astype(numpy.float64)).ravel()


def _totals(power: int, values: _Floats, weights: _Floats | None) -> tuple[ExactSum, int]:
    """Return the sum of values, and that of their highest power wanted in units of ``2**(-1074 * (power + 1))``."""
    with numpy.errstate(over="ignore", invalid="ignore"):
        is_all = math.isfinite(values.sum())
    is_finite = True if is_all else numpy.isfinite(values)
    powers = [values if is_all else numpy.where(is_finite, values, 0.0)] * power
    if weights is None:
        sums = [len(values) << EXPONENT, *(x << EXPONENT for x in running_units(*powers))]
    else:
        sums = running_units(weights, *powers)
    kinds = [] if is_all else [numpy.isnan(values), numpy.isposinf(values), numpy.isneginf(values)]
    return ExactSum(sums[1], sums[0], len(values), *(int(kind.sum()) for kind in kinds)), sums[-1]


def _rounded(numerator: int, denominator: int) -> float:
    """Return a quotient rounded once to float64, infinite where it is beyond the largest."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf
