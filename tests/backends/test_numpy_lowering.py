"""Programs on NumPy: what each function does, in whose memory, and how the source reads."""

import gc
import linecache
import threading
import traceback
import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.backends.graphs import equation, number, runtime, var
from tests.libraries import load
from tl_arrayapi.autograd.programs import Spec, compiled_program
from tl_arrayapi.backends.numpy.lowering import NumPyProgram
from tl_arrayapi.graph.evaluate import evaluate
from tl_arrayapi.graph.graph import Builder, Equation, Graph, Var

NUMPY = load("numpy")
OURS = runtime(NUMPY, fast=True)
SMALL = {"large": 64, "block": 256}
"""Sizes at which everything goes by blocks of 256 bytes."""

REALS = ("float16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def program_of(graph, **sizes):
    return NumPyProgram(graph, OURS, **sizes)


def evaluated(graph, *given):
    found = evaluate(graph, [x.copy() for x in given], OURS.function, OURS.number, OURS.dtype)
    return [np.asarray(x) for x in found]


def graph_of(*equations, given, outputs=None):
    return Graph(given, (), equations, outputs or equations[-1].results)


def built(shape, dtype, write):
    """Return the graph of what ``write(build, x)`` returns, for one input."""
    x = var(0, *shape, dtype=dtype)
    build = Builder(Graph((x,), (), (), ()))
    out = write(build, x)
    return Graph((x,), (), tuple(build.equations), out if isinstance(out, tuple) else (out,))


def assert_same_bits(got, expected):
    assert [x.dtype for x in got] == [x.dtype for x in expected]
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def traced(loss, *arrays):
    """Return the program of a step of gradient descent: the loss, and the new parameters ``arrays[:-2]``."""
    count = len(arrays) - 2

    def step(xs):
        value, grads = tl.value_and_grad(loss, tuple(range(count)))(*xs)
        return [value, *(p - 0.01 * g for p, g in zip(xs, grads, strict=False))]

    return compiled_program(step, [Spec(x.shape, x.dtype) for x in arrays], tl.namespace(np)).program


def tanh_network(batch=32):
    rng = np.random.default_rng(3)
    shapes = [(32, 64), (64,), (64, 64), (64,), (64, 1), (1,), (batch, 32), (batch, 1)]
    arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]

    def loss(w1, b1, w2, b2, w3, b3, x, y):
        xp = tl.array_namespace(x)
        h = xp.tanh(x @ w1 + b1)
        d = xp.tanh(h @ w2 + b2) @ w3 + b3 - y
        return xp.mean(d * d)

    return traced(loss, *arrays), arrays


# ---- functions
def elementwise_cases():
    unary = {
        **dict.fromkeys(("negative", "positive", "square", "abs"), (*REALS, *COMPLEX, *INTEGERS)),
        **dict.fromkeys(("exp", "sin", "sqrt", "tanh", "sign", "reciprocal"), (*REALS, *COMPLEX)),
        **dict.fromkeys(("floor", "round", "ceil", "trunc", "isnan", "isfinite", "signbit"), REALS),
        **dict.fromkeys(("real", "imag", "conj"), COMPLEX),
        "relu": REALS,
        "logical_not": ("bool",),
        "bitwise_invert": ("bool", *INTEGERS),
    }
    binary = {
        **dict.fromkeys(("add", "multiply", "equal", "not_equal"), ("bool", *REALS, *COMPLEX, *INTEGERS)),
        **dict.fromkeys(("subtract", "divide"), (*REALS, *COMPLEX)),
        **dict.fromkeys(("maximum", "minimum", "less", "greater_equal"), (*REALS, *INTEGERS)),
        **dict.fromkeys(("pow", "atan2", "hypot", "copysign", "logaddexp", "remainder", "floor_divide"), REALS),
        **dict.fromkeys(("bitwise_and", "bitwise_xor"), ("bool", *INTEGERS)),
        **dict.fromkeys(("logical_and", "logical_or"), ("bool",)),
        **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), ("int32", "uint64")),
    }
    for names, count in ((unary, 1), (binary, 2)):
        for name, dtypes in names.items():
            for dtype in dtypes:
                yield pytest.param(name, dtype, count, id=f"{name}-{dtype}")


