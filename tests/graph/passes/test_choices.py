"""Choices and zeros: what is known of a truth, and sums of which one side is zero."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.graph.passes.running import Sketch, lines, run, same_bits, specials
from tl_arrayapi.graph import Literal
from tl_arrayapi.graph.passes.base import together
from tl_arrayapi.graph.passes.choices import choices
from tl_arrayapi.graph.passes.dce import dce
from tl_arrayapi.graph.passes.movement import movement
from tl_arrayapi.graph.passes.zeros import zeros
from tl_arrayapi.graph.verify import verify

X, Y = specials(14), specials(14, shift=3)
MASK = np.arange(14) % 3 == 0


def chosen(write: Callable) -> list[str]:
    s = Sketch()
    x, y, c, d = s.given(14), s.given(14), s.given(14, dtype="bool"), s.given(14, dtype="bool")
    graph = s.graph(write(s, x, y, s.logical_not(s.logical_not(c)), d))
    found = dce(choices.settled(graph))
    verify(found)
    given = X, Y, MASK, ~MASK
    assert same_bits(run(graph, *given), run(found, *given))
    return [line for line in lines(found) if "logical_not" not in line]


CASES = {
    "c or not c": (
        lambda s, x, y, c, d: s.bitwise_or(c, s.bitwise_invert(c)),
        "full(dtype='bool', shape=(14,), value=True)",
    ),
    "not c and c": (
        lambda s, x, y, c, d: s.logical_and(s.logical_not(c), c),
        "full(dtype='bool', shape=(14,), value=False)",
    ),
    "c or (d and c)": (lambda s, x, y, c, d: s.bitwise_or(d, s.bitwise_and(c, d)), "return x3"),
    "(c or d) and d": (lambda s, x, y, c, d: s.logical_and(s.logical_or(c, d), d), "return x3"),
    "a choice in the first branch": (lambda s, x, y, c, d: s.where(c, s.where(c, x, y), 0.0), "where(y1, x0, 0.0)"),
    "a choice in the second branch": (lambda s, x, y, c, d: s.where(c, 0.0, s.where(c, x, y)), "where(y1, 0.0, x1)"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_truth_decides_is_left_out(case: str):
    write, expected = CASES[case]
    found = chosen(write)
    assert (found[-2].partition(" = ")[2] if expected[:6] != "return" else found[-1]) == expected


def test_a_choice_within_a_branch_is_made_already():
    def leaky(s, x, y, c, d):
        return s.where(c, 0.0, s.multiply(s.negative(s.where(c, 0.0, x)), 0.1))

    assert [line.partition(" = ")[2] for line in chosen(leaky)[:-1]] == [
        "negative(x0)",
        "multiply(y2, 0.1)",
        "where(y1, 0.0, y3)",
    ]


LEFT = {
    "a choice by another truth": lambda s, x, y, c: s.where(c, s.where(s.logical_not(c), x, y), y),
    "a branch that others need": lambda s, x, y, c: (lambda z: (s.where(c, z, y), z))(s.exp(s.where(c, x, y))),
    "a quotient that is guarded": lambda s, x, y, c: s.where(c, 0.0, s.divide(x, s.where(c, 1.0, y))),
    "a branch that is summed first": lambda s, x, y, c: s.where(c, s.sum(s.where(c, x, y)), y),
    "c and (d or not c)": lambda s, x, y, c: s.logical_and(c, s.logical_or(s.less(x, y), s.less(y, x))),
    "bits of integers": lambda s, x, y, c: (lambda k: s.bitwise_or(k, s.bitwise_invert(k)))(s.given(14, dtype="int32")),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_a_truth_does_not_decide_stays(case: str):
    s = Sketch()
    out = LEFT[case](s, s.given(14), s.given(14), s.given(14, dtype="bool"))
    graph = s.graph(*(out if isinstance(out, tuple) else (out,)))
    assert choices(graph) is graph


# ---- zeros
def without_zeros(write: Callable, *shapes: tuple[int, ...]) -> list[str]:
    s = Sketch()
    graph = s.graph(write(s, *[s.given(*shape) for shape in shapes]))
    found = dce(together("both", movement, zeros).settled(graph))
    verify(found)
    given = [specials(*shape, shift=i) for i, shape in enumerate(shapes)]
    for x, y in zip(run(graph, *given), run(found, *given), strict=True):
        np.testing.assert_array_equal(x, y)  # to which zeros of both signs are equal
    return [line.partition(" = ")[2] or line for line in lines(found)]


SUMS = {
    "x + 0 is x": (lambda s, x, y: s.add(x, 0.0), ["return x0"]),
    "0 - x is -x": (lambda s, x, y: s.subtract(Literal(0.0, "float32"), x), ["negative(x0)"]),
    "-(x - y) is y - x": (lambda s, x, y: s.negative(s.subtract(x, y)), ["subtract(x1, x0)"]),
    "two sides of a choice are one": (
        lambda s, x, y: (lambda c: s.add(s.where(c, x, 0.0), s.where(c, 0.0, y)))(s.less(x, y)),
        ["less(x0, x1)", "where(y0, x0, x1)"],
    ),
    "two sides of a choice, the other first": (
        lambda s, x, y: (lambda c: s.add(s.where(c, 0.0, y), s.where(c, x, 0.0)))(s.less(x, y)),
        ["less(x0, x1)", "where(y0, x0, x1)"],
    ),
}


@pytest.mark.parametrize("case", SUMS)
def test_zeros_are_not_added(case: str):
    write, expected = SUMS[case]
    assert without_zeros(write, (14,), (14,))[: len(expected)] == expected


def embed(s, x, shape: tuple[int, ...], *key):
    return s.emit("embed", "indexing", (x,), shape, shape=shape, key=key)


def test_the_gradients_of_an_arrays_slices_are_joined():
    def gates(s, x, y, z):
        parts = [embed(s, v, (2, 9), slice(0, 2, 1), slice(i, i + 3, 1)) for v, i in ((z, 6), (y, 3), (x, 0))]
        return s.add(s.add(parts[0], parts[1]), parts[2])

    assert without_zeros(gates, (2, 3), (2, 3), (2, 3))[0] == "concat(x0, x1, x2, axis=1)"


def test_the_gradients_of_an_arrays_elements_are_joined():
    def kernel(s, *xs):
        total = embed(s, xs[3], (2, 2), 1, 1)
        for i in (2, 1, 0):
            total = s.add(total, embed(s, xs[i], (2, 2), i // 2, i % 2))
        return total

    found = without_zeros(kernel, (), (), (), ())
    assert found[-2].startswith("concat")
    assert not any("embed" in line or "add" in line for line in found)


def test_what_does_not_fill_an_array_is_joined_and_then_put_in_zeros():
    def part(s, x, y, z):
        slices = [embed(s, v, (9,), slice(i, i + 3, 1)) for v, i in ((y, 6), (x, 3))]
        return s.add(s.add(slices[0], slices[1]), z)

    found = without_zeros(part, (3,), (3,), (9,))
    assert found[:3] == ["concat(x0, x1, axis=0)", "embed(y0, key=(slice(3, 9, 1),), shape=(9,))", "add(y1, x2)"]


APART = {
    "arrays that overlap": lambda s, x, y: s.add(embed(s, x, (5,), slice(0, 3, 1)), embed(s, y, (5,), slice(2, 5, 1))),
    "every other element": lambda s, x, y: s.add(embed(s, x, (6,), slice(0, 5, 2)), embed(s, y, (6,), slice(1, 6, 2))),
    "a gap between them": lambda s, x, y: s.add(embed(s, x, (8,), slice(0, 3, 1)), embed(s, y, (8,), slice(4, 7, 1))),
    "choices by different truths": lambda s, x, y: s.add(s.where(s.less(x, y), x, 0.0), s.where(s.less(y, x), 0.0, y)),
    "both branches of the same side": lambda s, x, y: (lambda c: s.add(s.where(c, x, 0.0), s.where(c, y, 0.0)))(
        s.less(x, y)
    ),
    "integers": lambda s, x, y: s.add(s.given(3, dtype="int32"), 0),
}


@pytest.mark.parametrize("case", APART)
def test_other_sums_stay(case: str):
    s = Sketch()
    graph = s.graph(APART[case](s, s.given(3), s.given(3)))
    assert zeros(graph) is graph
