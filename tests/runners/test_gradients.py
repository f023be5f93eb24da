"""Gradients of many samples in one program: the weighted sum of the samples' own, on every library."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.libraries import load
from tl_arrayapi.errors import NoRuleError, ShapeError, TraceError, WatchedError

REFUSED = (NoRuleError, TraceError, WatchedError)


def network(w, b, x, y):
    xp = tl.array_namespace(w, b, x, y)
    residual = xp.tanh(x @ w) + b - y
    return xp.sum(residual * residual)


def made(xp, loss=network, params=None, **more):
    rng = np.random.default_rng(1)
    values = [rng.normal(size=(4, 3)), rng.normal(size=3)] if params is None else params
    definition = tl.ScalarModuleDef(loss, init_params=values, **more)
    return definition.instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)


def data(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 4)), rng.normal(size=(count, 3)), rng.uniform(0.5, 2.0, size=count)


def on(xp, arrays):
    return [xp.asarray(x) for x in arrays]


def hosts(xp, arrays):
    return [np.asarray(xp.to_numpy(x), "float64") for x in arrays]


def near(xp, got, expected):
    scale = max(np.abs(x).max() for x in expected) or 1.0
    for g, e in zip(got, expected, strict=True):
        assert g.shape == e.shape
        np.testing.assert_allclose(g, e, rtol=10 * xp.tolerance, atol=10 * xp.tolerance * scale)


def one_by_one(xp, m, columns, weights):
    found = [m.loss_and_grads(tuple(x[i, ...] for x in columns)) for i in range(len(weights))]
    losses = [float(xp.to_numpy(loss)) for loss, _ in found]
    grads = [hosts(xp, grads) for _, grads in found]
    return losses, [sum(w * g for w, g in zip(weights, column, strict=True)) for column in zip(*grads, strict=True)]


def test_losses_and_the_weighted_sum_of_gradients_are_those_of_the_samples(xp, backend):
    m, (x, y, weights) = made(xp), data(7)
    columns = on(xp, (x, y))
    losses, grads = m.mapped_gradients(columns, xp.asarray(weights))
    expected, sums = one_by_one(xp, m, columns, weights)
    np.testing.assert_allclose(xp.to_numpy(losses), expected, rtol=10 * xp.tolerance)
    near(xp, hosts(xp, grads), sums)
    assert {type(g) for g in grads} == {type(p) for p in m.params}
    assert {g.dtype for g in grads} == {p.dtype for p in m.params}


@pytest.mark.parametrize("peer", ["torch", "jax"])
def test_the_gradients_are_those_of_another_library(peer, backend):
    x, y, weights = data(9)
    m = made(load("numpy"))
    losses, grads = m.mapped_gradients((x, y), weights)
    values = [x, y, weights, *m.host_params()]
    expected, sums = {"torch": by_torch, "jax": by_jax}[peer](*values)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    near(load("numpy"), grads, sums)


def by_torch(x, y, weights, w, b):
    torch = pytest.importorskip("torch")
    x, y, weights, w, b = (torch.tensor(value, dtype=torch.float64) for value in (x, y, weights, w, b))
    w.requires_grad_()
    b.requires_grad_()
    losses = ((torch.tanh(x @ w) + b - y) ** 2).sum(dim=1)
    (losses * weights).sum().backward()
    return losses.detach().numpy(), [w.grad.numpy(), b.grad.numpy()]


def by_jax(x, y, weights, w, b):
    jax = pytest.importorskip("jax")

    def losses(w, b):
        return ((jax.numpy.tanh(x @ w) + b - y) ** 2).sum(axis=1)

    grads = jax.grad(lambda w, b: (losses(w, b) * weights).sum(), (0, 1))(w, b)
    return np.asarray(losses(w, b)), [np.asarray(g) for g in grads]


def test_a_frozen_parameter_has_a_gradient_of_zeros_and_may_be_set_free(backend):
    xp = load("numpy")
    m, (x, y, weights) = made(xp, init_requires_grad=[False, True]), data(5)
    _, (frozen, free) = m.mapped_gradients((x, y), weights)
    assert frozen.shape == (4, 3)
    assert not frozen.any()
    m.requires_grad = [True, True]
    _, grads = m.mapped_gradients((x, y), weights)
    near(xp, grads, one_by_one(xp, m, (x, y), weights)[1])
    near(xp, [free], grads[1:])


def test_nothing_trainable_gives_the_losses_alone(backend):
    xp = load("numpy")
    m, (x, y, weights) = made(xp, init_requires_grad=[False, False]), data(5)
    losses, grads = m.mapped_gradients((x, y), weights)
    np.testing.assert_allclose(losses, one_by_one(xp, m, (x, y), weights)[0], rtol=1e-12)
    assert not any(g.any() for g in grads)


def test_a_parameter_that_the_loss_ignores_has_a_gradient_of_zeros(xp, backend):
    m = made(xp, lambda w, unused, x: tl.array_namespace(w, x).sum(w * x), [np.ones(3), np.ones(2)])
    x = np.arange(6.0).reshape(2, 3)
    _, grads = m.mapped_gradients(on(xp, [x]), xp.asarray(np.asarray([1.0, 2.0])))
    near(xp, hosts(xp, grads), [x[0] + 2 * x[1], np.zeros(2)])


@pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict", "strict-device1"])
def test_a_loss_with_a_key_has_that_of_the_step_for_every_sample(library, backend):
    def loss(w, x, *, key):
        xp = tl.array_namespace(w, x)
        kept = tl.random.bernoulli(key, 0.5, x.shape) if key is not None else xp.ones_like(x, dtype=xp.bool)
        return xp.sum(xp.where(kept, w * x, xp.zeros_like(x)))

    xp = load(library)
    m, (x, _, weights) = made(xp, loss, [np.arange(1.0, 5.0)]), data(6)
    masks = set()
    for step in range(3):
        m.steps_done = step
        _, grads = m.mapped_gradients(on(xp, [x]), xp.asarray(weights))
        near(xp, hosts(xp, grads), one_by_one(xp, m, on(xp, [x]), weights)[1])
        masks.add(tuple((hosts(xp, grads)[0] != 0).tolist()))
    assert len(masks) > 1


def test_one_program_serves_all_parameters_and_weights(backend):
    traced = []

    def loss(w, x):
        traced.append(1)
        return w * x

    m = made(load("numpy"), loss, [2.0])
    for weight in (1.0, 2.0):
        m.mapped_gradients((np.arange(3.0),), np.full(3, weight))
        m.set_params([np.asarray(weight)])
    assert len(traced) == 1


def test_a_loss_that_branches_on_its_data_is_refused_for_each_shape_once(backend):
    traced = []

    def loss(w, x):
        traced.append(1)
        return w * x if x > 0 else w

    m = made(load("numpy"), loss, [2.0])
    for _ in range(3):
        with pytest.raises(REFUSED):
            m.mapped_gradients((np.arange(3.0),), np.ones(3))
    tried = len(traced)
    with pytest.raises(REFUSED):
        m.mapped_gradients((np.arange(4.0),), np.ones(4))
    assert len(traced) == 2 * tried


def test_inputs_are_checked_as_those_of_a_sample(backend):
    m = made(load("numpy"), input_shapes=[(4,), (3,)])
    with pytest.raises(ShapeError, match="input 1"):
        m.mapped_gradients((np.ones((5, 4)), np.ones((5, 2))), np.ones(5))


def test_results_are_the_callers_own(backend):
    m = made(load("numpy"), lambda a, b, x: a * x + b * x, [1.0, 1.0])
    before = [p.tobytes() for p in m.params]
    x, weights = np.arange(1.0, 4.0), np.ones(3)
    losses, (first, second) = m.mapped_gradients((x,), weights)
    first += 100.0
    losses += 100.0
    assert second == 6.0
    assert [p.tobytes() for p in m.params] == before
    assert x.tolist() == [1.0, 2.0, 3.0]