def values(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype in INTEGERS:
        return rng.integers(0, 6, shape).astype(dtype)
    x = rng.uniform(-3, 3, shape)
    return (x + 1j * rng.uniform(-3, 3, shape) if dtype in COMPLEX else x).astype(dtype)


@pytest.mark.parametrize("sizes", [{}, SMALL], ids=["whole", "blocks"])
@pytest.mark.parametrize(("name", "dtype", "count"), list(elementwise_cases()))
def test_an_elementwise_function_has_the_bits_of_the_librarys(name, dtype, count, sizes):
    shapes = [(5, 30), (30,)][:count]
    arrays = [values(dtype, shape, i) for i, shape in enumerate(shapes)]
    with np.errstate(all="ignore"):
        expected = np.asarray(OURS.function(name)(*arrays))
        operands = tuple(var(i, *x.shape, dtype=dtype) for i, x in enumerate(arrays))
        made = equation(name, "elementwise", operands, var(9, 5, 30, dtype=expected.dtype.name))
        doubled = equation("equal", "elementwise", (made.result, made.result), var(10, 5, 30, dtype="bool"))
        graph = graph_of(made, doubled, given=operands, outputs=(made.result, doubled.result))
        assert_same_bits(program_of(graph, **sizes)(*arrays), evaluated(graph, *arrays))


@pytest.mark.parametrize("sizes", [{}, SMALL], ids=["whole", "blocks"])
@pytest.mark.parametrize("dtype", ["bool", *REALS, *COMPLEX, *INTEGERS])
@pytest.mark.parametrize("branches", ["xy", "x0", "0y"])
def test_where_is_exact_whatever_is_in_the_branch_not_taken(dtype, branches, sizes):
    c = var(0, 7, 1, dtype="bool")
    x, y = var(1, 7, 40, dtype=dtype), var(2, 40, dtype=dtype)
    zero = number(False if dtype == "bool" else 0, dtype)
    operands = (c, zero if branches[0] == "0" else x, zero if branches[1] == "0" else y)
    graph = graph_of(equation("where", "elementwise", operands, var(3, 7, 40, dtype=dtype)), given=(c, x, y))
    arrays = [values("bool", c.shape), values(dtype, x.shape, 1), values(dtype, y.shape, 2)]
    if dtype in REALS + COMPLEX:
        for array in arrays[1:]:
            array.flat[:12] = [np.inf, -np.inf, np.nan, -0.0] * 3
    (got,) = program_of(graph, **sizes)(*arrays)
    branches = [np.zeros((), dtype) if o is zero else a for o, a in zip(operands[1:], arrays[1:], strict=True)]
    assert got.tobytes() == np.where(arrays[0], *branches).tobytes()


def reduction_cases():
    for dtype in ("bool", "float16", "float32", "complex64", "int8", "uint64"):
        for name in ("sum", "prod", "all", "any", *(("max", "min") if dtype not in ("bool", "complex64") else ())):
            yield name, dtype


@pytest.mark.parametrize(("name", "dtype"), list(reduction_cases()))
@pytest.mark.parametrize("axis", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2), ()])
def test_a_reduction_is_that_of_the_library(name, axis, dtype):
    x = values(dtype, (3, 40, 5))
    if dtype == "complex64":
        x /= 3  # The product of all is a number, then.
    for keepdims in (False, True):
        with np.errstate(over="ignore"):
            expected = np.asarray(OURS.function(name)(x, axis=axis, keepdims=keepdims))
        v = var(1, *expected.shape, dtype=expected.dtype.name)
        graph = graph_of(
            equation(name, "reduction", (var(0, *x.shape, dtype=dtype),), v, axis=axis, keepdims=keepdims),
            given=(var(0, *x.shape, dtype=dtype),),
        )
        with np.errstate(over="ignore"):
            (got,) = program_of(graph)(x)
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        largest = np.max(np.abs(expected), where=np.isfinite(expected), initial=0)
        np.testing.assert_allclose(got, expected, rtol=0, atol=float(largest) * (2e-3 if dtype == "float16" else 4e-6))


