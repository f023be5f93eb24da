"""What a graph costs: operations and bytes of each function, and the most memory in use, counted by hand."""

import pytest

from tl_arrayapi.backends.base import DTYPES
from tl_arrayapi.graph import Equation, Graph, Literal, Var
from tl_arrayapi.graph.cost import TRANSCENDENTAL, Cost, cost_of, peak_bytes, total
from tl_arrayapi.graph.dtypes import ITEM_BYTES, nbytes
from tl_arrayapi.graph.graph import frozen
from tl_arrayapi.graph.shapes import KINDS, infer_shapes


def equation(name: str, *shapes: tuple[int, ...], dtype: str = "float32", made: str = "", **static) -> Equation:
    operands = tuple(Var(i, shape, dtype) for i, shape in enumerate(shapes))
    results = infer_shapes(name, KINDS[name], shapes, static)
    numbered = enumerate(results, len(operands))
    return Equation(name, KINDS[name], operands, frozen(static), tuple(Var(i, s, made or dtype) for i, s in numbered))


def flops(name: str, *shapes: tuple[int, ...], **more) -> int:
    return cost_of(equation(name, *shapes, **more)).flops


# ---- operations
@pytest.mark.parametrize(
    ("name", "shapes", "static", "count"),
    [
        ("add", ((4, 1), (3,)), {}, 12),
        ("sqrt", ((4,),), {}, 4),
        ("tanh", ((4,),), {}, 4 * TRANSCENDENTAL),
        ("special.erf", ((4,),), {}, 4 * TRANSCENDENTAL),
        ("matmul", ((5, 2, 3), (3, 4)), {}, 5 * 2 * 2 * 4 * 3),
        ("matmul", ((3,), (3,)), {}, 6),
        ("matmul", ((2, 3), (3,)), {}, 12),
        ("matmul", ((2, 0), (0, 3)), {}, 0),
        ("sum", ((4, 5),), {"axis": (0,), "keepdims": False}, 20),
        ("argmax", ((4, 5),), {"axis": 0}, 20),
        ("cumulative_sum", ((4, 5),), {"axis": 0}, 20),
        ("argsort", ((4, 8),), {"axis": 1}, 4 * 8 * 3),
        ("searchsorted", ((8,), (5,)), {}, 15),
        ("scatter_add", ((3, 5), (3,)), {"shape": (4, 5), "axis": 0}, 15),
        ("take", ((4, 5), (3,)), {"axis": 0}, 0),
        ("concat", ((4,), (3,)), {"axis": 0}, 0),
        ("full", (), {"shape": (3,), "value": 0.0}, 0),
        ("fft.fftshift", ((8,),), {"axes": None}, 0),
        ("linalg.inv", ((2, 3, 3),), {}, 2 * 2 * 27),
        ("linalg.cholesky", ((3, 3),), {}, 9),
        ("linalg.solve", ((3, 3), (3, 4)), {}, 18 + 2 * 9 * 4),
        ("linalg.svd", ((2, 6),), {"full_matrices": False}, 14 * 6 * 4 + 8 * 8),
        ("linalg.qr", ((4, 3),), {}, 2 * (2 * 4 * 9 - 18)),
    ],
)  # fmt: skip
def test_operations_are_counted_as_documented(name, shapes, static, count):
    assert flops(name, *shapes, **static) == count


