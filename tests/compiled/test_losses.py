"""Whole losses, compiled and eager: value, gradient, second derivative, and training by modules in both backends."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.compiled.equality import assert_near, assert_same_bits, depth, eager, exactly, hosts, quickly
from tests.compiled.losses import LOSSES
from tests.libraries import VARIANTS, load, mode

every = pytest.mark.parametrize("loss", LOSSES, ids=str)
# Dask makes a graph of thousands of tasks of the second derivative of a loop, PyTorch and JAX compile.
LOOPS = ("a GRU over 20 steps", "a masked RNN", "a Kalman filter", "three layers of convolution")


def on(*quick):
    """Parametrize by library; all but the quick ones are slow."""
    params = [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in VARIANTS if name != "cupy"
    ]
    return pytest.mark.parametrize("xp", params, indirect=True)


def arguments(xp, loss, dtype, step=3):
    made = [xp.asarray(x, dtype if x.dtype.kind == "f" else None) for x in loss.arrays]
    if loss.takes_key:
        made.append(tl.random.key(5, step, xp.namespace, xp.device))
    return made


def functions(loss):
    """Return value with gradient, and a product with the Hessian, as functions of the arrays."""
    where = tuple(range(loss.params))

    def product(*args):
        params, rest = args[: loss.params], args[loss.params :]
        directions = tuple(0.5 * x + 1.0 for x in params)
        return tl.hvp(lambda *params: loss(*params, *rest), params, directions)

    return tl.value_and_grad(loss, where), product


def truth(loss):
    host = load("numpy")
    with mode("numpy"):
        return [hosts(host, eager(host, f)(*arguments(host, loss, "float64"))) for f in functions(loss)]


@on("numpy", "array_api_strict")
@every
def test_a_loss_has_the_bits_of_the_eager_one_where_nothing_is_reassociated(xp, loss):
    args = arguments(xp, loss, xp.real)
    for f in functions(loss)[: 1 if xp.name == "dask" and loss.name in LOOPS else 2]:
        assert_same_bits(xp, exactly(xp, f)(*args), eager(xp, f)(*args))


# Elsewhere the program is the one that is held to the eager one's bits above.
@pytest.mark.parametrize("xp", ["numpy", pytest.param("numpy-readonly", marks=pytest.mark.slow)], indirect=True)
@every
def test_a_loss_is_as_near_to_the_truth_as_the_eager_one(xp, loss):
    args = arguments(xp, loss, "float32")
    for f, exact in zip(functions(loss), truth(loss), strict=True):
        compiled = quickly(xp, f)
        assert_near(xp, compiled(*args), eager(xp, f)(*args), exact, depth(compiled.graph), args)


@every
def test_one_program_serves_every_call(loss):
    xp = load("numpy")
    compiled = quickly(xp, functions(loss)[0])
    for step in range(3):
        args = arguments(xp, loss, "float64", step)
        args[0] = args[0] * (1 + 0.1 * step)
        exact = hosts(xp, eager(xp, functions(loss)[0])(*args))
        assert_near(xp, compiled(*args), exact, exact, depth(compiled.graph), args)
    assert compiled.cache_info()[:2] == (2, 1)


@on("numpy", "torch", "array_api_strict", "strict-device1", "strict-float32")
def test_a_dropout_mask_is_fresh_with_every_key_and_the_same_in_both_backends(xp):
    def masked(x, key):
        return tl.array_namespace(x).where(tl.random.bernoulli(key, 0.5, x.shape), x, -x)

    compiled, x, masks = quickly(xp, masked), xp.asarray(np.ones((8, 8), "float32")), set()
    for step in range(4):
        key = tl.random.key(0, step, xp.namespace, xp.device)
        (got,) = hosts(xp, compiled(x, key))
        np.testing.assert_array_equal(got, hosts(xp, eager(xp, masked)(x, key))[0])
        masks.add(got.tobytes())
    assert len(masks) == 4
    assert compiled.cache_info().misses == 1


# ---------------------------------------------------------------- modules
def trained(xp, loss, backend, optimizer=None, steps=4, frozen=()):
    flags = [i not in frozen for i in range(loss.params)]

    if loss.takes_key:

        def function(*arrays, key):
            return loss(*arrays, key) if key is not None else tl.array_namespace(*arrays).sum(arrays[0])
    else:
        function = lambda *arrays: loss(*arrays)  # noqa: E731  (a module reads the signature)

    shapes = [x.shape for x in loss.arrays]
    definition = tl.ScalarModuleDef(
        function,
        init_params=[np.asarray(x, "float32") for x in loss.arrays[: loss.params]],
        input_shapes=shapes[loss.params :],
        init_requires_grad=flags,
    )
    module = definition.instantiate(backend=backend, xp=xp.namespace, device=xp.variant.device)
    inputs = module.asarrays(loss.arrays[loss.params :])
    found = []
    if optimizer is None:
        found += [module.step(1e-4, inputs) for _ in range(steps)]
    else:
        state = module.init_optim(optimizer)
        for _ in range(steps):
            state, value = module.step_with_loss(optimizer, state, inputs)
            found.append(value)
    value, grads = module.loss_and_grads(inputs)
    return hosts(xp, [found, module.params, value, grads, module.forward(inputs)])


# What PyTorch's compiler says of itself, and of complex numbers, which it leaves to PyTorch.
@pytest.mark.filterwarnings("ignore:`torch._prims_common.check`:FutureWarning")
@pytest.mark.filterwarnings("ignore:Torchinductor does not support:UserWarning")
@on("numpy")
@every
def test_a_module_trains_alike_in_both_backends(xp, loss):
    got, expected = (trained(xp, loss, backend) for backend in ("compiled", "eager"))
    for one, another in zip(got, expected, strict=True):
        assert (one.shape, one.dtype) == (another.shape, another.dtype)
        np.testing.assert_allclose(one, another, rtol=2e-4, atol=2e-5)


OPTIMIZERS = {
    "adam": lambda: tl.optim.adam(0.01),
    "scheduled adamw": lambda: tl.optim.adamw(tl.schedules.Cosine(0.02, steps=3)),
    "momentum": lambda: tl.optim.momentum(0.01),
    "adagrad": lambda: tl.optim.adagrad(0.01),
    "rmsprop": lambda: tl.optim.rmsprop(0.01),
    "adadelta": lambda: tl.optim.adadelta(0.5),
    "lion": lambda: tl.optim.lion(0.001),
    "muon": lambda: tl.optim.muon(0.01),
    "clipped": lambda: tl.optim.chain(
        tl.optim.add_decayed_weights(0.1),
        tl.optim.clip_by_global_norm(0.5),
        tl.optim.clip_by_value(0.2),
        tl.optim.sgd(0.1),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("library", ["numpy", "array_api_strict"])
@pytest.mark.parametrize("frozen", [(), (1,)], ids=["all", "one frozen"])
def test_an_optimizer_steps_alike_in_both_backends(name, library, frozen):
    xp, loss = load(library), LOSSES[3]
    got, expected = (trained(xp, loss, backend, OPTIMIZERS[name](), frozen=frozen) for backend in ("compiled", "eager"))
    for one, another in zip(got, expected, strict=True):
        assert (one.shape, one.dtype) == (another.shape, another.dtype)
        np.testing.assert_allclose(one, another, rtol=2e-3, atol=2e-5)


@on("numpy", "array_api_strict")
def test_a_frozen_parameter_has_a_gradient_of_zeros_and_keeps_its_bits_in_both_backends(xp):
    loss = LOSSES[4]
    for backend in ("compiled", "eager"):
        *_, params, _, grads, _ = nested(trained(xp, loss, backend, frozen=(0, 2)), loss)
        for i in (0, 2):
            np.testing.assert_array_equal(params[i], loss.arrays[i].astype("float32"))
            assert not grads[i].any()
            assert not np.signbit(grads[i]).any()
        assert grads[1].any()


def nested(found, loss, steps=4):
    """Return the losses, parameters, last loss, gradients and forward value of what `trained` returned in a row."""
    rest = iter(found)
    counts = (steps, loss.params, 1, loss.params, 1)
    return [[next(rest) for _ in range(count)] for count in counts]
