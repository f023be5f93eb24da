"""Exact sums: equal to sums of fractions, in any order and any split, and rounded once."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.distributed.problems import exact_mean
from tl_arrayapi.distributed.exact import ExactSum, PlainSum
from tl_arrayapi.distributed.partition import fold
from tl_arrayapi.errors import ArgumentError

finite = st.floats(allow_nan=False, allow_infinity=False)
weight = st.floats(5e-324, 1e300)
pairs = st.lists(st.tuples(finite, weight), min_size=1, max_size=40)


def bits(x):
    return x.hex()


def same_mean(sums):
    return bits(fold(ExactSum.merge, sums).mean)


@given(pairs)
def test_the_mean_is_the_fraction_rounded_once(rows):
    values, weights = zip(*rows, strict=True)
    # Fractions have no -0.0: what rounds to 0 may differ in sign alone.
    assert ExactSum.of(values).mean == exact_mean(values)
    assert ExactSum.of(values, weights).mean == exact_mean(values, weights)


@given(pairs, st.randoms(use_true_random=False), st.lists(st.integers(0, 40), max_size=5))
def test_neither_order_nor_grouping_changes_a_bit(rows, random, cuts):
    shuffled = random.sample(rows, len(rows))
    bounds = sorted({0, len(rows), *(min(c, len(rows)) for c in cuts)})
    groups = [shuffled[i:j] for i, j in pairwise(bounds)]
    sums = [ExactSum.of([x for x, _ in group], [w for _, w in group]) for group in groups]
    random.shuffle(sums)
    whole = ExactSum.of([x for x, _ in rows], [w for _, w in rows])
    assert fold(ExactSum.merge, sums) == whole
    assert same_mean(sums) == bits(whole.mean)


def test_cancellation_loses_nothing():
    assert ExactSum.of([1e308, 1.0, -1e308, 5e-324, -1.0]).mean == 5e-324 / 5
    assert ExactSum.of([1e308, 3.0, -1e308]).mean == 1.0


def test_a_mean_of_the_largest_numbers_does_not_overflow():
    largest = math.ldexp(2 - 2**-52, 1023)
    assert ExactSum.of([largest] * 7).mean == largest


def test_a_mean_half_way_between_two_numbers_goes_to_the_even_one():
    assert ExactSum.of([1.0, 1.0 + 2**-52]).mean == 1.0
    assert ExactSum.of([1.0 + 2**-52, 1.0 + 2 * 2**-52]).mean == 1.0 + 2 * 2**-52


def test_equal_weights_change_nothing():
    values = [0.1, 0.2, 0.7]
    assert ExactSum.of(values, [0.3] * 3).mean == ExactSum.of(values).mean == exact_mean(values)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1.0, math.inf], math.inf),
        ([-math.inf, 1.0], -math.inf),
        ([math.inf, -math.inf], math.nan),
        ([1.0, math.nan], math.nan),
        ([math.nan, math.inf], math.nan),
    ],
)
def test_what_is_not_finite_decides_the_mean_as_in_ieee_arithmetic(values, mean):
    found = ExactSum.of(values).mean
    assert found == mean or (math.isnan(found) and math.isnan(mean))


def test_what_is_not_finite_is_counted_by_kind():
    found = ExactSum.of([math.nan, math.inf, math.inf]).merge(ExactSum.of([-math.inf, 2.0]))
    assert (found.count, found.nans, found.positive_infinities, found.negative_infinities) == (5, 1, 2, 1)
    assert Fraction(found.total, 2**2148) == 2


@given(st.lists(weight, min_size=1, max_size=20))
def test_the_total_weight_is_rounded_once(weights):
    assert ExactSum.of([0.0] * len(weights), weights).total_weight == float(sum(map(Fraction, weights)))


def test_a_mean_of_nothing_is_refused():
    with pytest.raises(ArgumentError, match="add up to 0"):
        _ = ExactSum().mean


def test_plain_sums_add_as_floating_point_does():
    left, right = PlainSum(0.1, 1.0), PlainSum(0.2, 2.0)
    assert left.merge(right) == PlainSum(0.1 + 0.2, 3.0)
    assert left.merge(right).mean == (0.1 + 0.2) / 3.0
