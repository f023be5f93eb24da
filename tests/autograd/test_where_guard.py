"""The branch that `where` does not take: a NaN in it does not reach the gradient, at any order, unless asked for."""

import numpy as np
import pytest

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backends")

ONES = np.ones(3)


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


# (name, loss, where the condition is False, what the derivative is elsewhere)
def log(xp, x):
    return xp.sum(xp.where(x > 0, xp.log(x), 0.0))


def swapped(xp, x):
    return xp.sum(xp.where(x <= 0, 0.0, xp.log(x)))


def quotient(xp, x):
    return xp.sum(xp.where(x != 0, xp.sin(x) / x, 1.0))


def reduced(xp, x):
    size = xp.sum(x * x)
    return xp.where(size > 0, xp.sum(x * x / size) * xp.log(size), xp.zeros_like(size))


def chained(xp, x):
    y = xp.log(x)
    z = xp.reshape(xp.exp(-y) * y, (1, -1))
    z = xp.concat([z, 2.0 * z], axis=0)[1, :]
    return xp.sum(xp.where(x > 0, z, x))


def broadcast(xp, x):
    top = xp.log(x[0])
    return xp.sum(xp.where(xp.stack([x[0] > 0, x[0] > 5]), top * xp.ones(2, dtype=x.dtype, device=x.device), 0.0))


def product(xp, x):
    scale = 1.0 / x[0]
    matrix = xp.stack([x * scale, x])
    return xp.where(x[0] != 0, xp.sum(matrix @ xp.expand_dims(x, axis=1)), xp.zeros_like(x[0]))


CASES = [
    (log, [0.0, 2.0, -1.0], [0.0, 0.5, 0.0]),
    (swapped, [0.0, 2.0, -1.0], [0.0, 0.5, 0.0]),
    (quotient, [0.0, 1.0, 2.0], [0.0, np.cos(1) - np.sin(1), np.cos(2) / 2 - np.sin(2) / 4]),
    (reduced, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    (chained, [0.0, 1.0, -2.0], [1.0, 2.0, 1.0]),
    (broadcast, [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
    (broadcast, [2.0, 1.0, 1.0], [0.5, 0.0, 0.0]),
    (product, [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
]


@pytest.mark.parametrize(("loss", "x", "expected"), CASES, ids=[f"{c[0].__name__} {c[1]}" for c in CASES])
def test_the_gradient_is_that_of_the_branches_taken(xp, loss, x, expected):
    def run(x):
        return loss(tl.array_namespace(x), x)

    x = xp.asarray(x)
    np.testing.assert_allclose(xp.to_numpy(tl.grad(run)(x)), expected, rtol=20 * xp.tolerance, atol=20 * xp.tolerance)
    # Forwards, and under vmap, alike.
    _, along = tl.jvp(run, (x,), (xp.asarray(ONES),))
    np.testing.assert_allclose(
        float(xp.to_numpy(along)), np.sum(expected), rtol=20 * xp.tolerance, atol=20 * xp.tolerance
    )
    rows = tl.vmap(tl.grad(run))(xp.asarray(np.stack([xp.to_numpy(x), ONES])))
    np.testing.assert_allclose(xp.to_numpy(rows)[0], expected, rtol=20 * xp.tolerance, atol=20 * xp.tolerance)


def test_the_second_derivative_is_finite_and_right(xp):
    h = tl.hessian(lambda x: log(tl.array_namespace(x), x))(xp.asarray([0.0, 2.0, -1.0]))
    np.testing.assert_allclose(xp.to_numpy(h), np.diag([0.0, -0.25, 0.0]), atol=20 * xp.tolerance)


def test_a_value_that_is_used_outside_of_where_as_well_keeps_its_whole_gradient(xp):
    def loss(x):
        space = tl.array_namespace(x)
        y = x * x
        return space.sum(space.where(x > 1, y * y, 0.0) + y)

    g = tl.grad(loss)(xp.asarray([0.5, 2.0]))
    np.testing.assert_allclose(xp.to_numpy(g), [1.0, 4 * 8.0 + 4.0], rtol=20 * xp.tolerance)


def test_two_wheres_on_one_value_each_let_their_own_pass(xp):
    def loss(x):
        space = tl.array_namespace(x)
        y = space.log(x)
        return space.sum(space.where(x > 1, y, 0.0) + 3.0 * space.where(x > 0, y, 0.0))

    g = tl.grad(loss)(xp.asarray([-1.0, 0.5, 2.0]))
    np.testing.assert_allclose(xp.to_numpy(g), [0.0, 6.0, 2.0], rtol=20 * xp.tolerance)


def test_guard_where_switched_off_is_ieee_arithmetic_and_ends_with_its_block(xp):
    def run(x):
        return log(tl.array_namespace(x), x)

    x = xp.asarray([0.0, 2.0])
    with tl.guard_where(False):
        assert np.isnan(xp.to_numpy(tl.grad(run)(x))[0])
        with tl.guard_where():
            assert np.isfinite(xp.to_numpy(tl.grad(run)(x))).all()
    assert np.isfinite(xp.to_numpy(tl.grad(run)(x))).all()