@pytest.mark.parametrize(
    "shapes",
    [
        ((4, 6), (6, 5)),
        ((6,), (6,)),
        ((4, 6), (6,)),
        ((6,), (6, 5)),
        ((2, 4, 6), (6, 5)),
        ((2, 4, 6), (6,)),
        ((3, 2, 4, 6), (2, 6, 5)),
        ((6,), (2, 6, 5)),
        ((4, 1), (1, 5)),
        ((0, 6), (6, 5)),
        ((4, 0), (0, 5)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int32", "float16"])
def test_a_product_of_every_rank_and_order_is_that_of_the_library(shapes, dtype):
    for turned in range(4):
        arrays = [values(dtype, shape, i) for i, shape in enumerate(shapes)]
        given = []
        for i, x in enumerate(arrays):
            flip = turned >> i & 1 and x.ndim > 1
            arrays[i] = np.ascontiguousarray(x.mT) if flip else x
            given.append(var(i, *arrays[i].shape, dtype=dtype))
        build = Builder(Graph(tuple(given), (), (), ()))
        operands = []
        for i, v in enumerate(given):
            if turned >> i & 1 and v.ndim > 1:
                axes = (*range(v.ndim - 2), v.ndim - 1, v.ndim - 2)
                v = build.emit("permute_dims", "movement", (v,), shapes[i], axes=axes)
            operands.append(v)
        shape = np.matmul(*(np.zeros(s) for s in shapes)).shape
        out = build.emit("matmul", "contraction", operands, shape)
        graph = Graph(tuple(given), (), tuple(build.equations), (out,))
        (got,), (expected,) = program_of(graph)(*arrays), evaluated(graph, *arrays)
        assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(got, expected, rtol=2e-2 if dtype == "float16" else 1e-5, atol=1e-5)


def take_graph(count=4, dtype="int64"):
    x, indices = var(0, 5, 3), var(1, count, dtype=dtype)
    return graph_of(
        equation("take", "indexing", (x, indices), var(2, count, 3), axis=0, line="loss.py:9: xp.take(x, i)"),
        given=(x, indices),
    )


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_taking_counts_negative_indices_from_the_end(dtype):
    x, indices = values("float32", (5, 3)), np.asarray([4, 0, 3, 1] if dtype[0] == "u" else [4, 0, -1, -5], dtype)
    np.testing.assert_array_equal(program_of(take_graph(dtype=dtype))(x, indices)[0], x[indices.astype(int)])


@pytest.mark.parametrize("index", [5, -6])
def test_taking_what_is_not_there_is_refused_as_the_library_does_and_names_the_line(index):
    program = program_of(take_graph())
    x = values("float32", (5, 3))
    with pytest.raises(IndexError, match="out of bounds") as caught:
        program(x, np.asarray([0, index, 1, 1]))
    assert caught.value.__notes__ == ["in take(float32[5, 3], int64[4]), at loss.py:9: xp.take(x, i)"]
    np.testing.assert_array_equal(program(x, np.asarray([0, 1, 1, 2]))[0], x[[0, 1, 1, 2]])


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 2, 3), (4, 0)])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_rows_are_added_where_indices_say_again_and_again_and_from_the_end(shape, dtype):
    updates, indices = var(0, *shape), var(1, 4, dtype=dtype)
    out = var(2, 5, *shape[1:])
    added = equation("scatter_add", "indexing", (updates, indices), out, shape=out.shape, axis=0)
    program = program_of(graph_of(added, given=(updates, indices)))
    x, places = values("float32", shape), np.asarray([3, 1, 3, 4] if dtype[0] == "u" else [3, 1, 3, -1], dtype)
    expected = np.zeros(out.shape, np.float32)
    np.add.at(expected, places, x)
    assert_same_bits(program(x, places), [expected])
    if expected.size:
        with pytest.raises(IndexError):
            program(x, np.asarray([0, 1, 2, 5], dtype))


