"""Programs on NumPy: what each function does, whatever is given, and whose the results are."""

import numpy as np
import pytest

from tests.backends.graphs import equation, number, var
from tests.backends.numpy_programs import (
    COMPLEX,
    INTEGERS,
    OURS,
    REALS,
    SMALL,
    assert_same_bits,
    built,
    evaluated,
    graph_of,
    program_of,
    tanh_network,
    values,
)
from tl_arrayapi.graph.graph import Builder, Graph


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
