"""The arithmetic of uniform values: exact, never hi, and the same whether or not products are fused into sums."""

import math
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi import init
from tl_arrayapi.init.formats import FORMATS, FloatFormat
from tl_arrayapi.init.recipes import Range, Symmetric
from tl_arrayapi.init.splitmix64 import Integer, draw

each_format = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
seeds = st.integers(0, 2**64 - 1)
bounds = st.floats(2**-10, 2**10)


def rounded(value: Fraction, form: FloatFormat) -> Fraction:
    """Round an exact number to a format, once."""
    if not value:
        return value
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent -= abs(value) < Fraction(2) ** exponent
    quantum = Fraction(2) ** max(exponent - form.precision + 1, form.tiny)
    return round(value / quantum) * quantum


@dataclass(frozen=True)
class Fused:
    """A number of a format, on a machine that may fuse a product into the sum that follows it.

    ``pending`` is the exact value of a product that was not rounded yet.
    """

    form: FloatFormat
    fuses: bool
    exact: Fraction
    pending: bool = False

    @property
    def value(self) -> Fraction:
        return rounded(self.exact, self.form)

    def __mul__(self, other: "Fused | float") -> "Fused":
        factor = other.value if isinstance(other, Fused) else rounded(Fraction(other), self.form)
        assert isinstance(other, Fused) or factor == Fraction(other), "a constant is not of the format"
        return Fused(self.form, self.fuses, self.value * factor, True)

    def __add__(self, other: "Fused | float") -> "Fused":
        if not isinstance(other, Fused):
            other = Fused(self.form, self.fuses, Fraction(other))
        # Only one of two products can be fused; take the right one where both are pending.
        right = other.exact if self.fuses and other.pending else other.value
        left = self.exact if self.fuses and self.pending and not other.pending else self.value
        return Fused(self.form, self.fuses, rounded(left + right, self.form))

    def __sub__(self, other: "Fused | float") -> "Fused":
        return self + (other * -1.0 if isinstance(other, Fused) else -other)


class FusedFloats(Integer):
    """Python's integers, whose floats are of a machine that may fuse."""

    def __init__(self, form: FloatFormat, fuses: bool) -> None:
        self.form, self.fuses = form, fuses

    def floats(self, x, dtype):
        return Fused(self.form, self.fuses, rounded(Fraction(x), self.form))


@each_format
@settings(max_examples=30)
@given(mean=st.floats(-100, 100), std=st.floats(1e-3, 1e3), seed=seeds)
def test_fusing_products_into_sums_changes_no_normal_value(form, mean, std, seed):
    compute = FORMATS[form.compute]
    for recipe in (init.normal(mean, std, seed).recipe(form), init.normal(0.0, std, seed).recipe(form)):
        for index in range(4):
            found = [recipe.block(FusedFloats(compute, fuses), index, 0, form.compute).value for fuses in (False, True)]
            assert found[0] == found[1]
            if form.compute == "float64":
                assert found[0] == Fraction(recipe.at(index))


@each_format
@given(lo=st.floats(-100, 100), width=st.floats(8, 1000), seed=seeds)
def test_fusing_products_into_sums_changes_no_uniform_value(form, lo, width, seed):
    recipe = init.uniform(lo, lo + width, seed).recipe(form)
    if not isinstance(recipe, Range):
        return
    compute, low = FORMATS[form.compute], form.bits // 2
    for index in range(8):
        number = draw(seed, index) >> (32 - form.bits)
        found = [
            recipe._values(*(Fused(compute, fuses, Fraction(part)) for part in (number >> low, number % 2**low))).value
            for fuses in (False, True)
        ]
        assert found[0] == found[1]


@each_format
@given(lo=st.floats(-100, 100), width=st.floats(8, 1000), seed=seeds)
def test_a_uniform_value_is_near_the_exact_one_and_within_its_bounds(form, lo, width, seed):
    recipe = init.uniform(lo, lo + width, seed).recipe(form)
    if not isinstance(recipe, Range):
        return
    for index in range(8):
        u = Fraction(draw(seed, index) >> (32 - form.bits), 2**form.bits)
        exact = Fraction(recipe.lo) + u * (Fraction(recipe.hi) - Fraction(recipe.lo))
        value = form.round(recipe.at(index))
        assert recipe.lo <= value < recipe.hi
        spacing = max(abs(recipe.lo), abs(recipe.hi), recipe.hi - recipe.lo)
        assert abs(Fraction(value) - exact) <= 2 * Fraction(2) ** form.quantum(spacing)


@each_format
@given(bound=bounds, seed=seeds)
def test_a_value_about_0_is_its_exact_product_rounded_once(form, bound, seed):
    recipe = init.uniform(-bound, bound, seed).recipe(form)
    assert isinstance(recipe, Symmetric)
    half = 2 ** (form.bits - 1)
    for index in range(8):
        dyadic = Fraction((draw(seed, index) >> (32 - form.bits)) - half, half)
        exact = rounded(Fraction(recipe.bound) * dyadic, form)
        assert form.round(recipe.at(index)) == exact
        assert -recipe.bound <= exact < recipe.bound


@each_format
def test_the_bound_is_rounded_once_to_the_dtype(form):
    assert init.kaiming_uniform(7).recipe(form).bound == form.round(math.sqrt(6 / 7))


def test_a_bound_near_the_smallest_floats_is_not_rounded_twice():
    form = FORMATS["float64"]
    recipe = init.uniform(-3e-308, 3e-308, 5).recipe(form)
    assert len(recipe.factors) == 2
    for index in range(20):
        dyadic = Fraction(draw(5, index) - 2**31, 2**31)
        assert recipe.at(index) == rounded(Fraction(3e-308) * dyadic, form)
