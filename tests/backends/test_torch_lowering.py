"""Programs by torch.compile: what is compiled, once, and what is said where it cannot be."""

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.cases import CASES, Case
from tests.autograd.test_rules import out_shape, weighted, weights_for
from tests.backends.graphs import equation, graph_of, lowered, lowered_graph, number, var
from tests.libraries import load
from tl_arrayapi.backends.program import PortableProgram
from tl_arrayapi.errors import BackendError
from tl_arrayapi.graph.graph import Graph

torch = pytest.importorskip("torch")

from tl_arrayapi.backends.torch.program import TorchProgram, _Compiler  # noqa: E402  (after importorskip)

X = var(0, 4, 3)


@pytest.fixture
def xp():
    return load("torch")


@pytest.fixture
def traced_only(monkeypatch):
    """Trace programs as for compiling, and stop before kernels are written: that takes a second a program."""
    from torch._dynamo.backends.registry import lookup_backend

    def compiled(self, module, examples):
        self.compilations += 1
        return lookup_backend("aot_eager")(module, examples)

    monkeypatch.setattr(_Compiler, "__call__", compiled)


def loss_and_gradients(w, b, x, y):
    def loss(w, b, x, y):
        xp = tl.array_namespace(w, b)
        return xp.mean((xp.tanh(x @ w + b) - y) ** 2) + 0.01 * xp.sum(xp.max(w, axis=0))

    value, grads = tl.value_and_grad(loss, (0, 1))(w, b, x, y)
    return value, *grads


def layer(xp, dtype="float32"):
    rng = np.random.default_rng(3)
    return [xp.asarray(rng.normal(size=shape), dtype) for shape in ((4, 3), (3,), (8, 4), (8, 3))]


def close(xp, got, expected, tolerance):
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(xp.to_numpy(mine), xp.to_numpy(theirs), rtol=tolerance, atol=tolerance)


def both_of(case: Case):
    loss = weighted(case, weights_for(out_shape(case), 20))

    def both(*operands):
        value, grads = tl.value_and_grad(loss, tuple(range(len(operands))))(*operands)
        return value, *grads

    return both


# ---- what runs
def test_a_step_is_compiled_once_to_kernels_and_gives_what_eager_gives(xp):
    given = layer(xp)
    program = lowered(xp, loss_and_gradients, *given, fast=True)
    assert isinstance(program, TorchProgram)
    assert program.compilations == 0
    torch._dynamo.utils.counters.clear()
    for _ in range(3):
        close(xp, program(*given), loss_and_gradients(*given), 1e-5)
    assert program.compilations == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert program.report().steps[0].what == "torch.compile"


def test_without_fast_kernels_the_portable_program_runs_and_is_eager_bit_for_bit(xp):
    given = layer(xp)
    graph, _ = graph_of(xp, loss_and_gradients, *given)
    program = lowered_graph(xp, graph)
    assert isinstance(program, PortableProgram)
    for got, expected in zip(program(*given), loss_and_gradients(*given), strict=True):
        assert torch.equal(got, expected)


# A second or less each: one in twelve, and all with the slow tests.
@pytest.mark.parametrize(
    "case", [c if i % 12 == 0 else pytest.param(c, marks=pytest.mark.slow) for i, c in enumerate(CASES)], ids=str
)
def test_every_rule_is_traced_whole(xp, traced_only, case: Case):
    given = [xp.asarray(x) for x in case.operands]
    both = both_of(case)
    graph, captured = graph_of(xp, both, *given)
    program = lowered_graph(xp, graph, fast=True)
    close(xp, program(*given, *captured), both(*given), 1e-9)
    assert program.compilations == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex operators")
@pytest.mark.parametrize("case", CASES[::4], ids=str)  # seconds each
def test_rules_compile_to_kernels_that_agree_with_eager(xp, case: Case):
    given = [xp.asarray(x) for x in case.operands]
    both = both_of(case)
    graph, captured = graph_of(xp, both, *given)
    program = lowered_graph(xp, graph, fast=True)
    close(xp, program(*given, *captured), both(*given), 1e-9)
    assert program.compilations == 1


def test_arrays_laid_out_otherwise_make_no_new_program(xp, traced_only):
    program = lowered_graph(
        xp, Graph((X,), (), (equation("exp", "elementwise", (X,), var(1, 4, 3)),), (var(1, 4, 3),)), True
    )
    values = torch.arange(12, dtype=torch.float32).reshape(4, 3)
    seen = [
        values,
        values.T.contiguous().T,
        torch.cat([values, values])[4:],
        torch.nn.Parameter(values, requires_grad=False),
    ]
    for x in seen:
        np.testing.assert_allclose(program(x)[0].numpy(), np.exp(values.numpy()), rtol=1e-6)
    assert program.compilations == 1


