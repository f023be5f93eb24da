"""Folding: what is made of numbers alone, and what is repeated."""

import numpy as np
import pytest

from tests.graph.passes.running import Sketch, lines, run, same_bits, specials
from tl_arrayapi.graph import Graph, Literal
from tl_arrayapi.graph.passes.fold import fold


def folded(graph: Graph, *given):
    """Fold until nothing changes; the values must not."""
    found = fold.settled(graph)
    assert same_bits(run(graph, *given), run(found, *given))
    return lines(found)


def test_a_repeated_number_stays_a_number_as_an_operand():
    s = Sketch()
    x = s.given(14)
    assert folded(s.graph(s.multiply(s.full(0.5, 14), x)), specials(14)) == ["y0 = multiply(0.5, x0)", "return y0"]


def test_the_chain_of_a_seed_vanishes():
    s = Sketch()
    x = s.given(2, 3)
    seed = s.divide(s.full(1.0), 6.0)
    found = folded(s.graph(s.multiply(s.broadcast_to(seed, 2, 3), x)), specials(2, 3))
    assert found == [f"y0 = multiply({float(np.float32(1) / np.float32(6))!r}, x0)", "return y0"]


def test_an_operand_that_gives_the_result_its_shape_stays_repeated():
    s = Sketch()
    x = s.given(3)
    graph = s.graph(s.add(s.full(1.0, 2, 3), x))
    assert folded(graph, specials(3)) == ["y0 = add(1.0, x0)", "y1 = broadcast_to(y0, shape=(2, 3))", "return y1"]


def test_a_function_of_what_is_repeated_is_applied_before():
    s = Sketch()
    x = s.given(3, 1)
    graph = s.graph(s.multiply(s.broadcast_to(x, 3, 4), s.broadcast_to(x, 3, 4)))
    assert folded(graph, specials(3, 1)) == [
        "y0 = multiply(x0, x0)",
        "y1 = broadcast_to(y0, shape=(3, 4))",
        "return y1",
    ]


def test_a_column_need_not_be_repeated_beside_a_whole_array():
    s = Sketch()
    x, y = s.given(3, 4), s.given(3, 1)
    graph = s.graph(s.add(x, s.broadcast_to(y, 3, 4)))
    assert folded(graph, specials(3, 4), specials(3, 1, shift=2)) == ["y0 = add(x0, x1)", "return y0"]


def test_moved_numbers_are_the_same_numbers():
    s = Sketch()
    moved = s.concat(s.permute(s.full(2.0, 2, 3), 1, 0), s.reshape(s.full(2.0, 4), 2, 2))
    found = folded(s.graph(s.getitem(moved, slice(1, 5, 2), 0)))
    assert found == ["y0 = full(dtype='float32', shape=(2,), value=2.0)", "return y0"]


def test_different_numbers_are_joined_where_they_were():
    s = Sketch()
    assert len(folded(s.graph(s.concat(s.full(2.0, 3), s.full(-2.0, 3))))) == 4


def test_a_full_array_on_a_named_device_stays():
    s = Sketch()
    there = s.build.emit("full", "creation", (), (), "float32", value=1.0, shape=(), dtype="float32", device="d1")
    assert fold(s.graph(there)) == s.graph(there)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arithmetic_on_numbers_is_that_of_their_dtype(name: str, dtype: str):
    values = [float(v) for v in specials(14)] + [0.1, 1 / 3, 1e300, 65504.0, 2049.0]
    for x in values:
        for y in values:
            s = Sketch(dtype)
            graph = s.graph(getattr(s, name)(Literal(x, dtype), Literal(y, dtype)))
            found = fold(graph)
            assert not found.equations
            assert same_bits(run(graph), run(found))


def test_integers_that_would_overflow_are_left_to_the_library():
    s = Sketch("int8")
    graph = s.graph(s.add(Literal(100, "int8"), Literal(100, "int8")))
    assert fold(graph) is graph


def test_functions_that_libraries_round_differently_are_left_to_them():
    s = Sketch()
    graph = s.graph(s.exp(Literal(1.0, "float32")))
    assert fold(graph) is graph


def test_comparisons_of_numbers_are_truths():
    s = Sketch()
    graph = s.graph(
        s.less(Literal(1.0, "float32"), Literal(2.0, "float32")), s.equal(Literal(float("nan"), "float32"), 1.0)
    )
    assert fold(graph).outputs == (Literal(True, "bool"), Literal(False, "bool"))


def test_a_cast_number_is_rounded():
    s = Sketch("float64")
    graph = s.graph(s.astype(Literal(0.1, "float64"), "float32"))
    assert fold(graph).outputs == (Literal(float(np.float32(0.1)), "float32"),)


def test_a_choice_that_is_decided_is_made():
    s = Sketch()
    x, y = s.given(3), s.given(3)
    graph = s.graph(s.where(s.full(True, 3, dtype="bool"), x, y), s.where(Literal(False, "bool"), x, s.full(0.0)))
    found = folded(graph, specials(3), specials(3))
    assert found == ["y0 = full(dtype='float32', shape=(3,), value=0.0)", "return x0, y0"]


def test_a_truth_beside_a_mask_decides_or_goes():
    s = Sketch("bool")
    x = s.given(3)
    false = Literal(False, "bool")
    graph = s.graph(s.bitwise_or(x, false), s.bitwise_and(false, x))
    found = folded(graph, np.asarray([True, False, True]))
    assert found == ["y0 = full(dtype='bool', shape=(3,), value=False)", "return x0, y0"]


def test_zero_times_an_array_is_not_zero():
    s = Sketch()
    x = s.given(14)
    assert folded(s.graph(s.multiply(s.full(0.0, 14), x)), specials(14)) == ["y0 = multiply(0.0, x0)", "return y0"]


def test_a_range_of_integers_is_scaled_and_moved_as_it_is_made():
    s = Sketch("int64")
    start = {"start": 0, "stop": 7, "step": 2}
    numbers = s.build.emit("arange", "creation", (), (4,), "int64", dtype="int64", **start)
    found = folded(s.graph(s.add(s.multiply(numbers, 10), 3)))
    assert found == ["y0 = arange(dtype='int64', start=3, step=20, stop=73)", "return y0"]


def test_a_range_that_would_turn_or_overflow_stays():
    s = Sketch("int8")
    numbers = s.build.emit("arange", "creation", (), (4,), "int8", dtype="int8", start=0, stop=4, step=1)
    graph = s.graph(s.multiply(numbers, -1), s.multiply(numbers, 100))
    assert fold(graph) is graph


def test_axes_of_length_one_in_front_are_left_to_broadcasting():
    s = Sketch()
    x, y = s.given(4), s.given(3, 4)
    graph = s.graph(s.subtract(y, s.multiply(s.reshape(x, 1, 4), 0.5)))
    found = folded(graph, specials(4), specials(3, 4))
    assert found == ["y0 = multiply(x0, 0.5)", "y1 = subtract(x1, y0)", "return y1"]


def test_a_column_keeps_its_axis():
    s = Sketch()
    graph = s.graph(s.subtract(s.given(4, 4), s.reshape(s.given(4), 4, 1)))
    assert fold(graph) is graph


def test_the_largest_of_one_number_is_that_number():
    s = Sketch()
    graph = s.graph(
        s.reduce("max", s.full(0.5, 3, 4), (0,)),
        s.emit("any", "reduction", (s.full(True, 2, dtype="bool"),), (), "bool", axis=(0,), keepdims=False),
    )
    assert folded(graph) == ["y0 = full(dtype='float32', shape=(4,), value=0.5)", "return y0, True"]
