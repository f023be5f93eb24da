"""Matrix products in the forms that libraries are fast at, and sums as products of vectors."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.graph.passes.running import Sketch, as_dtype, close, lines, run, same_bits, specials
from tl_arrayapi.graph.passes.base import Pass, together
from tl_arrayapi.graph.passes.cse import cse
from tl_arrayapi.graph.passes.dce import dce
from tl_arrayapi.graph.passes.movement import movement
from tl_arrayapi.graph.passes.products import products
from tl_arrayapi.graph.passes.reciprocals import reciprocals
from tl_arrayapi.graph.passes.reductions import dots, reductions
from tl_arrayapi.graph.passes.signs import signs
from tl_arrayapi.graph.verify import verify


def found_by(one: Pass, shapes: list[tuple[int, ...]], write: Callable) -> list[str]:
    s = Sketch()
    graph = s.graph(write(s, *[s.given(*shape) for shape in shapes]))
    found = dce(one.settled(graph))
    verify(found)
    given = [np.random.default_rng(i).uniform(0.5, 2, shape).astype("float32") for i, shape in enumerate(shapes)]
    truth = run(as_dtype(graph, "float64"), *[x.astype("float64") for x in given])
    assert close(run(found, *given), truth, run(graph, *given))
    return [line.partition(" = ")[2] for line in lines(found)[:-1]]


# ---- products
def test_the_transpose_of_a_product_goes_into_its_operands():
    found = found_by(products, [(6, 4), (6, 5)], lambda s, x, g: s.permute(s.matmul(s.permute(x, 1, 0), g), 1, 0))
    assert found == ["permute_dims(x1, axes=(1, 0))", "matmul(y0, x0)"]


def test_the_transpose_of_a_product_that_others_need_stays():
    s = Sketch()
    product = s.matmul(s.given(3, 4), s.given(4, 5))
    graph = s.graph(s.permute(product, 1, 0), product)
    assert products(graph) is graph


def test_a_column_times_a_row_is_a_product_with_broadcasting():
    assert found_by(products, [(6, 1), (1, 5)], lambda s, x, y: s.matmul(x, y)) == ["multiply(x0, x1)"]


def test_a_stack_of_matrices_times_one_matrix_is_one_product():
    found = found_by(products, [(2, 3, 4), (4, 5)], lambda s, x, y: s.matmul(x, y))
    assert found == ["reshape(x0, shape=(6, 4))", "matmul(y0, x1)", "reshape(y1, shape=(2, 3, 5))"]


def test_a_stack_of_matrices_times_a_vector_is_one_product():
    found = found_by(products, [(2, 3, 4), (4,)], lambda s, x, y: s.matmul(x, y))
    assert found == ["reshape(x0, shape=(6, 4))", "matmul(y0, x1)", "reshape(y1, shape=(2, 3))"]


def test_a_stack_of_one_product_is_that_product():
    found = found_by(products, [(1, 3, 4), (1, 4, 5)], lambda s, x, y: s.matmul(x, y))
    assert found[2:] == ["matmul(y0, y1)", "reshape(y2, shape=(1, 3, 5))"]


def test_a_product_of_stacks_stays():
    s = Sketch()
    graph = s.graph(s.matmul(s.given(2, 3, 4), s.given(2, 4, 5)), s.matmul(s.given(3, 4), s.given(4, 5)))
    assert products(graph) is graph


# ---- reductions
def test_a_sum_over_axes_of_length_one_changes_the_shape_alone():
    found = found_by(reductions, [(3, 1, 4)], lambda s, x: s.sum(x, (1,)))
    assert found == ["reshape(x0, shape=(3, 4))"]


def test_a_sum_of_sums_is_one_sum():
    found = found_by(reductions, [(3, 2, 4)], lambda s, x: s.sum(s.sum(x, (1,)), (0, 1)))
    assert found == ["sum(x0, axis=(0, 1, 2), keepdims=False)"]


def test_a_sum_of_what_is_repeated_is_a_product():
    found = found_by(reductions, [(1, 4)], lambda s, x: s.sum(s.broadcast_to(x, 5, 3, 4), (0, 2)))
    assert found[-1] == "multiply(y2, 5.0)"
    found = found_by(reductions, [(3,)], lambda s, x: s.add(x, s.sum(s.full(0.5, 6, 3), (0,))))
    assert found == ["full(dtype='float32', shape=(3,), value=3.0)", "add(x0, y0)"]


def test_a_sum_in_another_dtype_stays():
    s = Sketch()
    x = s.given(1, 3)
    graph = s.graph(s.emit("sum", "reduction", (x,), (3,), "float64", axis=(0,), keepdims=False, dtype="float64"))
    assert reductions(graph) is graph


def test_a_sum_of_squares_is_a_product_of_vectors():
    found = found_by(together("both", dots, cse), [(3, 4)], lambda s, x: s.sum(s.multiply(x, x)))
    assert found == ["reshape(x0, shape=(12,))", "matmul(y0, y0)"]


def test_a_sum_of_products_and_more_is_as_many_products_of_vectors():
    def write(s, a, b, c, d):
        return s.sum(s.subtract(s.multiply(a, b), s.multiply(c, d)))

    found = found_by(together("both", dots, movement), [(7,)] * 4, write)
    assert found == ["matmul(x0, x1)", "matmul(x2, x3)", "subtract(y0, y1)"]


@pytest.mark.parametrize(
    "write",
    [
        lambda s, x, y, c: s.sum(s.multiply(x, y), (1,)),
        lambda s, x, y, c: s.sum(s.multiply(x, c)),
        lambda s, x, y, c: s.sum(s.add(s.multiply(x, y), x)),
        lambda s, x, y, c: s.sum(s.exp(x)),
    ],
)
def test_other_sums_stay_sums(write: Callable):
    s = Sketch()
    graph = s.graph(write(s, s.given(3, 4), s.given(3, 4), s.given(3, 1)))
    assert dots(graph) is graph


def test_a_product_that_others_need_is_summed_as_it_is():
    s = Sketch()
    x = s.given(3, 4)
    square = s.multiply(x, x)
    graph = s.graph(s.sum(square), square)
    assert dots(graph) is graph


# ---- reciprocals
def test_a_softmax_divides_a_column_alone():
    def softmax(s, x):
        e = s.exp(s.subtract(x, s.reduce("max", x, (1,), True)))
        return s.divide(e, s.sum(e, (1,), True))

    assert found_by(reciprocals, [(3, 8)], softmax)[-2:] == ["divide(1.0, y3)", "multiply(y2, y4)"]


def test_a_norm_divides_a_column_alone():
    found = found_by(reciprocals, [(3, 8), (3, 1)], lambda s, x, v: s.divide(x, s.sqrt(v)))
    assert found == ["sqrt(x1)", "divide(1.0, y0)", "multiply(x0, y1)"]


@pytest.mark.parametrize(
    "write",
    [
        lambda s, x, v: s.divide(x, v),
        lambda s, x, v: s.divide(x, s.sum(s.exp(x), (1,), True)),
        lambda s, x, v: s.divide(v, s.sqrt(v)),
    ],
)
def test_a_quotient_whose_reciprocal_might_overflow_or_spares_nothing_stays(write: Callable):
    s = Sketch()
    graph = s.graph(write(s, s.given(3, 8), s.given(3, 1)))
    assert reciprocals(graph) is graph


def test_reciprocals_of_roots_keep_what_special_values_give():
    s = Sketch()
    x, v = s.given(8, 14), s.given(14)
    graph = s.graph(s.divide(x, s.sqrt(v)))
    given = np.stack([specials(14, shift=i) for i in range(8)]), specials(14)
    (before,), (after,) = run(graph, *given), run(reciprocals(graph), *given)
    normal = np.isfinite(before) & (np.abs(before) > 1e-37)
    np.testing.assert_array_equal(after[~np.isfinite(before)], before[~np.isfinite(before)])
    np.testing.assert_allclose(after[normal], before[normal], rtol=1e-6)


# ---- signs
NEVER_ZERO = {
    "a square and more": lambda s, x: s.add(s.multiply(x, x), 1e-5),
    "a mean of squares and more": lambda s, x: s.add(s.multiply(s.sum(s.multiply(x, x), (0,)), 0.25), 1e-5),
    "its root": lambda s, x: s.sqrt(s.add(s.abs(x), 1e-5)),
    "what is at least a number": lambda s, x: s.maximum(x, 0.5),
    "a length beside one": lambda s, x: s.hypot(x, 1.0),
}


@pytest.mark.parametrize("case", NEVER_ZERO)
def test_what_cannot_be_zero_does_not_equal_it(case: str):
    s = Sketch()
    x = s.given(14)
    positive = NEVER_ZERO[case](s, x)
    graph = s.graph(s.equal(positive, 0.0), s.less_equal(positive, 0.0), s.less(positive, 0.0))
    found = dce(signs.settled(graph))
    assert not [e for e in found.equations if e.name != "full"]
    assert same_bits(run(graph, specials(14)), run(found, specials(14)))


@pytest.mark.parametrize(
    "write",
    [
        lambda s, x: s.equal(s.multiply(x, x), 0.0),
        lambda s, x: s.equal(s.add(x, 1e-5), 0.0),
        lambda s, x: s.equal(s.add(s.abs(x), 1e-45), 0.0),
        lambda s, x: s.equal(s.exp(x), 0.0),
        lambda s, x: s.greater(s.add(s.abs(x), 1.0), 0.0),
        lambda s, x: s.equal(s.multiply(s.add(s.abs(x), 1e-30), 1e-30), 0.0),
        lambda s, x: s.less(s.abs(x), 1.0),
        lambda s, x: s.less(s.divide(s.abs(x), s.sqrt(x)), 0.0),
    ],
)
def test_what_may_be_zero_or_nan_is_compared(write: Callable):
    s = Sketch()
    graph = s.graph(write(s, s.given(14)))
    assert signs(graph) is graph
