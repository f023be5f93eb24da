"""Products and sums in the order that costs least: what becomes what, and what is left."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.graph.passes.running import Sketch, as_dtype, close, lines, run
from tl_arrayapi.graph import Graph
from tl_arrayapi.graph.passes.base import together
from tl_arrayapi.graph.passes.cse import cse
from tl_arrayapi.graph.passes.fold import fold
from tl_arrayapi.graph.passes.scaling import scaling
from tl_arrayapi.graph.passes.simplify import simplify
from tl_arrayapi.graph.verify import verify

shared = together("shared", scaling, cse)
SHAPES = [(4, 5), (4, 5), (4, 1), (4, 1), (), (5,)]
"""Of the inputs: two whole arrays, two columns, a number, a row."""


def inputs(shapes: list[tuple[int, ...]] = SHAPES) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [np.asarray(rng.uniform(0.5, 2, shape), "float32") for shape in shapes]


def scaled(write: Callable, one=scaling) -> list[str]:
    s = Sketch()
    xs = [s.given(*shape) for shape in SHAPES]
    out = write(s, *xs)
    graph = s.graph(*(out if isinstance(out, tuple) else (out,)))
    found = one.settled(graph)
    verify(found)
    given = inputs()
    truth = run(as_dtype(graph, "float64"), *[x.astype("float64") for x in given])
    assert close(run(found, *given), truth, run(graph, *given))
    return lines(found)[:-1]


CASES = {
    "numbers become one": (
        lambda s, a, b, c, d, t, r: s.multiply(s.multiply(a, 3.0), 5.0),
        ["multiply(x0, 15.0)"],
    ),
    "dividing by a number is multiplying by another": (
        lambda s, a, b, c, d, t, r: s.divide(s.multiply(a, 3.0), 6.0),
        ["multiply(x0, 0.5)"],
    ),
    "a number goes outwards": (
        lambda s, a, b, c, d, t, r: s.multiply(s.multiply(a, 3.0), b),
        ["multiply(x0, x1)", "multiply(y0, 3.0)"],
    ),
    "a number goes to the smallest factor": (
        lambda s, a, b, c, d, t, r: s.multiply(s.multiply(a, 3.0), c),
        ["multiply(x2, 3.0)", "multiply(x0, y0)"],
    ),
    "two columns meet before the whole array": (
        lambda s, a, b, c, d, t, r: s.multiply(s.multiply(a, c), d),
        ["multiply(x2, x3)", "multiply(x0, y0)"],
    ),
    "a column is divided by another": (
        lambda s, a, b, c, d, t, r: s.divide(s.multiply(a, c), d),
        ["divide(x2, x3)", "multiply(x0, y0)"],
    ),
    "a constant factor is taken out of a sum": (
        lambda s, a, b, c, d, t, r: s.sum(s.multiply(s.multiply(a, b), c), (1,), True),
        ["multiply(x0, x1)", "sum(y0, axis=(1,), keepdims=True)", "multiply(y1, x2)"],
    ),
    "a constant divisor is taken out of a sum": (
        lambda s, a, b, c, d, t, r: s.sum(s.divide(a, c), (1,), True),
        ["sum(x0, axis=(1,), keepdims=True)", "divide(y0, x2)"],
    ),
    "what is taken out of a sum loses its axes": (
        lambda s, a, b, c, d, t, r: s.sum(s.multiply(a, c), (1,)),
        ["sum(x0, axis=(1,), keepdims=False)", "reshape(x2, shape=(4,))", "multiply(y0, y1)"],
    ),
    "a sign is taken out of a sum": (
        lambda s, a, b, c, d, t, r: s.sum(s.negative(a), (0,)),
        ["sum(x0, axis=(0,), keepdims=False)", "negative(y0)"],
    ),
    "x c + y c is (x + y) c": (
        lambda s, a, b, c, d, t, r: s.add(s.multiply(a, 0.3), s.multiply(b, 0.3)),
        ["add(x0, x1)", "multiply(y0, 0.30000001192092896)"],
    ),
    "x c - y c is (x - y) c": (
        lambda s, a, b, c, d, t, r: s.subtract(s.multiply(a, 0.5), s.multiply(b, 0.5)),
        ["subtract(x0, x1)", "multiply(y0, 0.5)"],
    ),
    "y c - x c is (y - x) c": (
        lambda s, a, b, c, d, t, r: s.add(s.multiply(a, -0.5), s.multiply(b, 0.5)),
        ["subtract(x1, x0)", "multiply(y0, 0.5)"],
    ),
    "-x c - y c is (x + y) (-c)": (
        lambda s, a, b, c, d, t, r: s.subtract(s.multiply(a, -0.5), s.multiply(b, 0.5)),
        ["add(x0, x1)", "multiply(y0, -0.5)"],
    ),
    "x / t + y / t is (x + y) / t": (
        lambda s, a, b, c, d, t, r: s.add(s.divide(a, b), s.divide(s.exp(a), b)),
        ["exp(x0)", "add(x0, y0)", "divide(y1, x1)"],
    ),
    "p + (-c) q is p - c q": (
        lambda s, a, b, c, d, t, r: s.add(a, s.multiply(s.negative(t), b)),
        ["multiply(x1, x4)", "subtract(x0, y0)"],
    ),
    "(p + q) + q is p + 2 q": (
        lambda s, a, b, c, d, t, r: (lambda q: s.add(s.add(a, q), q))(s.multiply(b, c)),
        ["multiply(x2, 2.0)", "multiply(x1, y0)", "add(x0, y1)"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_products_are_put_in_the_order_that_costs_least(case: str):
    write, expected = CASES[case]
    assert [line.partition(" = ")[2] for line in scaled(write)] == expected


def test_the_gradient_of_softmax_is_the_one_written_by_hand():
    def softmax(s, g, x, *others):
        e = s.exp(x)
        total = s.sum(e, (1,), True)
        a = s.divide(e, total)
        part = s.sum(s.multiply(s.negative(g), s.divide(a, total)), (1,), True)
        return a, s.multiply(s.add(s.divide(g, total), s.broadcast_to(part, 4, 5)), e)

    assert scaled(softmax, together("with what repeats", fold, simplify, scaling, cse)) == [
        "y0 = exp(x1)",
        "y1 = sum(y0, axis=(1,), keepdims=True)",
        "y2 = divide(y0, y1)",
        "y3 = multiply(x0, y2)",
        "y4 = sum(y3, axis=(1,), keepdims=True)",
        "y5 = subtract(x0, y4)",
        "y6 = multiply(y5, y2)",
    ]


def test_a_quotient_that_is_there_is_used_again():
    def write(s, a, b, c, *others):
        return s.divide(a, c), s.multiply(s.divide(b, c), a)

    assert scaled(write, shared) == ["y0 = divide(x0, x2)", "y1 = multiply(x1, y0)"]


LEFT = {
    "a product that others need": lambda s, a, b, c, d, t, r: (lambda x: (s.multiply(x, 5.0), x))(s.multiply(a, 3.0)),
    "a square": lambda s, a, b, c, d, t, r: s.multiply(s.multiply(s.multiply(a, 0.1), a), a),
    "a zero": lambda s, a, b, c, d, t, r: s.multiply(s.multiply(a, 0.0), 5.0),
    "numbers whose product is too small": lambda s, a, b, c, d, t, r: s.multiply(s.multiply(a, 1e-30), 1e-30),
    "two products with nothing in common": lambda s, a, b, c, d, t, r: s.add(s.multiply(a, 3.0), s.multiply(b, 5.0)),
    "a sum of what varies along it": lambda s, a, b, c, d, t, r: s.sum(s.multiply(a, c), (0,)),
    "guards of two divisions": lambda s, a, b, c, d, t, r: s.divide(s.divide(a, b), b),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_would_not_cost_less_stays(case: str):
    s = Sketch()
    out = LEFT[case](s, *[s.given(*shape) for shape in SHAPES])
    graph = s.graph(*(out if isinstance(out, tuple) else (out,)))
    assert scaling(graph) is graph


@pytest.mark.parametrize("dtype", ["float16", "int32", "complex64"])
def test_only_the_wider_floats_are_put_in_another_order(dtype: str):
    s = Sketch(dtype)
    x = s.given(4, 5)
    graph = s.graph(s.multiply(s.multiply(x, 3), 5))
    assert scaling(graph) is graph


def step(size: int) -> Graph:
    """Return a step along ``c u`` and ``(c u) w`` at a rate that is given."""
    s = Sketch()
    p, q, u, w, rate = s.given(size), s.given(size), s.given(size), s.given(size), s.given()
    gradient = s.multiply(s.exp(u), 0.001)
    first = s.subtract(p, s.multiply(rate, gradient))
    return s.graph(first, s.subtract(q, s.multiply(rate, s.multiply(gradient, w))))


def test_a_number_that_all_readers_of_a_large_array_take_goes_to_them():
    found = shared.settled(step(20_000))
    wide = [e for e in found.equations if e.results[0].shape]
    assert [e.name for e in wide] == ["exp", "multiply", "subtract", "multiply", "multiply", "subtract"]
    given = inputs([(20_000,)] * 4 + [()])
    truth = run(as_dtype(found, "float64"), *[x.astype("float64") for x in given])
    assert close(run(found, *given), truth, run(step(20_000), *given))


def test_a_number_stays_where_a_reader_has_no_use_for_it():
    s = Sketch()
    u, rate = s.given(20_000), s.given()
    gradient = s.multiply(s.exp(u), 0.001)
    graph = s.graph(s.multiply(rate, gradient), s.exp(gradient))
    assert shared(graph) is graph
