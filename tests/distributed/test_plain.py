"""Moments in floating point: near the exact ones, and the same for runs of powers of two."""

import math

import numpy as np
import pytest

from tl_arrayapi.distributed.branches import Branches
from tl_arrayapi.distributed.plain import PlainMoments


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("count", [1, 2, 7, 64, 1000])
def test_moments_are_those_of_the_numbers(count, weighted):
    rng = np.random.default_rng(count)
    x, w = 1e6 + rng.normal(size=count), rng.uniform(0.1, 2, count) if weighted else None
    found = PlainMoments.of(x[: count // 3], None if w is None else w[: count // 3]).merge(
        PlainMoments.of(x[count // 3 :], None if w is None else w[count // 3 :])
    )
    mean = np.average(x, weights=w)
    assert math.isclose(found.mean, mean, rel_tol=1e-14)
    assert math.isclose(found.variance, np.average((x - mean) ** 2, weights=w), rel_tol=1e-6, abs_tol=1e-15)


@pytest.mark.parametrize("size", [1, 2, 8, 64])
def test_runs_of_a_power_of_two_add_up_to_the_same_bits(size):
    x = np.random.default_rng(0).normal(size=333) * 10.0 ** np.random.default_rng(1).integers(-9, 9, 333)
    runs = [PlainMoments.of(x[i : i + size]).total for i in range(0, len(x), size)]
    assert Branches.of(float.__add__, enumerate(runs)).total() == PlainMoments.of(x).total


def test_nothing_merges_with_anything():
    nothing, one = PlainMoments.of(np.empty(0)), PlainMoments.of(np.asarray([3.0]))
    assert nothing.merge(one) == one.merge(nothing) == one
    assert math.isnan(nothing.mean)
