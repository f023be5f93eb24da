"""Gradients under JAX's own transforms: what is made while JAX traces must not outlive its trace."""

import numpy as np
import pytest

import tl_arrayapi as tl

jax = pytest.importorskip("jax")
jnp = jax.numpy


def loss(x):
    """Use Python numbers: as constants they become arrays, which JAX traces, too."""
    xp = tl.array_namespace(x)
    return xp.sum(3 - (x * 2.5 + 1) ** 2 / 4.0) + xp.mean(1 / (2 + xp.tanh(x)))


def by_hand(x):
    x = np.asarray(x)
    t = np.tanh(x)
    return -2.5 * (x * 2.5 + 1) / 2 - (1 - t * t) / (2 + t) ** 2 / x.size


X = np.asarray([0.5, -1.0, 2.0])


@pytest.fixture(autouse=True)
def _leaks_are_errors():
    with jax.checking_leaks():
        yield


def test_a_gradient_is_compiled_again_and_again():
    for shape in ((3,), (1, 3), (3, 1)):
        compiled, x = jax.jit(tl.grad(loss)), X.reshape(shape)
        for _ in range(2):
            np.testing.assert_allclose(compiled(jnp.asarray(x)), by_hand(x), rtol=1e-12)


def test_constants_of_a_trace_are_not_met_outside_of_it():
    for _ in range(2):
        np.testing.assert_allclose(jax.jit(tl.grad(loss))(jnp.asarray(X)), by_hand(X), rtol=1e-12)
        np.testing.assert_allclose(tl.grad(loss)(jnp.asarray(X)), by_hand(X), rtol=1e-12)
        value, grad = jax.jit(tl.value_and_grad(loss))(jnp.asarray(X))
        np.testing.assert_allclose(value, loss(jnp.asarray(X)), rtol=1e-12)
        np.testing.assert_allclose(grad, by_hand(X), rtol=1e-12)


def test_a_trace_that_failed_leaves_nothing_behind():
    def broken(x):
        return loss(x) + bool(tl.array_namespace(x).sum(x * 2.5) > 1)

    with pytest.raises(jax.errors.TracerBoolConversionError):
        jax.jit(tl.grad(broken))(jnp.asarray(X))
    np.testing.assert_allclose(jax.jit(tl.grad(loss))(jnp.asarray(X)), by_hand(X), rtol=1e-12)


def test_second_derivatives_of_ours_and_of_jax_agree_under_jit():
    def ours(x):
        return tl.grad(lambda x: tl.array_namespace(x).sum(tl.grad(loss)(x)))(x)

    # JAX differentiates our gradient: its tracers are the arrays of a tape of ours.
    theirs = jax.grad(lambda x: jnp.sum(tl.grad(loss)(x)))
    for _ in range(2):
        np.testing.assert_allclose(jax.jit(ours)(jnp.asarray(X)), theirs(jnp.asarray(X)), rtol=1e-10)


def test_vmap_of_jax_runs_over_a_gradient():
    rows = np.stack([X, 2 * X])
    np.testing.assert_allclose(
        jax.vmap(tl.grad(loss))(jnp.asarray(rows)), np.stack([by_hand(row) for row in rows]), rtol=1e-12
    )


def test_a_gradient_of_slices_and_rows_compiles():
    def picked(x):
        xp = tl.array_namespace(x)
        return xp.sum(x[1:, 0] * 2.0) + xp.sum(xp.take(x, jnp.asarray([0, 0, -1]), axis=0))

    x = jnp.ones((3, 2))
    for _ in range(2):
        np.testing.assert_array_equal(jax.jit(tl.grad(picked))(x), [[2.0, 2.0], [2.0, 0.0], [3.0, 1.0]])
