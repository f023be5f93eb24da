"""Sums of products as integers: equal to sums of fractions, for every float64 that there is."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tl_arrayapi.distributed import alike, units
from tl_arrayapi.distributed.alike import sums_of_alike
from tl_arrayapi.distributed.units import EXPONENT, running_units

finite = st.floats(allow_nan=False, allow_infinity=False)
columns = st.integers(0, 30).flatmap(lambda n: st.lists(arrays(np.float64, n, elements=finite), min_size=1, max_size=3))
LARGEST = math.ldexp(2 - 2**-52, 1023)


def fractions(*factors):
    """The same by fractions, in the same units."""
    found = []
    for k in range(1, len(factors) + 1):
        rows = zip(*(x.tolist() for x in factors[:k]), strict=True)
        total = sum((math.prod(map(Fraction, row)) for row in rows), Fraction(0)) * 2 ** (EXPONENT * k)
        assert total.denominator == 1
        found.append(total.numerator)
    return found


def drawn(count, seed=0):
    """Numbers of all exponents, subnormal ones among them, and both signs."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**63, count, dtype=np.int64) | (rng.integers(0, 2, count) << 63)
    found = bits.view(np.float64)
    return np.where(np.isfinite(found), found, 2.0**-1074)


@given(columns)
def test_sums_of_products_are_those_of_fractions(factors):
    assert running_units(*factors) == fractions(*factors)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_numbers_of_all_exponents_are_added_up_exactly(count):
    factors = [drawn(3000, seed) for seed in range(count)]
    assert running_units(*factors) == fractions(*factors)


@pytest.mark.parametrize("x", [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, 2.0**-1022 - 5e-324, LARGEST, -LARGEST])
def test_the_ends_of_the_range_are_whole_numbers_of_units(x):
    assert running_units(*[np.asarray([x])] * 3) == fractions(*[np.asarray([x])] * 3)


@pytest.mark.parametrize("x", [LARGEST, -LARGEST, 2.0**-1022 - 5e-324, 1 - 2**-53])
def test_limbs_that_are_all_full_do_not_overflow_over_many_blocks(x):
    factors = [np.full(alike.BLOCK + 3 * units._BLOCK + 1, x)] * 3
    each = running_units(*[np.asarray([x])] * 3)
    assert running_units(*factors) == [len(factors[0]) * one for one in each]


def test_limbs_of_a_block_fit_into_a_float64():
    assert units._BLOCKS_TOGETHER * alike.BLOCK * 2**units._LIMB <= 2**53
    assert alike.BLOCK * 2 ** (2 * alike._WIDTH) <= 2**53


# ---- numbers of like size
near = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(st.lists(st.tuples(near, near), min_size=1, max_size=40))
def test_numbers_of_like_size_are_added_up_by_the_faster_way_and_exactly(rows):
    x, y = np.asarray(rows).T
    for factors in ([x], [x, y], [x, x]):
        found, left_out = sums_of_alike(factors, EXPONENT)
        assert found == fractions(*factors) == units._sums(factors)
        assert not len(left_out)


@pytest.mark.parametrize("exponent", [alike._SMALLEST, 0, alike._GREATEST])
@pytest.mark.parametrize("sign", [1, -1])
def test_full_blocks_at_the_ends_of_the_faster_way_are_added_up_exactly(exponent, sign):
    x = sign * np.ldexp(2 - 2**-52, np.arange(alike.BLOCK) % 50 - 50 + exponent)
    x[:3] = sign * math.ldexp(1 - 2**-53, exponent)
    found, left_out = sums_of_alike([x, x], EXPONENT)
    assert found == units._sums([x, x])
    assert not len(left_out)


@pytest.mark.parametrize(
    "x",
    [
        [1.0, 2.0**-200],
        [2.0**600],
        [2.0**-400],
        [5e-324],
        [1.0, 5e-324],
    ],
)
def test_what_is_too_far_apart_or_too_great_or_small_is_left_to_the_way_for_all(x):
    x = np.asarray(x)
    assert sums_of_alike([x], EXPONENT) == ([0], None)
    assert running_units(x) == fractions(x)


def test_products_of_three_are_left_to_the_way_for_all():
    assert sums_of_alike([np.ones(1)] * 3, EXPONENT) == ([0, 0, 0], None)


def test_zeros_alone_add_up_to_0():
    assert sums_of_alike([np.zeros(5), -np.zeros(5)], EXPONENT)[0] == [0, 0]


def test_a_few_that_are_much_smaller_are_left_out_of_many_and_added_up_apart():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5000))
    x[::1000] *= 2.0**-100
    y[7] = 5e-324
    found, left_out = sums_of_alike([x, y], EXPONENT)
    assert set(left_out) >= {0, 7, 1000, 2000, 3000, 4000}
    assert len(left_out) < 1000
    others = np.setdiff1d(np.arange(5000), left_out)
    assert found == fractions(x[others], y[others])
    assert running_units(x, y) == fractions(x, y)
    assert running_units(x, x) == fractions(x, x)


@pytest.mark.parametrize("spread", [0, 30, 100, 300, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_of_any_spread_are_added_up_exactly(spread, dtype):
    rng = np.random.default_rng(spread)
    with np.errstate(over="ignore", under="ignore"):
        x = (rng.normal(size=40_000) * np.exp2(-rng.exponential(spread / 8, 40_000))).astype(dtype)
    assert running_units(x, x) == units._sums([x.astype(float)] * 2)
    assert running_units(x[:300]) == fractions(x[:300])


def test_numbers_of_any_size_are_added_up_so_many_blocks_at_a_time(monkeypatch):
    monkeypatch.setattr(alike, "BLOCK", 50)
    monkeypatch.setattr(units, "_BLOCKS_TOGETHER", 3)
    x, y, z = drawn(1001), drawn(1001, 1), drawn(1001, 2)
    assert running_units(x, y, z) == fractions(x, y, z)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_of_any_width_are_those_that_they_are(dtype):
    x = np.random.default_rng(0).normal(size=70_000).astype(dtype)
    assert running_units(x, x) == units._sums([x.astype(float)] * 2)


def test_nothing_adds_up_to_0():
    assert running_units(np.zeros(0), np.zeros(0)) == [0, 0]


def test_neither_strides_nor_a_readonly_buffer_matter():
    x = drawn(2000)
    x.flags.writeable = False
    assert running_units(x[::-2]) == fractions(x[::-2])


def test_the_factors_are_left_as_they_are():
    x, y = drawn(100), drawn(100, 1)
    before = x.tobytes(), y.tobytes()
    running_units(x, y)
    assert (x.tobytes(), y.tobytes()) == before


@pytest.mark.parametrize("x", [[5e-324, 2.0**-1030, 1.0, 3e-310], [1.0, 2.0**-1030]])
def test_a_processor_that_flushes_subnormal_numbers_finds_the_same(x):
    torch = pytest.importorskip("torch")
    x = np.asarray(x)
    expected = fractions(x, x)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        flushed, found = float(x[1] * 1.0), running_units(x, x)
    finally:
        torch.set_flush_denormal(False)
    assert flushed == 0.0
    assert found == expected
