"""Exact sums: equal to sums of fractions, in any order and any split, and rounded once."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.distributed.problems import exact_mean
from tl_arrayapi.distributed.exact import ExactSum, Moments
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


def test_a_sum_is_rounded_once():
    values = [0.1] * 10 + [1e100, -1e100]
    assert ExactSum.of(values).sum == math.fsum(values) == float(sum(map(Fraction, values)))
    assert ExactSum.of([3.0, 5.0], [0.1, 0.7]).sum == float(3 * Fraction(0.1) + 5 * Fraction(0.7))


@given(st.lists(finite, max_size=50))
def test_a_sum_is_what_fsum_finds(values):
    try:
        expected = math.fsum(values)
    except OverflowError:
        expected = float("nan")
    found = ExactSum.of(values).sum
    assert found == expected or (math.isnan(expected) and abs(found) > 1e308)


def test_a_sum_beyond_the_largest_number_is_infinite():
    assert ExactSum.of([1e308] * 3).sum == math.inf
    assert ExactSum.of([-1e308] * 3).sum == -math.inf
    assert ExactSum.of([1.0, -math.inf]).sum == -math.inf
    assert math.isnan(ExactSum.of([math.nan]).sum)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arrays_of_any_width_are_summed_as_their_values(dtype):
    values = np.random.default_rng(0).normal(size=5000).astype(dtype)
    assert ExactSum.of(values) == ExactSum.of(values.tolist()) == ExactSum.of(values.reshape(50, 100)[:, :])
    assert ExactSum.of(values).mean == exact_mean(values.tolist())


def test_what_is_not_finite_changes_neither_the_rest_nor_the_weight():
    found = ExactSum.of([math.inf, 2.0, math.nan, 3.0], [1.0, 2.0, 4.0, 8.0])
    assert (Fraction(found.total, 2**2148), found.total_weight, found.count) == (28, 15.0, 4)
    assert found == ExactSum.of([2.0, math.nan], [2.0, 4.0]).merge(ExactSum.of([math.inf, 3.0], [1.0, 8.0]))


@pytest.mark.parametrize("kind", [ExactSum, Moments])
def test_another_number_of_weights_is_refused(kind):
    with pytest.raises(ArgumentError, match="2 weights for 3 values"):
        kind.of([1.0, 2.0, 3.0], [1.0, 2.0])


# ---- moments
@given(pairs)
def test_the_variance_is_the_fraction_rounded_once(rows):
    values, weights = (list(map(Fraction, column)) for column in zip(*rows, strict=True))
    for scales in (None, weights):
        used = [Fraction(1)] * len(values) if scales is None else scales
        mean = sum(w * x for w, x in zip(used, values, strict=True)) / sum(used)
        expected = sum(w * (x - mean) ** 2 for w, x in zip(used, values, strict=True)) / sum(used)
        found = Moments.of(list(map(float, values)), scales and list(map(float, scales)))
        assert found.variance == (float(expected) if expected < 2**1024 - 2**970 else math.inf)
        assert found.mean == found.sum.mean == float(mean)


@given(pairs, st.integers(0, 40), st.booleans())
def test_moments_merge_to_those_of_all(rows, cut, weighted):
    def of(part):
        return Moments.of([x for x, _ in part], [w for _, w in part] if weighted else None)

    assert of(rows[:cut]).merge(of(rows[cut:])) == of(rows[cut:]).merge(of(rows[:cut])) == of(rows)


def test_a_variance_far_from_zero_loses_nothing():
    values = [1e15 + i for i in range(5)]
    assert Moments.of(values).variance == 2.0


def test_the_variance_of_equal_values_is_0():
    assert Moments.of([0.1] * 7, [0.3] * 7).variance == 0.0


@pytest.mark.parametrize("x", [math.inf, -math.inf, math.nan])
def test_the_variance_of_what_is_not_finite_is_nan(x):
    assert math.isnan(Moments.of([1.0, x]).variance)


def test_a_variance_of_nothing_is_refused():
    with pytest.raises(ArgumentError, match="add up to 0"):
        _ = Moments(ExactSum(), 0).variance
