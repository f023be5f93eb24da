"""Random losses: compiled value, gradient and second derivative are those of the eager engine, on NumPy."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

import tl_arrayapi as tl
from tests.compiled.equality import assert_near, assert_same_bits, depth, eager, exactly, hosts, quickly
from tests.compiled.programs import programs
from tests.libraries import load

XP = load("numpy")
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
FEW = settings(SETTINGS, max_examples=10)
MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


def value_and_gradient(program):
    where = tuple(range(len(program.arrays)))
    return tl.value_and_grad(lambda *arrays: program(tl.array_namespace(*arrays), *arrays), where)


def curvature(program):
    def product(*arrays):
        directions = tuple(0.5 * x + 1 for x in arrays)
        return tl.hvp(lambda *arrays: program(tl.array_namespace(*arrays), *arrays), arrays, directions)

    return product


def check_exact(f, arrays):
    with np.errstate(all="ignore"):
        assert_same_bits(XP, exactly(XP, f)(*arrays), eager(XP, f)(*arrays))


def check_quick(f, arrays):
    with np.errstate(all="ignore"):
        expected = hosts(XP, eager(XP, f)(*arrays))
        scale = max(1.0, *(float(np.max(np.abs(x), initial=0.0)) for x in expected))
        assume(np.isfinite(scale) and scale < 1e6)
        # Where a last bit decides, as between equal values, another order may decide otherwise.
        near = [x * (1 + 1e-13 * np.cos(np.arange(x.size)).reshape(x.shape)) for x in arrays]
        for one, another in zip(hosts(XP, eager(XP, f)(*near)), expected, strict=True):
            assume(float(np.max(np.abs(one - another), initial=0.0)) < 1e-9 * scale)
        compiled = quickly(XP, f)
        for _ in range(2):  # the second time in memory that was used
            for one, another in zip(hosts(XP, compiled(*arrays)), expected, strict=True):
                assert (one.shape, one.dtype) == (another.shape, another.dtype)
                np.testing.assert_allclose(one, another, rtol=1e-9, atol=1e-10 * scale)


def check_single(f, arrays):
    """Compare in float32, with the truth in float64."""
    single = [x.astype("float32") for x in arrays]
    with np.errstate(all="ignore"):
        expected = eager(XP, f)(*single)
        exact = hosts(XP, eager(XP, f)(*[x.astype("float64") for x in single]))
        scale = max(1.0, *(float(np.max(np.abs(x), initial=0.0)) for x in exact))
        assume(np.isfinite(scale) and scale < 1e4)
        for one, another in zip(hosts(XP, expected), exact, strict=True):
            assume(float(np.max(np.abs(one - another), initial=0.0)) < 1e-4 * scale)
        compiled = quickly(XP, f)
        for _ in range(2):
            assert_near(XP, compiled(*single), expected, exact, 4 * depth(compiled.graph), single)


@SETTINGS
@given(programs(8))
def test_a_random_loss_in_single_precision_is_near_the_truth(program):
    check_single(value_and_gradient(program), program.arrays)


@pytest.mark.slow
@MANY
@given(programs(8, large=True))
def test_many_random_losses_of_large_arrays_in_single_precision_are_near_the_truth(program):
    check_single(value_and_gradient(program), program.arrays)


@SETTINGS
@given(programs())
def test_a_random_loss_has_the_bits_of_the_eager_one(program):
    check_exact(value_and_gradient(program), program.arrays)


@SETTINGS
@given(programs())
def test_a_random_loss_reassociated_is_near_the_eager_one(program):
    check_quick(value_and_gradient(program), program.arrays)


@FEW
@given(programs(8, large=True))
def test_a_random_loss_of_large_arrays_is_near_the_eager_one(program):
    check_quick(value_and_gradient(program), program.arrays)


@pytest.mark.slow
@MANY
@given(programs(8, large=True))
def test_many_random_losses_of_large_arrays_are_near_the_eager_ones(program):
    check_quick(value_and_gradient(program), program.arrays)


@pytest.mark.slow
@MANY
@given(programs(16))
def test_many_random_losses_have_the_bits_of_the_eager_ones(program):
    check_exact(value_and_gradient(program), program.arrays)


@pytest.mark.slow
@MANY
@given(programs(16))
def test_many_random_losses_reassociated_are_near_the_eager_ones(program):
    check_quick(value_and_gradient(program), program.arrays)


@pytest.mark.slow
@MANY
@given(programs(6))
def test_many_random_second_derivatives_are_those_of_the_eager_engine(program):
    check_exact(curvature(program), program.arrays)
    check_quick(curvature(program), program.arrays)
