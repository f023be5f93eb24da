"""Programs on NumPy: bound to arrays, called at once, and read."""

import gc
import linecache
import threading
import traceback
from dataclasses import replace

import numpy as np
import pytest

from tests.backends.graphs import number, var
from tests.backends.numpy_programs import (
    OURS,
    assert_same_bits,
    built,
    program_of,
    tanh_network,
    values,
)
from tl_arrayapi.backends.numpy.lowering import NumPyProgram
from tl_arrayapi.graph.graph import Equation, Graph, Var


# ---- binding
def test_a_bound_program_sees_what_is_written_to_its_arrays_and_writes_to_those_it_has():
    program, arrays = tanh_network()
    params, new = [x.copy() for x in arrays[:6]], [np.empty_like(x) for x in arrays[:6]]
    run = program.bind(dict(enumerate(params)), {1 + i: x for i, x in enumerate(new)})
    for _ in range(3):
        expected = program(*params, *arrays[6:])
        found = run(*arrays[6:])
        assert_same_bits(found, expected)
        assert all(one is other for one, other in zip(found[1:], new, strict=True))
        for p, n in zip(params, new, strict=True):
            p[...] = n


def test_outputs_may_be_written_over_the_arrays_that_they_are_made_of():
    program, arrays = tanh_network()
    params = [x.copy() for x in arrays[:6]]
    expected = program(*params, *arrays[6:])
    found = program.bind(dict(enumerate(params)), {1 + i: x for i, x in enumerate(params)})(*arrays[6:])
    assert_same_bits(found, expected)
    assert all(one is other for one, other in zip(found[1:], params, strict=True))


def test_outputs_may_be_written_to_arrays_that_lie_anyhow():
    def write(build, x):
        return build.emit("exp", "elementwise", (x,), (4, 6)), build.emit("negative", "elementwise", (x,), (4, 6))

    program, x = program_of(built((4, 6), "float32", write)), values("float32", (4, 6))
    outs = {0: np.zeros((6, 4), np.float32).T, 1: np.zeros((4, 6))}
    found = program.bind({}, outs)(x)
    assert found[0] is outs[0]
    assert found[1] is outs[1]
    np.testing.assert_array_equal(outs[0], np.exp(x))
    np.testing.assert_array_equal(outs[1], -x)


def test_programs_bound_twice_take_turns_in_one_large_workspace():
    def write(build, x):
        y = build.emit("matmul", "contraction", (x, x), x.shape)
        return build.emit("matmul", "contraction", (y, y), x.shape)

    program = program_of(built((520, 520), "float32", write))
    x = values("float32", (520, 520)) / 100
    (expected,) = program(x)
    runs = [program.bind({0: x}, {}) for _ in range(4)]
    found = [None] * 4

    def work(i):
        for _ in range(3):
            found[i] = runs[i]()[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        np.testing.assert_array_equal(one, expected)


# ---- calls at once
def test_threads_that_call_one_program_do_not_disturb_each_other():
    program, arrays = tanh_network()
    inputs = [arrays[6] * (1 + i) for i in range(8)]
    expected = [program(*arrays[:6], x, arrays[7]) for x in inputs]
    failures = []

    def work(i):
        for _ in range(50):
            for one, other in zip(program(*arrays[:6], inputs[i], arrays[7]), expected[i], strict=True):
                if not np.array_equal(one, other):
                    failures.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_program_may_be_called_while_it_runs():
    made: list[NumPyProgram] = []
    inner: list[np.ndarray] = []

    def function(name):
        if name != "cumulative_sum":
            return OURS.function(name)

        def again(x, **static):
            if not inner:
                inner.append(x)
                inner[0] = made[0](x + 1)[0]
            return np.cumsum(x, **static)

        return again

    def write(build, x):
        doubled = build.emit("add", "elementwise", (x, x), (5,))
        total = build.emit("cumulative_sum", "scan", (doubled,), (5,), axis=0)
        return build.emit("add", "elementwise", (total, doubled), (5,))

    made.append(NumPyProgram(built((5,), "float64", write), replace(OURS, function=function)))
    x = np.arange(5.0)
    np.testing.assert_array_equal(made[0](x)[0], np.cumsum(2 * x) + 2 * x)


# ---- the source
def test_the_source_can_be_read_where_an_error_came_from_and_is_let_go_of_with_the_program():
    x = var(0, 3, 3, dtype="float64")
    made = Equation("linalg.inv", "matrix", (x,), (), (Var(1, (3, 3), "float64"),), "fit.py:3: xp.linalg.inv(a)")
    program = program_of(Graph((x,), (), (made,), made.results))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        program(np.zeros((3, 3)))
    frames = traceback.extract_tb(caught.value.__traceback__)
    (frame,) = [frame for frame in frames if frame.filename.startswith("<NumPy program")]
    assert "linalg_inv(a0)" in frame.line
    assert caught.value.__notes__ == ["in linalg.inv(float64[3, 3]), at fit.py:3: xp.linalg.inv(a)"]
    place = frame.filename
    assert place in linecache.cache
    del program, caught, frames, frame
    gc.collect()
    assert place not in linecache.cache


def test_the_report_tells_the_equations_of_each_step():
    program, _ = tanh_network()
    report = program.report()
    assert {i for step in report.steps for i in step.equations} <= set(range(len(program.graph.equations)))
    assert any(step.what == "tanh" and "xp.tanh(x @ w1 + b1)" in step.lines[0] for step in report.steps)
    assert report.workspace_bytes >= 32 * 64 * 4


def test_a_graph_without_equations_returns_copies_and_numbers():
    x = var(0, 2)
    array = np.ones(2, np.float32)
    one, two = program_of(Graph((x,), (), (), (x, number(3.0))))(array)
    assert not np.shares_memory(one, array)
    assert_same_bits([one, two], [array, np.asarray(3.0, np.float32)])
