"""Simplification: each rule on the numbers that tell exact algebra from the other kind, and what must not be done."""

import numpy as np
import pytest

from tests.graph.passes.running import Sketch, lines, run, same_bits, specials
from tl_arrayapi.graph import Literal
from tl_arrayapi.graph.passes.dce import dce
from tl_arrayapi.graph.passes.simplify import simplify

SIZE = 14 * 14
X, Y = specials(SIZE), np.repeat(specials(14), 14)
"""Every special number beside every other."""


def simplified(write, dtype: str = "float32") -> list[str]:
    """Simplify what ``write(sketch, x, y)`` returns, and compare the values."""
    s = Sketch(dtype)
    x, y = s.given(SIZE), s.given(SIZE)
    graph = s.graph(write(s, x, y))
    found = dce(simplify.settled(graph))
    given = (X.astype(dtype), Y.astype(dtype))
    assert same_bits(run(graph, *given), run(found, *given))
    return lines(found)


EXACT = {
    "x * 1 is x": (lambda s, x, y: s.multiply(x, 1.0), "return x0"),
    "1 * x is x": (lambda s, x, y: s.multiply(Literal(1.0, "float32"), x), "return x0"),
    "x / 1 is x": (lambda s, x, y: s.divide(x, 1.0), "return x0"),
    "x + -0.0 is x": (lambda s, x, y: s.add(x, -0.0), "return x0"),
    "x - 0.0 is x": (lambda s, x, y: s.subtract(x, 0.0), "return x0"),
    "-0.0 - x is -x": (lambda s, x, y: s.subtract(Literal(-0.0, "float32"), x), "negative(x0)"),
    "x * -1 is -x": (lambda s, x, y: s.multiply(x, -1.0), "negative(x0)"),
    "x + x is 2 x": (lambda s, x, y: s.add(x, x), "multiply(x0, 2.0)"),
    "x / 4 is 0.25 x": (lambda s, x, y: s.divide(x, 4.0), "multiply(x0, 0.25)"),
    "(2 x) 3 is 6 x": (lambda s, x, y: s.multiply(s.multiply(x, 2.0), 3.0), "multiply(x0, 6.0)"),
    "-(-x) is x": (lambda s, x, y: s.negative(s.negative(x)), "return x0"),
    "x + -y is x - y": (lambda s, x, y: s.add(x, s.negative(y)), "subtract(x0, x1)"),
    "-x + y is y - x": (lambda s, x, y: s.add(s.negative(x), y), "subtract(x1, x0)"),
    "x - -y is x + y": (lambda s, x, y: s.subtract(x, s.negative(y)), "add(x0, x1)"),
    "(-x) (-y) is x y": (lambda s, x, y: s.multiply(s.negative(x), s.negative(y)), "multiply(x0, x1)"),
    "(-x) / (-y) is x / y": (lambda s, x, y: s.divide(s.negative(x), s.negative(y)), "divide(x0, x1)"),
    "z - (-x) y is z + x y": (
        lambda s, x, y: s.subtract(x, s.multiply(s.negative(x), y)),
        "multiply(x0, x1)",
        "add(x0, y0)",
    ),
    "-(3 x) is -3 x": (lambda s, x, y: s.negative(s.multiply(x, 3.0)), "multiply(x0, -3.0)"),
    "3 (-x) is -3 x": (lambda s, x, y: s.multiply(s.negative(x), 3.0), "multiply(x0, -3.0)"),
    "(-x) / 3 is x / -3": (lambda s, x, y: s.divide(s.negative(x), 3.0), "divide(x0, -3.0)"),
    "|-x| is |x|": (lambda s, x, y: s.abs(s.negative(x)), "abs(x0)"),
    "||x|| is |x|": (lambda s, x, y: s.abs(s.abs(x)), "abs(x0)"),
    "square(-x) is x x": (lambda s, x, y: s.square(s.negative(x)), "multiply(x0, x0)"),
    "+x is x": (lambda s, x, y: s.positive(x), "return x0"),
    "max(x, x) is x": (lambda s, x, y: s.maximum(x, x), "return x0"),
    "a choice of one is it": (lambda s, x, y: s.where(s.less(x, y), y, y), "return x1"),
    "a choice by not is the other": (
        lambda s, x, y: s.where(s.logical_not(s.less(x, y)), x, y),
        "less(x0, x1)",
        "where(y0, x1, x0)",
    ),
    "a cast to what it is is none": (lambda s, x, y: s.astype(x, "float32"), "return x0"),
    "a cast there and back is none": (lambda s, x, y: s.astype(s.astype(x, "float64"), "float32"), "return x0"),
}