def test_many_programs_of_one_shape_do_not_share_a_limit_of_compilations(xp, traced_only):
    x = torch.ones(4, 3)
    programs = [
        lowered_graph(
            xp,
            Graph((X,), (), (equation("add", "elementwise", (X, number(float(i))), var(1, 4, 3)),), (var(1, 4, 3),)),
            True,
        )
        for i in range(torch._dynamo.config.recompile_limit + 4)
    ]
    for i, program in enumerate(programs):
        assert float(program(x)[0][0, 0]) == 1 + i
        assert program.compilations == 1


def test_nothing_is_recorded_by_the_librarys_own_tape(xp, traced_only):
    program = lowered(xp, loss_and_gradients, *layer(xp), fast=True)
    with torch.enable_grad():
        assert not any(out.requires_grad for out in program(*layer(xp)))


def test_outputs_are_apart_even_where_the_compiler_makes_equal_values_one(xp):
    exp = [equation("exp", "elementwise", (X,), var(i, 4, 3)) for i in (1, 2)]
    others = (
        equation("add", "elementwise", (X, number(0.0)), var(3, 4, 3)),
        equation("reshape", "movement", (var(1, 4, 3),), var(4, 12), shape=(12,)),
        equation("permute_dims", "movement", (X,), var(5, 3, 4), axes=(1, 0)),
    )
    outputs = (*(var(i, 4, 3) for i in (1, 2, 3)), var(4, 12), var(5, 3, 4), X, number(2.0), number(2.0))
    program = lowered_graph(xp, Graph((X,), (), (*exp, *others), outputs), True)
    x = torch.arange(12, dtype=torch.float32).reshape(4, 3) / 12
    out = program(x)
    places = [array.untyped_storage().data_ptr() for array in (x, *out)]
    assert len(set(places)) == len(places)
    assert all(array.is_contiguous() for array in out)
    for array in out:
        array.zero_()
    assert float(x.sum()) > 0


@pytest.mark.slow
def test_outputs_are_apart_where_two_inputs_are_one_tensor(xp):
    y = var(1, 4, 3)
    equations = tuple(equation("exp", "elementwise", (v,), var(2 + i, 4, 3)) for i, v in enumerate((X, y)))
    program = lowered_graph(xp, Graph((X, y), (), equations, (var(2, 4, 3), var(3, 4, 3))), True)
    a, b = torch.zeros(4, 3), torch.ones(4, 3)
    for given in ((a, b), (a, a), (b, a), (b, b)):
        first, second = program(*given)
        assert first.data_ptr() != second.data_ptr()
        np.testing.assert_allclose(first, np.exp(given[0].numpy()), rtol=1e-6)
        np.testing.assert_allclose(second, np.exp(given[1].numpy()), rtol=1e-6)
    assert program.compilations == 2


def test_threads_that_come_first_together_compile_once(xp, traced_only):
    given = layer(xp)
    program = lowered(xp, loss_and_gradients, *given, fast=True)
    expected = loss_and_gradients(*given)
    found = []
    threads = [threading.Thread(target=lambda: found.append(program(*given))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for out in found:
        close(xp, out, expected, 1e-5)
    assert program.compilations == 1


def test_a_program_that_nobody_holds_is_freed(xp, traced_only):
    program = lowered(xp, loss_and_gradients, *layer(xp), fast=True)
    program(*layer(xp))
    graphs = sum(type(x) is Graph for x in gc.get_objects())
    del program
    gc.collect()
    assert sum(type(x) is Graph for x in gc.get_objects()) < graphs


# ---- what cannot be compiled
def test_a_function_that_goes_to_the_host_is_refused_with_what_to_do(xp):
    def on_the_host(name):
        return lambda x: torch.from_numpy(np.exp(np.asarray(x.tolist(), dtype="float32")))

    graph = Graph((X,), (), (equation("exp", "elementwise", (X,), var(1, 4, 3)),), (var(1, 4, 3),))
    from tests.backends.graphs import runtime

    given = runtime(xp, fast=True)
    program = tl.backends.get(torch).lower(graph, type(given)(on_the_host, given.number, given.dtype))
    with pytest.raises(BackendError, match=r"could not compile the program: .+fast_kernels=False"):
        program(torch.ones(4, 3))


def test_a_compiler_that_is_switched_off_is_an_error_and_not_eager_code(xp):
    program = lowered(xp, loss_and_gradients, *layer(xp), fast=True)
    with (
        torch.compiler.set_stance("force_eager"),
        pytest.raises(BackendError, match=r"without compiling it.*fast_kernels"),
    ):
        program(*layer(xp))


@pytest.mark.slow
def test_a_missing_compiler_is_named(tmp_path):
    code = (
        "import torch, tl_arrayapi as tl\n"
        "try:\n"
        "    tl.compile(lambda x: x * x + 1)(torch.ones(3))\n"
        "except tl.errors.BackendError as error:\n"
        "    print(error)\n"
    )
    settings = {**os.environ, "CXX": str(tmp_path / "none"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=settings)
    assert "no working C++ compiler" in done.stdout
    assert "fast_kernels=False" in done.stdout
