"""Programs by jax.jit: compiled once, part of a jit around them, and what they may destroy."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.cases import CASES, Case
from tests.autograd.test_rules import out_shape, weighted, weights_for
from tests.backends.graphs import equation, graph_of, lowered, lowered_graph, number, runtime, var
from tests.libraries import load
from tl_arrayapi.backends.program import PortableProgram
from tl_arrayapi.errors import BackendError
from tl_arrayapi.graph.graph import Graph

jax = pytest.importorskip("jax")

from tl_arrayapi.backends.jax.program import JaxProgram  # noqa: E402  (after importorskip)

X = var(0, 4, 3)
EXP = Graph((X,), (), (equation("exp", "elementwise", (X,), var(1, 4, 3)),), (var(1, 4, 3),))


@pytest.fixture
def xp():
    return load("jax")


def update(w, b, x, y):
    def loss(w, b, x, y):
        xp = tl.array_namespace(w, b)
        return xp.mean((xp.tanh(x @ w + b) - y) ** 2) + 0.01 * xp.sum(xp.max(w, axis=0))

    value, (dw, db) = tl.value_and_grad(loss, (0, 1))(w, b, x, y)
    return value, w - 0.1 * dw, b - 0.1 * db


def layer(xp):
    rng = np.random.default_rng(3)
    return [xp.asarray(rng.normal(size=shape), "float32") for shape in ((4, 3), (3,), (8, 4), (8, 3))]


def close(xp, got, expected, tolerance=1e-5):
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(xp.to_numpy(mine), xp.to_numpy(theirs), rtol=tolerance, atol=tolerance)


# ---- what runs
def test_a_step_is_compiled_once_and_gives_what_eager_gives(xp):
    given = layer(xp)
    program = lowered(xp, update, *given, fast=True)
    assert isinstance(program, JaxProgram)
    assert program.jitted._cache_size() == 0
    for _ in range(3):
        close(xp, program(*given), update(*given))
    assert program.jitted._cache_size() == 1
    assert program.report().steps[0].what == "jax.jit"


def test_without_fast_kernels_the_portable_program_runs_and_is_eager_bit_for_bit(xp):
    given = layer(xp)
    program = lowered(xp, update, *given)
    assert isinstance(program, PortableProgram)
    for got, expected in zip(program(*given), update(*given), strict=True):
        np.testing.assert_array_equal(xp.to_numpy(got), xp.to_numpy(expected), strict=True)


@pytest.mark.parametrize(
    "case", [c if i % 12 == 0 else pytest.param(c, marks=pytest.mark.slow) for i, c in enumerate(CASES)], ids=str
)
def test_every_rule_compiles_to_a_program_that_agrees_with_eager(xp, case: Case):
    loss = weighted(case, weights_for(out_shape(case), 20))

    def both(*operands):
        value, grads = tl.value_and_grad(loss, tuple(range(len(operands))))(*operands)
        return value, *grads

    given = [xp.asarray(x) for x in case.operands]
    graph, captured = graph_of(xp, both, *given)
    program = lowered_graph(xp, graph, fast=True)
    close(xp, program(*given, *captured), both(*given), 1e-9)


def test_without_64_bit_numbers_a_program_runs_in_those_of_32(xp):
    code = (
        "import jax.numpy as jnp, tl_arrayapi as tl\n"
        "f = tl.compile(tl.value_and_grad(lambda x: tl.array_namespace(x).mean(2 * x * x)))\n"
        "value, grad = f(jnp.asarray([1.0, 3.0]))\n"
        "print(value, value.dtype, grad.tolist(), grad.dtype)\n"
    )
    settings = {**os.environ, "JAX_ENABLE_X64": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, env=settings
    )
    assert (done.stdout, done.stderr) == ("10.0 float32 [2.0, 6.0] float32\n", "")


def test_a_program_inside_a_jit_is_part_of_it_and_leaves_nothing_of_its_trace(xp):
    given = layer(xp)
    program = lowered(xp, update, *given, fast=True)
    with jax.checking_leaks():
        outer = jax.jit(lambda *arrays: program(*arrays)[0] * 2)
        for _ in range(2):
            np.testing.assert_allclose(float(outer(*given)), 2 * float(update(*given)[0]), rtol=1e-5)
    close(xp, program(*given), update(*given))


def test_the_portable_program_leaves_nothing_of_a_trace_either(xp):
    given = layer(xp)
    with jax.checking_leaks():
        made = []

        def inside(*arrays):
            made.append(lowered(xp, update, *given))
            return made[0](*arrays)[0]

        np.testing.assert_allclose(float(jax.jit(inside)(*given)), float(update(*given)[0]), rtol=1e-5)
    close(xp, made[0](*given), update(*given))


def test_another_precision_of_products_is_another_compilation(xp):
    given = layer(xp)
    program = lowered(xp, update, *given, fast=True)
    program(*given)
    with jax.default_matmul_precision("highest"):
        program(*given)
    assert program.jitted._cache_size() == 2


def test_outputs_are_apart_from_one_another_and_from_what_is_given(xp):
    graph = Graph((X,), (), EXP.equations, (X, X, var(1, 4, 3), var(1, 4, 3), number(2.0)))
    x = xp.asarray(np.zeros((4, 3)), "float32")
    out = lowered_graph(xp, graph, fast=True)(x)
    assert len({id(array) for array in (x, *out)}) == 6
    assert len({array.unsafe_buffer_pointer() for array in (x, *out)}) == 6


def test_threads_that_come_first_together_get_what_eager_gives(xp):
    given = layer(xp)
    program = lowered(xp, update, *given, fast=True)
    found = []
    threads = [threading.Thread(target=lambda: found.append(program(*given))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for out in found:
        close(xp, out, update(*given))


# ---- donation
def test_a_donating_program_takes_the_memory_of_what_is_donated_and_of_nothing_else(xp):
    given = layer(xp)
    expected = update(*given)
    program = lowered(xp, update, *given, fast=True)
    assert not any(array.is_deleted() for array in given)
    out = program.donating([0, 1])(*given)
    assert [array.is_deleted() for array in given] == [True, True, False, False]
    close(xp, out, expected)


def test_steps_that_donate_what_the_last_one_made_go_on_for_ever(xp):
    w, b, x, y = layer(xp)
    program = lowered(xp, update, w, b, x, y, fast=True)
    step = program.donating([0, 1])
    expected = [w, b]
    mine = [xp.asarray(np.asarray(w)), xp.asarray(np.asarray(b))]
    for _ in range(5):
        _, *expected = update(*expected, x, y)
        _, *mine = step(*mine, x, y)
    close(xp, mine, expected)


def test_what_no_output_can_use_is_not_destroyed(xp):
    graph = Graph((X,), (), (equation("sum", "reduction", (X,), var(1), axis=(0, 1), keepdims=False),), (var(1),))
    x = xp.asarray(np.ones((4, 3)), "float32")
    assert float(lowered_graph(xp, graph, fast=True).donating([0])(x)[0]) == 12
    assert not x.is_deleted()


def test_what_is_given_twice_is_not_destroyed(xp):
    y = var(1, 4, 3)
    graph = Graph((X, y), (), (equation("add", "elementwise", (X, y), var(2, 4, 3)),), (var(2, 4, 3),))
    x = xp.asarray(np.ones((4, 3)), "float32")
    np.testing.assert_array_equal(lowered_graph(xp, graph, fast=True).donating([0])(x, x)[0], 2 * np.ones((4, 3)))
    assert not x.is_deleted()


def test_a_donating_step_that_cannot_be_traced_destroys_nothing(xp):
    given = runtime(xp, fast=True)
    program = tl.backends.get(xp.namespace).lower(EXP, type(given)(_on_the_host, given.number, given.dtype))
    x = xp.asarray(np.ones((4, 3)), "float32")
    with pytest.raises(BackendError):
        program.donating([0])(x)
    assert float(x[0, 0]) == 1


# ---- what cannot be compiled
def _on_the_host(name):
    return lambda x: jax.numpy.asarray(np.exp(np.asarray(x)))


def test_a_function_that_goes_to_the_host_is_refused_with_what_to_do(xp):
    given = runtime(xp, fast=True)
    program = tl.backends.get(xp.namespace).lower(EXP, type(given)(_on_the_host, given.number, given.dtype))
    with pytest.raises(BackendError, match=r"could not compile the program: .+fast_kernels=False") as caught:
        program(xp.asarray(np.ones((4, 3)), "float32"))
    assert caught.value.__cause__.__notes__[-1] == "in exp(float32[4, 3])"


def test_a_compiler_that_is_switched_off_is_an_error_and_not_eager_code(xp):
    program = lowered_graph(xp, EXP, fast=True)
    with jax.disable_jit(), pytest.raises(BackendError, match=r"switched off.*fast_kernels=False"):
        program(xp.asarray(np.ones((4, 3)), "float32"))
