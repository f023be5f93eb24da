"""Powers that are products, quotients and roots."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.graph.passes.running import Sketch, lines, run, specials
from tl_arrayapi.graph.passes.powers import powers
from tl_arrayapi.graph.verify import verify

CASES = {
    1.0: ["return x0"],
    2.0: ["multiply(x0, x0)"],
    3.0: ["multiply(x0, x0)", "multiply(y0, x0)"],
    4.0: ["multiply(x0, x0)", "multiply(y0, y0)"],
    -1.0: ["divide(1.0, x0)"],
}


@pytest.mark.parametrize("power", CASES)
def test_small_whole_powers_are_products(power: float):
    s = Sketch()
    graph = s.graph(s.pow(s.given(14), power))
    found = powers(graph)
    verify(found)
    assert [line.partition(" = ")[2] or line for line in lines(found)][: len(CASES[power])] == CASES[power]
    (before,), (after,) = run(graph, specials(14)), run(found, specials(14))
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-44)


@pytest.mark.parametrize(("power", "names"), [(0.5, ["abs", "add", "sqrt"]), (-0.5, ["abs", "add", "sqrt", "divide"])])
def test_half_powers_of_what_is_positive_are_roots(power: float, names: list[str]):
    s = Sketch()
    graph = s.graph(s.pow(s.add(s.abs(s.given(14)), 1e-5), power))
    found = powers(graph)
    verify(found)
    assert [e.name for e in found.equations] == names
    (before,), (after,) = run(graph, specials(14)), run(found, specials(14))
    np.testing.assert_allclose(after, before, rtol=1e-6)


@pytest.mark.parametrize(
    "write",
    [
        lambda s, x: s.pow(x, 0.5),
        lambda s, x: s.pow(s.sqrt(x), -0.5),
        lambda s, x: s.pow(x, 5.0),
        lambda s, x: s.pow(x, 2.5),
        lambda s, x: s.pow(x, 0.0),
        lambda s, x: s.pow(x, x),
        lambda s, x: s.pow(s.given(3, dtype="int32"), 2),
    ],
)
def test_other_powers_stay(write: Callable):
    s = Sketch()
    graph = s.graph(write(s, s.given(3)))
    assert powers(graph) is graph