def test_a_function_of_several_results_gives_each_an_array_of_its_own():
    x = var(0, 3, 3, dtype="float64")
    q, r = var(1, 3, 3, dtype="float64"), var(2, 3, 3, dtype="float64")
    graph = graph_of(equation("linalg.qr", "matrix", (x,), q, r, mode="reduced"), given=(x,), outputs=(r, q, r))
    array = values("float64", (3, 3))
    assert_same_bits(program_of(graph)(array), evaluated(graph, array))


# ---- what is given
class Subclass(np.ndarray):
    """An array whose reshape is not NumPy's."""

    def reshape(self, *args, **kwargs):
        raise NotImplementedError


@pytest.mark.parametrize(
    "arranged",
    [
        lambda x: x,
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x[::-1, ::-1],
        lambda x: x.astype(">f4"),
        lambda x: np.broadcast_to(x, x.shape),
        lambda x: x.view(Subclass),
        lambda x: np.frombuffer(b"0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
    ],
    ids=["in order", "columns", "strided", "backwards", "big-endian", "read-only", "subclass", "unaligned"],
)
def test_arrays_are_taken_however_they_lie(arranged):
    def write(build, x):
        flat = build.emit("reshape", "movement", (x,), (24,), shape=(24,))
        turned = build.emit("permute_dims", "movement", (x,), (6, 4), axes=(1, 0))
        product = build.emit("matmul", "contraction", (turned, x), (6, 6))
        half = build.emit("getitem", "indexing", (flat,), (12,), key=(slice(1, 24, 2),))
        total = build.emit("add", "elementwise", (half, number(1.0)), (12,))
        return product, total, x

    graph = built((4, 6), "float32", write)
    given = arranged(np.array(values("float32", (4, 6))))
    expected = evaluated(graph, np.array(given, np.float32, order="C", subok=False))
    for program in (program_of(graph), program_of(graph, **SMALL)):
        for found in (program(given), program.bind({0: given}, {})()):
            assert all(type(y) is np.ndarray and y.dtype == np.float32 for y in found)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_nothing_given_is_written_to():
    program, arrays = tanh_network()
    before = [x.copy() for x in arrays]
    for x in arrays:
        x.flags.writeable = False
    program(*arrays)
    program.bind(dict(enumerate(arrays[:6])), {})(*arrays[6:])
    assert_same_bits(arrays, before)


# ---- what is returned
def test_outputs_are_apart_from_what_is_given_from_workspaces_and_from_each_other():
    def write(build, x):
        y = build.emit("exp", "elementwise", (x,), (4, 6))
        part = build.emit("getitem", "indexing", (y,), (2, 6), key=(slice(0, 2, 1), slice(0, 6, 1)))
        return x, y, y, part, number(2.0), build.emit("sum", "reduction", (y,), (), axis=(0, 1), keepdims=False)

    program = program_of(built((4, 6), "float32", write))
    x = values("float32", (4, 6))
    first = program(x)
    before = [y.copy() for y in first]
    second = program(x + 1)
    everything = [x, *first, *second]
    for i, one in enumerate(everything):
        assert type(one) is np.ndarray
        assert not any(np.shares_memory(one, other) for other in everything[:i])
    assert_same_bits(first, before)


def test_a_number_is_returned_as_an_array_that_can_be_written_to():
    (total,) = program_of(
        built((4,), "float32", lambda b, x: b.emit("sum", "reduction", (x,), (), axis=(0,), keepdims=False))
    )(np.ones(4, np.float32))
    assert type(total) is np.ndarray
    total[...] = 7
    assert total == 7


# ---- blocks
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 16, 17, 33])
def test_runs_with_rows_columns_and_reductions_have_the_same_bits_at_every_number_of_rows(rows):
    x, bias = var(0, rows, 8, dtype="float64"), var(1, 8, dtype="float64")
    build = Builder(Graph((x, bias), (), (), ()))
    h = build.emit("add", "elementwise", (x, bias), (rows, 8))
    top = build.emit("max", "reduction", (h,), (rows, 1), axis=(1,), keepdims=True)
    d = build.emit("subtract", "elementwise", (h, top), (rows, 8))
    total = build.emit("sum", "reduction", (d,), (rows,), axis=(1,), keepdims=False)
    column = build.emit("reshape", "movement", (total,), (rows, 1), shape=(rows, 1))
    scaled = build.emit("multiply", "elementwise", (d, column), (rows, 8))
    down = build.emit("sum", "reduction", (scaled,), (8,), axis=(0,), keepdims=False)
    everything = build.emit("sum", "reduction", (scaled,), (), axis=(0, 1), keepdims=False)
    least = build.emit("min", "reduction", (scaled,), (), axis=(0, 1), keepdims=False)
    graph = Graph((x, bias), (), tuple(build.equations), (scaled, down, everything, least, total))
    rng = np.random.default_rng(rows)
    arrays = [rng.integers(-4, 5, v.shape).astype("float64") for v in graph.inputs]
    program = program_of(graph, **SMALL)
    assert_same_bits(program(*arrays), evaluated(graph, *arrays))
    assert ("for " in program.source) == (rows > 4)