@pytest.mark.parametrize("case", EXACT)
def test_exact_algebra_is_applied(case: str):
    write, *expected = EXACT[case]
    found = simplified(write)
    assert [line.partition(" = ")[2] or line for line in found[: len(expected)]] == expected


LEFT = {
    "x + 0.0 makes 0.0 of -0.0": lambda s, x, y: s.add(x, 0.0),
    "0.0 - x is 0.0 at 0.0": lambda s, x, y: s.subtract(Literal(0.0, "float32"), x),
    "0 x keeps NaN": lambda s, x, y: s.multiply(x, 0.0),
    "x - x keeps NaN": lambda s, x, y: s.subtract(x, x),
    "x / x keeps NaN": lambda s, x, y: s.divide(x, x),
    "(x 0.5) 4 loses a bit of a subnormal number": lambda s, x, y: s.multiply(s.multiply(x, 0.5), 4.0),
    "(4 x) 0.5 overflows": lambda s, x, y: s.multiply(s.multiply(x, 4.0), 0.5),
    "(3 x) 5 is rounded twice": lambda s, x, y: s.multiply(s.multiply(x, 3.0), 5.0),
    "(2 x) 3e38 has no number": lambda s, x, y: s.multiply(s.multiply(x, 2.0), 3e38),
    "x / 3 is rounded once": lambda s, x, y: s.divide(x, 3.0),
    "-(x - y) has another zero": lambda s, x, y: s.negative(s.subtract(x, y)),
    "a choice with 0 is no product": lambda s, x, y: s.where(s.less(x, y), x, 0.0),
    "a cast down and up loses bits": lambda s, x, y: s.astype(s.astype(x, "float16"), "float32"),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_not_exact_is_left_alone(case: str):
    s = Sketch()
    x, y = s.given(SIZE), s.given(SIZE)
    graph = s.graph(LEFT[case](s, x, y))
    assert simplify(graph) is graph


def test_the_factor_one_stays_where_it_repeats():
    s = Sketch()
    x = s.given(3)
    graph = s.graph(s.multiply(x, s.given(2, 3)))
    assert simplify(graph) is graph


def test_a_sign_stays_inside_where_the_array_is_smaller_there():
    s = Sketch()
    x, y = s.given(1), s.given(100)
    graph = s.graph(s.multiply(s.negative(x), y))
    assert simplify(graph) is graph


def test_a_sign_stays_inside_where_it_is_needed_there():
    s = Sketch()
    x, y = s.given(3), s.given(3)
    minus = s.negative(x)
    graph = s.graph(s.multiply(minus, y), minus)
    assert simplify(graph) is graph


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_integers_keep_their_arithmetic(dtype: str):
    s = Sketch(dtype)
    x = s.given(4)
    graph = s.graph(
        s.multiply(s.multiply(x, 2), 3), s.add(x, x), s.add(x, s.negative(x)), s.add(x, 0), s.multiply(x, 1)
    )
    found = simplify.settled(graph)
    given = np.asarray([0, 1, 100, 127], dtype)
    assert same_bits(run(graph, given), run(found, given))
    assert found.outputs[3:] == (x, x)


def test_a_product_of_two_dtypes_is_left_alone():
    s = Sketch("int32")
    x = s.given(3)
    graph = s.graph(s.multiply(x, Literal(1, "int64"), dtype="int64"))
    assert simplify(graph) is graph


@pytest.mark.parametrize(
    "write",
    [
        lambda s, x: s.multiply(x, 1),
        lambda s, x: s.divide(x, 1),
        lambda s, x: s.add(x, 0),
        lambda s, x: s.subtract(x, 0),
        lambda s, x: s.add(x, x),
        lambda s, x: s.multiply(s.negative(x), x),
    ],
)
def test_complex_products_and_sums_stay_as_a_library_takes_them(write):
    s = Sketch("complex64")
    graph = s.graph(write(s, s.given(3)))
    assert simplify(graph) is graph


def test_a_cast_up_in_two_steps_is_one():
    s = Sketch("float16")
    x = s.given(14)
    graph = s.graph(s.astype(s.astype(x, "float32"), "float64"))
    found = dce(simplify(graph))
    assert lines(found)[0] == "y0 = astype(x0, dtype='float64')"
    with np.errstate(over="ignore"):
        values = specials(14).astype("float16")
    assert same_bits(run(graph, values), run(found, values))