@pytest.mark.parametrize(
    ("name", "shapes", "static", "count"),
    [
        ("fft.fft", ((3, 8),), {"axis": 1}, 3 * 5 * 8 * 3),
        ("fft.fft", ((8, 3),), {"axis": 0}, 3 * 5 * 8 * 3),
        ("fft.fft", ((5,),), {"n": 8, "axis": -1}, 5 * 8 * 3),
        ("fft.rfft", ((8,),), {"axis": 0}, 5 * 8 * 3 // 2),
        ("fft.irfft", ((5,),), {"axis": 0}, 5 * 8 * 3 // 2),
        ("fft.fftn", ((4, 8),), {"axes": None}, 5 * 32 * 5),
        ("fft.fftn", ((3, 4, 8),), {"s": (2, 2), "axes": None}, 3 * 5 * 4 * 2),
        ("fft.rfft", ((9,),), {"n": 8, "axis": 0}, 5 * 8 * 3 // 2),
        ("fft.hfft", ((3,),), {"n": 8, "axis": 0}, 5 * 8 * 3 // 2),
        ("fft.rfftn", ((4, 8),), {"axes": (0, 1)}, 5 * 32 * 5 // 2),
    ],
)
def test_a_transform_counts_five_n_log_n_over_all_of_its_axes(name, shapes, static, count):
    assert flops(name, *shapes, dtype="complex64", **static) == count


def test_complex_numbers_count_twice_and_four_times_in_products():
    assert flops("add", (4,), (4,), dtype="complex64") == 8
    assert flops("matmul", (2, 3), (3, 4), dtype="complex128") == 4 * 48
    assert flops("abs", (4,), dtype="complex64", made="float32") == 8


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind == "matrix"])
def test_every_matrix_function_has_a_count_that_grows_with_the_cube(name):
    small, large = (flops(name, *[(n, n)] * (2 if name == "linalg.solve" else 1)) for n in (30, 60))
    assert small > 0
    assert large == pytest.approx(8 * small, rel=0.01)


# ---- bytes
def test_bytes_are_those_of_operands_and_results():
    assert cost_of(equation("add", (4, 1), (3,))) == Cost(flops=12, read=4 * 4 + 3 * 4, written=12 * 4)
    assert cost_of(equation("less", (4,), (4,), made="bool")).written == 4


def test_a_cast_moves_bytes_and_computes_nothing():
    x, y = Var(0, (4,), "float32"), Var(1, (4,), "float64")
    assert cost_of(Equation("astype", "cast", (x,), (("dtype", "float64"),), (y,))) == Cost(0, 16, 32)


def test_an_operand_that_comes_twice_is_read_once_and_a_number_is_not_read():
    x, y = Var(0, (4,), "float64"), Var(1, (4,), "float64")
    assert cost_of(Equation("multiply", "elementwise", (x, x), (), (y,))).read == 32
    assert cost_of(Equation("multiply", "elementwise", (x, Literal(2.0, "float64")), (), (y,))).read == 32


def test_a_view_moves_nothing_and_several_results_are_all_written():
    assert cost_of(equation("reshape", (4, 3), shape=(12,))) == Cost()
    assert cost_of(equation("linalg.qr", (4, 3))).written == 4 * (12 + 9)


def test_the_total_is_the_sum_over_equations():
    x, y, z = (Var(i, (4,), "float32") for i in range(3))
    first = Equation("exp", "elementwise", (x,), (), (y,))
    second = Equation("add", "elementwise", (x, y), (), (z,))
    found = total(Graph((x,), (), (first, second), (z,)))
    assert found == Cost(flops=44, read=16 + 32, written=32)
    assert found.bytes == 80
    assert total(Graph((x,), (), (), (x,))) == Cost()


def test_every_dtype_that_a_backend_names_has_a_size():
    assert ITEM_BYTES.keys() == set(DTYPES)
    assert [nbytes(Var(0, (3,), name)) for name in ("bool", "float16", "int64", "complex128")] == [3, 6, 24, 48]
    assert nbytes(Var(0, (0, 3), "float64")) == 0


# ---- memory
def chain(*equations: tuple[str, tuple[int, ...], tuple[int, ...]], outputs: tuple[int, ...]) -> Graph:
    """Return a graph of one input of 100 floats, %0; each equation has a name, operands' numbers and a shape."""
    values = [Var(0, (100,), "float32")]
    written = []
    for name, operands, shape in equations:
        values.append(Var(len(values), shape, "float32"))
        written.append(Equation(name, KINDS[name], tuple(values[i] for i in operands), (), (values[-1],)))
    return Graph((values[0],), (), tuple(written), tuple(values[i] for i in outputs))


def test_a_value_takes_memory_from_where_it_is_made_to_where_it_is_last_read():
    steps = [("exp", (i,), (100,)) for i in range(5)]
    assert peak_bytes(chain(*steps, outputs=(5,))) == 3 * 400  # the input, the last value and the next


def test_an_output_takes_memory_to_the_end_and_an_early_value_while_it_is_read():
    steps = [("exp", (i,), (100,)) for i in range(5)]
    assert peak_bytes(chain(*steps, outputs=(1, 5))) == 4 * 400
    assert peak_bytes(chain(*steps, ("add", (1, 5), (100,)), outputs=(6,))) == 4 * 400


def test_a_value_that_nothing_reads_is_there_when_it_is_made():
    assert peak_bytes(chain(("exp", (0,), (100,)), ("exp", (0,), (100,)), outputs=(2,))) == 800


def test_a_view_takes_nothing_and_keeps_what_it_shows():
    seen = chain(
        ("exp", (0,), (100,)), ("reshape", (1,), (10, 10)), ("exp", (0,), (100,)), ("exp", (2,), (10, 10)), outputs=(4,)
    )
    assert peak_bytes(seen) == 400 * 3  # the input, what is shown, and one more
    kept = chain(("exp", (0,), (100,)), ("reshape", (1,), (10, 10)), ("sum", (2,), ()), outputs=(3,))
    assert peak_bytes(kept) == 400 + 400 + 4


def test_a_reshape_of_what_lies_in_another_order_is_a_copy():
    steps = [("exp", (0,), (100,)), ("reshape", (1,), (10, 10)), ("permute_dims", (2,), (10, 10))]
    assert peak_bytes(chain(*steps, ("sum", (3,), ()), outputs=(4,))) == 400 + 400 + 4
    assert peak_bytes(chain(*steps, ("reshape", (3,), (100,)), ("sum", (4,), ()), outputs=(5,))) == 3 * 400


def test_an_output_is_a_copy_where_it_would_be_a_view_or_an_input():
    assert peak_bytes(chain(("reshape", (0,), (10, 10)), outputs=(1,))) == 800
    assert peak_bytes(chain(outputs=(0,))) == 800
    assert peak_bytes(Graph((), (), (), (Literal(1.0, "float64"),))) == 8


def test_captured_arrays_count_like_inputs():
    x, held, y = Var(0, (100,), "float32"), Var(1, (1000,), "float32"), Var(2, (), "float32")
    product = Equation("sum", "reduction", (x,), frozen({"axis": (0,), "keepdims": False}), (y,))
    assert peak_bytes(Graph((x,), (held,), (product,), (y,))) == 4404
