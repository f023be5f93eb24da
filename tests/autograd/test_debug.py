"""`debug_nans` names the first operation that makes a NaN or an infinity, and says nothing of what is finite."""

import threading

import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi.errors import NonFiniteError


def losing(x):
    xp = tl.array_namespace(x)
    shifted = x - 1.0
    rooted = xp.sqrt(shifted)  # the line to be named
    return xp.sum(rooted * rooted)


def steep(x):
    xp = tl.array_namespace(x)
    angle = xp.asin(x)  # finite, with an infinite slope at 1
    return xp.sum(angle * 2.0)


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def test_forwards_the_operation_its_shapes_and_the_line_are_named(xp):
    with (
        tl.debug_nans(),
        pytest.raises(NonFiniteError, match=r"sqrt\(float\d\d\[3\]\) made 2 NaN of 3 elements") as found,
    ):
        tl.grad(losing)(xp.asarray([2.0, 0.5, 0.0]))
    assert "rooted = xp.sqrt(shifted)" in str(found.value)
    assert "test_debug.py:" in str(found.value)


def test_backwards_the_operation_differentiated_and_its_line_are_named(xp):
    with tl.debug_nans(), pytest.raises(NonFiniteError, match=r"in the derivative of asin\(float\d\d\[2\]\)") as found:
        tl.grad(steep)(xp.asarray([0.5, 1.0]))
    assert "infinity of 2 elements" in str(found.value)
    assert "angle = xp.asin(x)" in str(found.value)


def test_what_is_finite_is_computed_as_without_it(xp):
    x = xp.asarray([0.5, 0.25])
    plain = tl.value_and_grad(steep)(x)
    with tl.debug_nans():
        watched = tl.value_and_grad(steep)(x)
    for one, other in zip(plain, watched, strict=True):
        np.testing.assert_allclose(xp.to_numpy(one), xp.to_numpy(other), rtol=10 * xp.tolerance)


def test_infinities_may_be_let_pass():
    def loss(x):
        xp = tl.array_namespace(x)
        return xp.sum(xp.exp(xp.log(x)))

    x = np.asarray([0.0, 1.0])
    with tl.debug_nans(), pytest.raises(NonFiniteError, match="log"):
        tl.grad(loss)(x)
    with tl.debug_nans(infinities=False), pytest.raises(NonFiniteError, match="in the derivative of log"):
        tl.grad(loss)(x)  # 0 times infinity, backwards


def test_a_nan_that_comes_in_is_not_blamed_on_the_operation_that_reads_it():
    with tl.debug_nans():
        g = tl.grad(lambda x: tl.array_namespace(x).sum(x * 2.0))(np.asarray([np.nan, 1.0]))
    np.testing.assert_array_equal(g, [2.0, 2.0])


def test_a_nan_made_of_infinities_is():
    def loss(x):
        return tl.array_namespace(x).sum(x - x)

    with tl.debug_nans(), pytest.raises(NonFiniteError, match="subtract"):
        tl.grad(loss)(np.asarray([np.inf]))


def test_operations_on_constants_and_under_transforms_are_looked_at(xp):
    def constant(x):
        space = tl.array_namespace(x)
        return space.sum(x) * space.log(space.zeros((), dtype=x.dtype, device=x.device))

    def mapped(x):
        space = tl.array_namespace(x)
        return space.sum(tl.vmap(lambda row: tl.array_namespace(row).log(row))(x))

    for loss in (constant, mapped):
        with tl.debug_nans(), pytest.raises(NonFiniteError, match="log"):
            tl.grad(loss)(xp.asarray([1.0, 0.0]))
    with tl.debug_nans(), pytest.raises(NonFiniteError, match="derivative of asin"):
        tl.hessian(steep)(xp.asarray([0.5, 1.0]))


def test_only_the_thread_that_asked_is_looked_at():
    seen = []

    def elsewhere():
        with np.errstate(all="ignore"):
            seen.append(tl.grad(losing)(np.asarray([0.0])))

    with tl.debug_nans():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert np.isnan(seen[0]).all()
    assert np.isnan(tl.grad(losing)(np.asarray([0.0]))).all()
