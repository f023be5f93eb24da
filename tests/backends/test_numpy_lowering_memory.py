"""Programs on NumPy: in whose memory they work, block by block or at once."""

import gc
import tracemalloc
import warnings

import numpy as np
import pytest

from tests.backends.graphs import number, var
from tests.backends.numpy_programs import (
    SMALL,
    assert_same_bits,
    built,
    evaluated,
    program_of,
    tanh_network,
    values,
)
from tl_arrayapi.graph.graph import Builder, Graph


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


def test_what_is_cheap_is_made_again_where_a_later_run_reads_it_and_not_kept():
    size = 1 << 18

    def write(build, x):
        y = build.emit("exp", "elementwise", (x,), (512, 512))
        cheap = build.emit("multiply", "elementwise", (y, number(2.0)), (512, 512))
        other = build.emit("tanh", "elementwise", (cheap,), (512, 512))
        z = build.emit("matmul", "contraction", (y, other), (512, 512))
        return build.emit("add", "elementwise", (build.emit("negative", "elementwise", (z,), z.shape), cheap), z.shape)

    graph = built((512, 512), "float32", write)
    program = program_of(graph)
    assert [step.what for step in program.report().steps] == ["exp, multiply, tanh", "dot", "multiply, negative, add"]
    x = values("float32", (512, 512)) / 100
    np.testing.assert_allclose(program(x)[0], evaluated(graph, x)[0], rtol=1e-5, atol=1e-5)
    # The exponential, what is multiplied by it, and blocks.
    assert program.report().workspace_bytes < 2.6 * size * 4


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


def test_many_parts_that_are_given_are_joined_by_one_call():
    parts = tuple(var(i, 3, 1 + i) for i in range(5))
    build = Builder(Graph(parts, (), (), ()))
    flat = [build.emit("reshape", "movement", (v,), (v.size,), shape=(v.size,)) for v in parts]
    joined = build.emit("concat", "movement", flat, (sum(v.size for v in parts),), axis=0)
    graph = Graph(parts, (), tuple(build.equations), (joined,))
    program = program_of(graph)
    assert [step.what for step in program.report().steps] == ["concatenate"]
    arrays = [values("float32", v.shape, i) for i, v in enumerate(parts)]
    arrays[2] = np.asfortranarray(arrays[2])
    assert_same_bits(program(*arrays), evaluated(graph, *arrays))


def test_masks_are_bytes_that_are_made_where_their_array_is_at_hand():
    x, g = var(0, 64, 64), var(1, 64, 64)
    build = Builder(Graph((x, g), (), (), ()))
    h = build.emit("matmul", "contraction", (x, x), x.shape)
    relu = build.emit("maximum", "elementwise", (h, number(0.0)), x.shape)
    y = build.emit("matmul", "contraction", (relu, relu), x.shape)
    halves = [
        build.emit(
            "astype",
            "cast",
            (build.emit(name, "elementwise", (h, number(0.0)), x.shape, "bool"),),
            x.shape,
            "float32",
            dtype="float32",
        )
        for name in ("greater", "greater_equal")
    ]
    mask = build.emit("add", "elementwise", halves, x.shape)
    out = build.emit("multiply", "elementwise", (build.emit("matmul", "contraction", (y, g), x.shape), mask), x.shape)
    graph = Graph((x, g), (), tuple(build.equations), (out,))
    program = program_of(graph)
    assert [step.what for step in program.report().steps] == [
        *("dot", "greater", "greater_equal", "add", "maximum", "dot", "dot", "multiply"),
    ]
    arrays = [values("float32", x.shape), values("float32", x.shape, 1)]
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

    def peak() -> int:
        tracemalloc.start()
        try:
            for _ in range(10):
                run(*arrays[6:])
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # NumPy buffers what it broadcasts, 32 KB of each operand. A layer has 128 KB. Other threads may allocate meanwhile,
    # though not every time.
    assert min(peak() for _ in range(5)) < 100_000
