"""What is refused is refused alike: bad calls raise the same exception, with the same message, compiled and eager."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.compiled.equality import assert_near, depth, eager, exactly, hosts, quickly
from tests.libraries import load
from tl_arrayapi.errors import ArgumentError, TLError

X, Y, N = np.ones((2, 3)), np.ones((4, 5)), np.asarray([0, 1, 2])

# What is wrong, and a function of (xp, x, y, n).
CALLS = [
    ("shapes that do not broadcast", lambda xp, x, y, n: x + y),
    ("shapes that do not broadcast, under sum", lambda xp, x, y, n: xp.sum(x * y)),
    ("shapes that do not multiply", lambda xp, x, y, n: x @ y),
    ("a product with a number of axes of 0", lambda xp, x, y, n: x @ xp.sum(y)),
    ("an axis that is not there", lambda xp, x, y, n: xp.sum(x, axis=2)),
    ("an axis twice", lambda xp, x, y, n: xp.sum(x, axis=(0, 0))),
    ("a shape of another size", lambda xp, x, y, n: xp.reshape(x, (4, 2))),
    ("two unknown lengths", lambda xp, x, y, n: xp.reshape(x, (-1, -1))),
    ("axes that are no permutation", lambda xp, x, y, n: xp.permute_dims(x, (0, 0))),
    ("a shape that cannot be broadcast to", lambda xp, x, y, n: xp.broadcast_to(x, (3, 2))),
    ("arrays that do not join", lambda xp, x, y, n: xp.concat([x, y])),
    ("arrays that do not stack", lambda xp, x, y, n: xp.stack([x, y])),
    ("an axis of another length than 1", lambda xp, x, y, n: xp.squeeze(x, axis=0)),
    ("an index out of range", lambda xp, x, y, n: x[2, 0]),
    ("too many indices", lambda xp, x, y, n: x[0, 0, 0]),
    ("a matrix that is not square", lambda xp, x, y, n: xp.linalg.inv(x)),
    ("a matrix that is not square, for a factor", lambda xp, x, y, n: xp.linalg.cholesky(x)),
    ("a system that does not fit", lambda xp, x, y, n: xp.linalg.solve(x @ x.T, y)),
    ("a float where integers are needed", lambda xp, x, y, n: xp.take(x, x[0, :], axis=0)),
    ("integers where a float is needed", lambda xp, x, y, n: xp.sin(n)),
    ("bits of a float", lambda xp, x, y, n: x & 1),
    ("logic of a float", lambda xp, x, y, n: xp.logical_not(x)),
    ("a complex remainder", lambda xp, x, y, n: xp.remainder(xp.astype(x, xp.complex128), 2)),
    ("a condition that is no truth", lambda xp, x, y, n: xp.where(x, x, 2 * x)),
    ("a diagonal of a vector", lambda xp, x, y, n: xp.linalg.diagonal(x[0, :])),
    ("a transpose of a vector", lambda xp, x, y, n: xp.matrix_transpose(x[0, :])),
    ("no such function", lambda xp, x, y, n: xp.no_such_function(x)),
    ("a text", lambda xp, x, y, n: x + "1"),
    ("a list", lambda xp, x, y, n: xp.sin([1.0, 2.0])),
    ("None", lambda xp, x, y, n: x * None),
    ("an argument that is not there", lambda xp, x, y, n: xp.sum(x, axes=0)),
    ("an argument too few", lambda xp, x, y, n: xp.matmul(x)),
    ("a wrong fold of the user's", lambda xp, x, y, n: {}["missing"]),
]
LOSSES = [
    ("a loss that is no number", lambda xp, x, y, n: x * 2),
    ("a loss that is an integer", lambda xp, x, y, n: xp.sum(n)),
    ("a loss that is complex", lambda xp, x, y, n: xp.sum(x) * 1j),
    ("a loss that is a text", lambda xp, x, y, n: "loss"),
    ("a loss that is a list", lambda xp, x, y, n: [xp.sum(x)]),
    ("an array taken out of its gradient", lambda xp, x, y, n: xp.sum(x * np.asarray(x))),
]
LIBRARIES = pytest.mark.parametrize("library", ["numpy", "array_api_strict", "torch"])


def bind(call):
    def f(x, y, n):
        return call(tl.array_namespace(x, y, n), x, y, n)

    return f


def error_of(f, *args):
    """Return what ``f`` raises, or None."""
    try:
        with np.errstate(all="ignore"):
            f(*args)
    except Exception as error:  # noqa: BLE001  (whatever is raised)
        return error
    return None


def given(xp):
    return xp.asarray(X), xp.asarray(Y), xp.asarray(N)


@LIBRARIES
@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[what for what, _ in CALLS])
def test_a_bad_call_is_refused_alike(library, call):
    xp, f = load(library), bind(call)
    assert_alike(error_of(exactly(xp, f), *given(xp)), error_of(eager(xp, f), *given(xp)), library)


@LIBRARIES
@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[what for what, _ in CALLS])
def test_a_bad_call_in_a_loss_is_refused_alike(library, call):
    xp = load(library)

    def loss(x, y, n):
        xp = tl.array_namespace(x, y, n)
        return xp.sum(xp.astype(bind(call)(x, y, n), x.dtype))

    assert_alike(error_of(exactly(xp, tl.grad(loss)), *given(xp)), error_of(tl.grad(loss), *given(xp)), library)


@LIBRARIES
@pytest.mark.parametrize("call", [call for _, call in LOSSES], ids=[what for what, _ in LOSSES])
def test_a_bad_loss_is_refused_alike(library, call):
    xp, f = load(library), tl.grad(bind(call))
    expected, got = error_of(f, *given(xp)), error_of(exactly(xp, f), *given(xp))
    assert isinstance(expected, TLError)
    assert_alike(got, expected)


def assert_alike(got, expected, library="numpy"):
    """Fail unless both are the same error of ours; what the library says itself, we may say before it is run."""
    if expected is None:
        assert got is None
        return
    assert got is not None, f"eager raises {expected!r}"
    if isinstance(expected, TLError | KeyError | AttributeError):
        assert type(got) is type(expected), f"{got!r} is not {expected!r}"
        assert str(got) == str(expected)
    elif library == "torch":
        assert isinstance(got, TLError | type(expected)), f"{got!r} is not {expected!r}"
    elif isinstance(expected, TypeError) and "argument" in str(expected):
        assert isinstance(got, TypeError | ArgumentError), f"{got!r} is not {expected!r}"
    else:
        builtins = tuple(kind for kind in (ValueError, IndexError, TypeError) if isinstance(expected, kind))
        assert isinstance(got, builtins), f"{got!r} is not {expected!r}"


def test_a_bad_input_of_a_module_is_refused_with_the_same_words():
    def loss(w, x, y):
        return tl.array_namespace(w, x, y).mean((x @ w - y) ** 2)

    definition = tl.ScalarModuleDef(loss, init_params=[[0.0, 0.0]], input_shapes=[(None, 2), (None,)])
    one, another = (definition.instantiate(backend=backend) for backend in ("eager", "compiled"))
    f32, strict = np.float32, load("array_api_strict")
    good = np.ones((3, 2), f32), np.ones(3, f32)
    bad = [
        (good[0],),
        (*good, good[1]),
        (np.ones((3, 3), f32), good[1]),
        (good[0][0], good[1]),
        (np.ones((3, 2)), good[1]),
        (good[0], [1.0, 2.0, 3.0]),
        (good[0], strict.asarray(good[1])),
        (good[0], np.ones(4, f32)),
        list(good[0]),
        good[0],
        None,
    ]
    calls = [
        lambda module, xs: module.forward(xs),
        lambda module, xs: module.loss_and_grads(xs),
        lambda module, xs: module.step(0.1, xs),
        lambda module, xs: module.step_with(tl.optim.adam(), module.init_optim(tl.optim.adam()), xs),
    ]
    for call in calls:
        for xs in bad:
            expected, got = (error_of(call, module, xs) for module in (one, another))
            assert_alike(got, expected)
            np.testing.assert_array_equal(another.params[0], [0.0, 0.0])
            assert another.steps_done == 0
    for rate in (-1.0, np.nan, "0.1", None):
        expected, got = (error_of(module.step, rate, good) for module in (one, another))
        assert_alike(got, expected)
    another.step(0.1, good)
    one.step(0.1, good)
    np.testing.assert_allclose(another.params[0], one.params[0], rtol=1e-6)


def test_a_bad_state_of_an_optimizer_is_refused_with_the_same_words():
    def loss(w, b):
        return tl.array_namespace(w, b).sum(w * w) + b * b

    definition = tl.ScalarModuleDef(loss, init_params=[[1.0, 2.0], 3.0])
    one, another = (definition.instantiate(backend=backend) for backend in ("eager", "compiled"))
    opt = tl.optim.adam(0.1)
    state = one.init_optim(opt)
    bad = [
        None,
        {},
        {**state, "step": -1},
        {**state, "step": 0.5},
        {**state, "m": state["m"][:1]},
        {**state, "m": [state["m"][0][:1], state["m"][1]]},
        {**state, "v": [x.astype("float64") for x in state["v"]]},
        {**state, "v": None},
        {**state, "more": 1},
        tl.optim.sgd(0.1).init([]),
        (state,),
    ]
    for k, spoilt in enumerate(bad):
        if k == len(bad) // 2:  # also once a program is there
            another.step_with(opt, another.init_optim(opt), ())
            one.step_with(opt, one.init_optim(opt), ())
        before = another.params
        expected, got = (error_of(module.step_with, opt, spoilt, ()) for module in (one, another))
        assert_alike(got, expected)
        np.testing.assert_array_equal(another.params[0], before[0])
    failing = tl.optim.sgd(lambda step: 0.1 if step < 2 else float("nan"))
    states = [module.init_optim(failing) for module in (one, another)]
    for _ in range(2):
        states = [module.step_with(failing, s, ()) for module, s in zip((one, another), states, strict=True)]
    expected, got = (error_of(m.step_with, failing, s, ()) for m, s in zip((one, another), states, strict=True))
    assert_alike(got, expected)
    assert "step 2" in str(got)


ROWS, FLAT = np.arange(6.0).reshape(3, 2), np.asarray(0)
# What only values can tell, and arrays with which all is well, and with which it is not.
VALUES = {
    "take": (lambda xp, x, n: xp.take(x, n, axis=0), (ROWS, [0, 2]), (ROWS, [0, 3])),
    "take from the end": (lambda xp, x, n: xp.take(x, n, axis=0), (ROWS, [0, -3]), (ROWS, [0, -4])),
    "take along the last axis": (lambda xp, x, n: xp.take(x, n, axis=1), (ROWS, [0, 1]), (ROWS, [0, 2])),
    "take_along_axis": (
        lambda xp, x, n: xp.take_along_axis(x, n, axis=1),
        (ROWS, [[0], [1], [-1]]),
        (ROWS, [[0], [2], [0]]),
    ),
    "an array of indices": (lambda xp, x, n: x[n, ...], (ROWS, [0, -1]), (ROWS, [3, 0])),
    "two arrays of indices": (lambda xp, x, n: x[n, n - 1], (ROWS, [0, 1]), (ROWS, [0, 3])),
    "cholesky": (lambda xp, x, n: xp.linalg.cholesky(x), (np.eye(3), FLAT), (-np.eye(3), FLAT)),
    "inv": (lambda xp, x, n: xp.linalg.inv(x), (np.eye(3), FLAT), (np.zeros((3, 3)), FLAT)),
    "solve": (lambda xp, x, n: xp.linalg.solve(x, x), (np.eye(3), FLAT), (np.zeros((3, 3)), FLAT)),
}


@LIBRARIES
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("make", [exactly, quickly], ids=["exactly", "quickly"])
def test_values_that_cannot_be_used_are_refused_and_leave_the_program_as_it_was(library, make, name):
    xp, (call, good, bad) = load(library), VALUES[name]

    def f(x, n):
        return call(tl.array_namespace(x, n), x, n)

    def loss(x, n):
        return tl.array_namespace(x).sum(f(x, n) ** 2)

    good, bad = ([xp.asarray(np.asarray(x)) for x in arrays] for arrays in (good, bad))
    for g in (f, tl.value_and_grad(loss)):
        compiled, reference = make(xp, g), eager(xp, g)
        for _ in range(2):
            expected, got = error_of(reference, *bad), error_of(compiled, *bad)
            assert expected is not None
            assert type(got) is type(expected)
            right = reference(*good)
            assert_near(xp, compiled(*good), right, hosts(xp, right), depth(compiled.graph), good[:1])
