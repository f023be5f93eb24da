"""A library that has `__array_namespace__` and nothing else needs no backend, no NumPy and no DLPack."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.minimal_library import Array
from tests.minimal_library import namespace as minimal
from tl_arrayapi import backends, init
from tl_arrayapi.errors import DeviceError, DTypeError, NamespaceError

pytestmark = pytest.mark.usefixtures("backend")

SHAPES = [(4, 3), (4,), (2, 4), (2,)]
INITS = [init.xavier_for((4, 3), 1), init.uniform(-0.1, 0.1, 2), init.kaiming_for((2, 4), 3), init.zeros()]
X, Y = np.sin(np.arange(15.0)).reshape(5, 3), np.cos(np.arange(10.0)).reshape(5, 2)


def loss(w1, b1, w2, b2, x, y):
    xp = tl.array_namespace(w1, x)
    hidden = xp.tanh(x @ w1.mT + b1)
    return xp.mean((hidden @ w2.mT + b2 - y) ** 2)


def from_values(xp):
    rng = np.random.default_rng(0)
    definition = tl.ScalarModuleDef(loss, init_params=[rng.normal(0, 0.5, shape) for shape in SHAPES])
    return definition.instantiate(xp=xp, dtype="float64")


def from_plan(xp):
    definition = tl.ScalarModuleDef(loss, plan=init.Plan(SHAPES, INITS), input_shapes=[(None, 3), (None, 2)])
    return definition.instantiate(xp=xp, dtype="float64")


def train_by_step(module, xs):
    return [float(module.step(0.2, xs)) for _ in range(5)]


def train_with_adam(module, xs):
    opt, losses = tl.optim.adam(0.05), []
    state = module.init_optim(opt)
    for _ in range(5):
        state, value = module.step_with_loss(opt, state, xs)
        losses.append(float(value))
    return losses


def values(x):
    return [float(x[i]) for i in range(x.shape[0])]


def test_the_library_is_as_little_as_it_says():
    functions = [name for name, found in vars(minimal).items() if callable(found)]
    assert len(functions) >= 20
    x = minimal.asarray([1.0])
    assert not isinstance(x, np.ndarray)
    assert not hasattr(x, "__dlpack__")
    assert not hasattr(x, "__array_interface__")
    with pytest.raises(TypeError, match="nothing to do with NumPy"):
        np.asarray(x)
    with pytest.raises(AttributeError, match="immutable"):
        x.shape = ()
    with pytest.raises(TypeError, match="item assignment"):
        x[0] = 2.0


def test_its_backend_is_the_portable_one():
    found = backends.get(minimal)
    assert type(found) is backends.Backend
    assert found.name == "minimal"
    assert backends.backend_of(minimal.asarray([1.0])) is backends.get(tl.namespace(minimal)) is found
    assert found.version() == "unknown"
    with pytest.raises(DeviceError, match="nowhere"):
        found.device("nowhere")


@pytest.mark.parametrize("train", [train_by_step, train_with_adam])
@pytest.mark.parametrize("make", [from_values, from_plan])
def test_it_trains_a_network_as_numpy_does(make, train):
    here, there = make(minimal), make(None)
    losses = train(here, here.asarrays((X, Y)))
    np.testing.assert_allclose(losses, train(there, there.asarrays((X, Y))), rtol=1e-12, atol=0)
    assert losses[4] < losses[0]
    assert all(type(p) is Array for p in here.params)


def test_it_fills_the_same_bits_as_numpy():
    plan = init.Plan(SHAPES, INITS)
    for dtype in ("float32", "float64"):
        assert plan.digest(minimal, dtype) == plan.digest(None, dtype)


def test_it_evaluates_and_saves_a_module(tmp_path):
    here, there = from_plan(minimal), from_plan(None)
    samples = [(X[:2], Y[:2]), (X[2:], Y[2:])]
    mean = here.mean_loss([here.asarrays(xs) for xs in samples])
    np.testing.assert_allclose(mean, there.mean_loss([there.asarrays(xs) for xs in samples]), rtol=1e-12)
    here.save(tmp_path / "minimal.safetensors")
    there.set_params([np.zeros(shape) for shape in SHAPES])
    there.load(tmp_path / "minimal.safetensors")
    for p, q in zip(here.params, there.params, strict=True):
        np.testing.assert_array_equal(backends.get(minimal).to_host(p), q)


def test_it_differentiates_a_gradient():
    cubes = tl.grad(lambda x: tl.array_namespace(x).sum(x**3))
    x = minimal.asarray([2.0, -1.0])
    second = tl.grad(lambda x: tl.array_namespace(x).sum(cubes(x)))
    third = tl.grad(lambda x: tl.array_namespace(x).sum(second(x)))
    assert type(third(x)) is Array
    assert [values(f(x)) for f in (cubes, second, third)] == [[12.0, 3.0], [12.0, -6.0], [6.0, 6.0]]


def test_it_pulls_back_through_a_broadcast_and_a_product():
    w, b = minimal.asarray([[1.0, 2.0], [3.0, 4.0]]), minimal.asarray([0.5, -0.5])
    out, pullback = tl.vjp(lambda w, b: w @ w + b, w, b)
    assert type(out) is Array
    dw, db = pullback(minimal.ones((2, 2)))
    host = backends.get(minimal).to_host
    np.testing.assert_allclose(host(dw), np.ones((2, 2)) @ host(w).T + host(w).T @ np.ones((2, 2)))
    assert values(db) == [2.0, 2.0]


def test_it_pulls_back_through_slices_and_rows():
    def picked(x):
        xp = tl.array_namespace(x)
        rows = xp.take(x, minimal.asarray([0, -1, 0]), axis=0)
        return xp.sum(x[1:, 0] * 3.0) + xp.sum(x[::2, :]) + xp.sum(x[1, 1]) + xp.sum(rows)

    grad = tl.grad(picked)(minimal.zeros((3, 2)))
    np.testing.assert_array_equal(backends.get(minimal).to_host(grad), [[3.0, 3.0], [3.0, 1.0], [5.0, 2.0]])


def test_what_it_lacks_is_refused_by_function_and_library():
    x = minimal.asarray([1.0, 2.0])
    for function in (lambda xp, x: xp.sum(xp.exp(x)), lambda xp, x: xp.max(x)):
        with pytest.raises(AttributeError, match=r"has no attribute '(exp|max)'.* minimal does not"):
            tl.grad(lambda x, function=function: function(tl.array_namespace(x), x))(x)
    assert not hasattr(tl.namespace(minimal), "linalg")
    with pytest.raises(DTypeError, match="minimal has no dtype 'float16'"):
        tl.Options(xp=minimal, dtype="float16")


def test_its_arrays_do_not_mix_with_those_of_numpy():
    x, y = minimal.asarray([1.0, 2.0]), np.asarray([1.0, 2.0])
    for a, b in ((x, y), (y, x)):
        with pytest.raises(NamespaceError, match="minimal"):
            tl.grad(lambda a, b: tl.array_namespace(a).sum(tl.array_namespace(a).multiply(a, b)))(a, b)


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3)])
def test_values_travel_to_the_host_and_back_without_dlpack(dtype, shape):
    backend = backends.get(minimal)
    host = (np.arange(np.prod(shape, dtype=int)).reshape(shape) / 3 - 1).astype(dtype.removeprefix("u")).astype(dtype)
    there = backend.from_host(host)
    assert type(there) is Array
    assert (there.shape, there.dtype) == (shape, getattr(minimal, dtype))
    back = backend.to_host(there)
    assert (back.shape, back.dtype) == (shape, host.dtype)
    np.testing.assert_array_equal(back, host)
