"""A library with `__array_namespace__` and nothing else needs no backend."""

import array_api_compat
import numpy as np
import pytest

import tl_arrayapi as tl
from tests.minimal_library import DEVICES, Array
from tests.minimal_library import xp as minimal
from tl_arrayapi import backends

VALUES = np.arange(6.0).reshape(2, 3) / 7


def test_the_minimal_library_is_one_that_cannot_be_read_by_numpy_nor_written_to():
    x = minimal.asarray(VALUES.tolist())
    assert array_api_compat.array_namespace(x) is minimal
    with pytest.raises(TypeError, match="do not become NumPy's"):
        np.asarray(x)
    with pytest.raises((AttributeError, TypeError)):
        np.from_dlpack(x)
    with pytest.raises(TypeError, match="item assignment"):
        x[0] = 0.0
    with pytest.raises(ValueError, match="several devices"):
        x + minimal.ones((2, 3), device=DEVICES[1])
    with pytest.raises(TypeError, match="different kinds"):
        x + minimal.ones((2, 3), dtype=minimal.int64)
    assert len([name for name in dir(minimal) if callable(getattr(minimal, name)) and name[0] != "_"]) > 20


def test_it_has_the_portable_backend_by_namespace_and_by_array():
    backend = backends.get(minimal)
    assert type(backend) is backends.Backend
    assert backend is backends.backend_of(minimal.ones(2))
    assert backend.name == "minimal"
    assert backend.devices() == list(DEVICES)
    assert backend.device("slide rule") is DEVICES[1]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint64", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0), (0, 2)])
def test_values_go_there_and_back_without_dlpack(dtype, shape):
    backend = backends.get(minimal)
    host = (np.arange(np.prod(shape)).reshape(shape) * 37 % 5).astype(dtype)
    there = backend.from_host(host, device=DEVICES[1])
    assert type(there) is Array
    assert there.device is DEVICES[1]
    assert there.dtype is getattr(minimal, dtype)
    back = backend.to_host(there)
    assert back.dtype == host.dtype
    np.testing.assert_array_equal(back, host)


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_gradients_are_those_of_numpy(device):
    def loss(w, x):
        xp = tl.array_namespace(w, x)
        hidden = xp.tanh(xp.matmul(x, xp.matrix_transpose(w)))
        return xp.sum(xp.take(hidden, xp.asarray([0, 1, 1], device=device), axis=0)[1:, ...] ** 2)

    w, x = np.asarray([[0.5, -1.0, 0.25], [1.0, 0.0, -0.5]]), VALUES
    given = [minimal.asarray(v.tolist(), device=device) for v in (w, x)]
    found = tl.grad(loss, argnums=(0, 1))(*given)
    device = "cpu"
    expected = tl.grad(loss, argnums=(0, 1))(w, x)
    for g, e, v in zip(found, expected, given, strict=True):
        assert type(g) is Array
        assert g.device is v.device
        np.testing.assert_allclose(backends.get(minimal).to_host(g), e, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_an_initialiser_gives_the_bits_that_it_gives_numpy(dtype, device):
    scheme = tl.init.xavier_uniform(3, 4, seed=7)
    found = tl.init.materialize(scheme, (4, 3), minimal, dtype, device=device)
    assert type(found) is Array
    assert found.device is device
    expected = tl.init.materialize(scheme, (4, 3), None, dtype)
    np.testing.assert_array_equal(backends.get(minimal).to_host(found), expected)


def cross_entropy(w1, b1, w2, b2, x, y):
    """The mean of -log softmax(tanh(x w1' + b1) w2' + b2)[y], where y is one-hot."""
    xp = tl.array_namespace(w1, x)
    hidden = xp.tanh(xp.matmul(x, xp.matrix_transpose(w1)) + b1)
    logits = xp.matmul(hidden, xp.matrix_transpose(w2)) + b2
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    chosen = xp.sum(shifted * y, axis=1)
    return xp.mean(xp.log(xp.sum(xp.exp(shifted), axis=1)) - chosen)


SHAPES = [(5, 4), (5,), (3, 5), (3,)]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
def test_it_trains_a_network_for_five_steps_as_numpy_does(optimizer):
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=(8, 4)), np.eye(3)[rng.integers(0, 3, 8)]
    schemes = [tl.init.kaiming_uniform(4, seed=i) for i in range(4)]
    losses, finals = [], []
    for library, inputs in ((None, (x, y)), (minimal, tuple(minimal.asarray(v.tolist()) for v in (x, y)))):
        definition = tl.ScalarModuleDef(cross_entropy, plan=tl.init.Plan(SHAPES, schemes))
        module = definition.instantiate(xp=library, dtype="float64")
        method = getattr(tl.optim, optimizer)(0.1)
        state = module.init_optim(method)
        found = []
        for _ in range(5):
            state, loss = module.step_with_loss(method, state, inputs)
            found.append(float(loss))
        losses.append(found)
        finals.append([module.backend.to_host(p) for p in module.params])
        assert all(type(p) is (np.ndarray if library is None else Array) for p in module.params)
    assert losses[1] == pytest.approx(losses[0], rel=1e-13)
    assert losses[0][-1] < losses[0][0]
    for p, q in zip(*finals, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-12, atol=1e-15)
