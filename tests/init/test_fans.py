"""Shapes, counts and fans."""

import numpy as np
import pytest

from tl_arrayapi import init
from tl_arrayapi.errors import ShapeError


def test_the_product_of_no_dimensions_is_one():
    assert init.dims_product([]) == 1
    assert init.dims_product((2, 3, 4)) == 24
    assert init.dims_product([2**40, 2**40]) == 2**80


@pytest.mark.parametrize(
    ("shape", "fans"), [((7, 3), (3, 7)), ((8, 4, 3, 3), (36, 72)), ((2, 5, 3), (15, 6)), ((1, 1), (1, 1))]
)
def test_fans_follow_the_convention_of_linear_and_convolution(shape, fans):
    assert init.infer_fans(shape) == fans
    assert init.infer_fans([np.int64(n) for n in shape]) == fans


@pytest.mark.parametrize("shape", [(), (5,)])
def test_a_scalar_or_a_vector_has_no_fans_and_the_error_names_the_shape(shape):
    for ask in (init.infer_fans, init.xavier_for, init.kaiming_for):
        with pytest.raises(ShapeError) as raised:
            ask(shape)
        assert str(shape) in str(raised.value)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 2, 0)])
def test_a_fan_of_zero_is_refused(shape):
    for ask in (init.infer_fans, init.xavier_for, init.kaiming_for):
        with pytest.raises(ShapeError, match="fans"):
            ask(shape)


@pytest.mark.parametrize("shape", [(2**53 + 1, 2), (3, 2**30, 2**30), pytest.param((1, 10**5000), id="huge")])
def test_a_fan_that_overflows_is_refused(shape):
    with pytest.raises(ShapeError, match=r"limit|2\*\*63"):
        init.infer_fans(shape)


@pytest.mark.parametrize("shape", [(2, -1), (2.0,), (True, 2), ("2",), (None,), "23", (2, (3,))])
def test_what_is_no_shape_is_refused(shape):
    for ask in (init.dims_product, init.element_count, init.infer_fans):
        with pytest.raises(ShapeError, match="shape"):
            ask(shape)


def test_elements_are_counted_up_to_the_limit():
    assert init.element_count((2, 3)) == 6
    assert init.element_count((2, 3), limit=6) == 6
    assert init.element_count(()) == 1
    assert init.element_count((2**53,)) == 2**53
    with pytest.raises(ShapeError, match="limit of 5"):
        init.element_count((2, 3), limit=5)
    with pytest.raises(ShapeError, match=r"2\*\*80"):
        init.element_count((2**40, 2**40))


def test_a_vast_shape_with_a_zero_has_no_elements():
    assert init.element_count((2**60, 0)) == 0