def test_a_run_over_large_arrays_keeps_no_intermediate_as_a_whole():
    def write(build, x):
        for name in ("sin", "exp", "tanh", "square"):
            x = build.emit(name, "elementwise", (x,), x.shape)
        return build.emit("sum", "reduction", (x,), (), axis=(0,), keepdims=False)

    report = program_of(built((1 << 20,), "float32", write)).report()
    assert report.workspace_bytes < 1 << 19
    assert report.steps[0].what == "sin, exp, tanh, square, add.reduce"


def test_no_warning_comes_from_memory_that_holds_nothing():
    def write(build, x):
        x = build.emit("log", "elementwise", (x,), x.shape)
        x = build.emit("sqrt", "elementwise", (build.emit("square", "elementwise", (x,), x.shape),), x.shape)
        return build.emit("divide", "elementwise", (number(1.0), x), x.shape)

    program = program_of(built((37, 3), "float32", write), **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program(np.full((37, 3), 2.0, np.float32))


# ---- memory
def test_a_chain_takes_the_memory_of_its_output_and_needs_no_other():
    def write(build, x):
        for name in ("exp", "negative", "tanh", "square"):
            x = build.emit(name, "elementwise", (x,), x.shape)
        return x

    report = program_of(built((50, 50), "float32", write)).report()
    assert (report.workspace_bytes, report.buffers) == (0, 0)


def test_parts_that_the_program_makes_are_made_where_they_are_joined():
    x, w = var(0, 4, 6), var(1, 6, 3)
    build = Builder(Graph((x, w), (), (), ()))
    product = build.emit("matmul", "contraction", (x, w), (4, 3))
    flat = build.emit("reshape", "movement", (product,), (12,), shape=(12,))
    total = build.emit("sum", "reduction", (x,), (6,), axis=(0,), keepdims=False)
    joined = build.emit("concat", "movement", (flat, total), (18,), axis=0)
    step = build.emit("multiply", "elementwise", (joined, number(0.5)), (18,))
    graph = Graph((x, w), (), tuple(build.equations), (step,))
    program = program_of(graph)
    assert not {"copyto", "concatenate"} & set(program.source.replace("(", " ").split())
    arrays = [values("float32", v.shape, i) for i, v in enumerate(graph.inputs)]
    np.testing.assert_allclose(program(*arrays)[0], evaluated(graph, *arrays)[0], rtol=1e-5)


def test_memory_is_used_again_when_its_value_is_dead():
    def write(build, x):
        for _ in range(20):
            x = build.emit("matmul", "contraction", (x, x), x.shape)
        return x

    report = program_of(built((64, 64), "float64", write)).report()
    assert report.workspace_bytes == 2 * 64 * 64 * 8


def test_a_bound_step_allocates_no_array_but_its_loss():
    program, arrays = tanh_network(batch=512)
    new = [x.copy() for x in arrays[:6]]
    run = program.bind(dict(enumerate(arrays[:6])), {1 + i: x for i, x in enumerate(new)})
    run(*arrays[6:])
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(10):
            run(*arrays[6:])
        # NumPy buffers what it broadcasts, 32 KB of each operand. A layer has 128 KB.
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


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
