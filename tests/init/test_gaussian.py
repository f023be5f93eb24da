"""The inverse of the normal distribution: near the exact one, monotone, symmetric, and within its bounds."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tests.init import normal_table as made
from tl_arrayapi import init
from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.formats import FORMATS
from tl_arrayapi.init.gaussian import FARTHEST, Gaussian
from tl_arrayapi.init.normal_table import COLUMNS, ROWS, normal_table
from tl_arrayapi.init.splitmix64 import Integer, Limbs, Words, draw

F64, F32 = FORMATS["float64"], FORMATS["float32"]
each_format = pytest.mark.parametrize("form", [F64, F32], ids=["float64", "float32"])
# Far out in the tails, around every power of two, and all over.
DRAWS = np.unique(
    np.concatenate(
        [
            np.arange(70_000),
            np.random.default_rng(0).integers(0, 2**32, 300_000),
            *(2**k + np.arange(-500, 500) for k in range(10, 32)),
        ]
    )
)
DRAWS = np.unique(np.concatenate([DRAWS, 2**32 - 1 - DRAWS]))


def standard(form, draws):
    """Return z for draws, in the format's compute dtype."""
    words = Words(np, "uint64")
    return Gaussian(0.0, 1.0, 0, form).values(words, draws.astype("uint64"), form.compute)


@pytest.mark.slow
def test_the_table_is_what_its_source_makes():
    assert struct.pack(f"<{COLUMNS * ROWS}I", *(entry for column in normal_table() for entry in column)) == made.make()


@pytest.mark.parametrize(("form", "error"), [(F64, 2.0**-31), (F32, 2.0**-28)], ids=["float64", "float32"])
def test_z_is_the_inverse_of_the_distribution(form, error):
    z = standard(form, DRAWS)
    exact = special.ndtri((DRAWS + 0.5) / 2.0**32)
    assert np.max(np.abs(z - exact) - np.abs(exact) * 2.0**-form.precision) <= error


@each_format
def test_z_is_odd_and_grows_with_the_draw(form):
    z = standard(form, DRAWS)
    assert np.array_equal(z, -standard(form, 2**32 - 1 - DRAWS))
    assert np.all(np.diff(z) >= 0)
    assert np.max(np.abs(z)) < FARTHEST


@each_format
def test_z_grows_across_the_borders_of_all_segments(form):
    for level in range(made.LEVELS):
        starts = np.arange(made.SEGMENTS // 16, made.SEGMENTS) << 23 >> 4 * level
        draws = np.unique(np.maximum(starts[:, None] + np.arange(-3, 3), 0))
        assert np.all(np.diff(standard(form, draws)) >= 0)


@pytest.mark.parametrize("mean", [0.0, 0.3])
@each_format
def test_every_form_of_the_integers_gives_the_same_bits(form, mean):
    draws = DRAWS[::97]
    recipe = Gaussian(mean, 1.7, 0, form)
    words = recipe.values(Words(np, "uint64"), draws.astype("uint64"), form.compute)
    assert np.array_equal(recipe.values(Words(np, "int64"), draws, form.compute), words)
    for dtype in ("uint32", "int32"):
        limbs = recipe.values(Limbs(np, dtype), draws.astype("uint32").view(dtype), form.compute)
        assert np.array_equal(limbs, words)
    if form is F64:
        assert [recipe.values(Integer(), int(r), "float64") for r in draws[::50]] == words[::50].tolist()


@given(seed=st.integers(0, 2**64 - 1), index=st.integers(0, 2**60), std=st.floats(1e-3, 1e3))
def test_a_value_is_std_z_rounded_once(seed, index, std):
    z = init.value_at(init.normal(0, 1, seed), index)
    assert init.value_at(init.normal(0, std, seed), index) == z * std
    assert abs(z - special.ndtri((draw(seed, index) + 0.5) / 2**32)) <= 2.0**-31 + abs(z) * 2.0**-52


@given(mean=st.floats(-100, 100), std=st.floats(1e-3, 1e3), seed=st.integers(0, 2**64 - 1))
def test_a_value_about_a_mean_is_near_the_exact_one(mean, std, seed):
    z = Fraction(init.value_at(init.normal(0, 1, seed), 0))
    value = init.value_at(init.normal(mean, std, seed), 0)
    largest = max(abs(mean), std * FARTHEST)
    assert abs(Fraction(value) - (Fraction(mean) + Fraction(std) * z)) <= 8 * Fraction(math.ulp(largest))


def test_values_about_a_mean_round_to_float32_as_closely():
    z = init.materialize(init.normal(0, 1, 5), (10_000,), dtype="float64")
    for mean, std in ((0.3, 1.7), (-100.0, 0.01), (1e-3, 40.0)):
        values = init.materialize(init.normal(mean, std, 5), (10_000,), dtype="float32")
        largest = max(abs(mean), std * FARTHEST)
        assert np.max(np.abs(values - (np.float32(mean) + np.float32(std) * z))) <= 8 * np.spacing(np.float32(largest))


# ---------------------------------------------------------------- between bounds
@given(
    bounds=st.lists(st.floats(-5, 5), min_size=2, max_size=2, unique=True).map(sorted), seed=st.integers(0, 2**64 - 1)
)
def test_truncated_values_keep_to_their_bounds(bounds, seed):
    lo, hi = bounds
    if hi - lo < 1e-4:
        return
    for dtype in ("float64", "float32", "float16"):
        form = FORMATS[dtype]
        if form.round(lo) < form.round(hi):
            values = init.materialize(init.truncated_normal(0, 1, lo, hi, seed), (500,), dtype=dtype)
            assert form.round(lo) <= float(values.min()) <= float(values.max()) <= form.round(hi)


def test_truncated_draws_are_those_whose_values_are_between_the_bounds():
    recipe = init.truncated_normal(0.5, 2.0, -1.0, 3.0).recipe(F64)
    whole = Gaussian(0.5, 2.0, 0, F64)
    last = recipe.first + recipe.count - 1
    assert (
        whole.values(Integer(), recipe.first - 1, "float64") < -1.0 <= whole.values(Integer(), recipe.first, "float64")
    )
    assert whole.values(Integer(), last, "float64") <= 3.0 < whole.values(Integer(), last + 1, "float64")


def test_bounds_beyond_all_draws_change_nothing():
    assert np.array_equal(
        init.materialize(init.truncated_normal(0, 1, -7, 7, 9), (1000,)),
        init.materialize(init.normal(0, 1, 9), (1000,)),
    )


def test_bounds_that_no_draw_falls_between_are_refused():
    for bounds in ((7.0, 8.0), (-9.0, -7.0), (1.0, math.nextafter(1.0, 2.0))):
        with pytest.raises(PlanError, match="no draw"):
            init.truncated_normal(0, 1, *bounds)
    with pytest.raises(PlanError, match="lo < hi"):
        init.truncated_normal(0, 1, 2, 2)
    with pytest.raises(PlanError, match="one number in float16"):
        init.truncated_normal(0, 1, 1.0, 1.0001).recipe(FORMATS["float16"])


def test_without_a_deviation_the_mean_is_kept_within_the_bounds():
    assert init.value_at(init.truncated_normal(0.25, 0.0), 3) == 0.25
    assert init.value_at(init.truncated_normal(5.0, 0.0), 3) == 2.0
