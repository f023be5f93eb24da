"""Movement: shapes, orders and slices taken together."""

import numpy as np
import pytest

from tests.graph.passes.running import Sketch, lines, run, same_bits
from tl_arrayapi.graph.passes.base import together
from tl_arrayapi.graph.passes.cse import cse
from tl_arrayapi.graph.passes.dce import dce
from tl_arrayapi.graph.passes.movement import movement

X = np.arange(24, dtype="float32").reshape(2, 3, 4)


def moved(write) -> list[str]:
    s = Sketch()
    x = s.given(2, 3, 4)
    graph = s.graph(write(s, x))
    found = dce(movement.settled(graph))
    assert same_bits(run(graph, X), run(found, X))
    return lines(found)


CASES = {
    "two reshapes are one": (lambda s, x: s.reshape(s.reshape(x, 24), 4, 6), "y0 = reshape(x0, shape=(4, 6))"),
    "a reshape back is none": (lambda s, x: s.reshape(s.reshape(x, 24), 2, 3, 4), "return x0"),
    "two orders are one": (
        lambda s, x: s.permute(s.permute(x, 1, 0, 2), 1, 2, 0),
        "y0 = permute_dims(x0, axes=(0, 2, 1))",
    ),
    "an order back is none": (lambda s, x: s.permute(s.permute(x, 1, 2, 0), 2, 0, 1), "return x0"),
    "moving an axis of length 1 changes the shape alone": (
        lambda s, x: s.permute(s.reshape(x, 2, 1, 12), 0, 2, 1),
        "y0 = reshape(x0, shape=(2, 12, 1))",
    ),
    "two repetitions are one": (
        lambda s, x: s.broadcast_to(s.broadcast_to(x, 5, 2, 3, 4), 6, 5, 2, 3, 4),
        "y0 = broadcast_to(x0, shape=(6, 5, 2, 3, 4))",
    ),
    "a repetition to the same shape is none": (lambda s, x: s.broadcast_to(x, 2, 3, 4), "return x0"),
    "all of an array is itself": (lambda s, x: s.getitem(x, *[slice(None)] * 3), "return x0"),
    "a slice of a slice is one": (
        lambda s, x: s.getitem(s.getitem(x, 1, slice(0, 3, 2), slice(1, 4)), slice(1, 2), slice(0, 3, 2)),
        "y0 = getitem(x0, key=(1, slice(2, 3, 2), slice(1, 4, 2)))",
    ),
    "an item of a slice is one": (
        lambda s, x: s.getitem(s.getitem(x, slice(None), 1, slice(1, 4, 2)), 1, 1),
        "y0 = getitem(x0, key=(1, 1, 3))",
    ),
    "an empty slice stays empty": (
        lambda s, x: s.getitem(s.getitem(x, 1, 2, slice(1, 4)), slice(2, 2)),
        "y0 = getitem(x0, key=(1, 2, slice(3, 3, 1)))",
    ),
    "flipping twice is nothing": (
        lambda s, x: s.emit(
            "flip", "movement", (s.emit("flip", "movement", (x,), x.shape, axis=(1,)),), x.shape, axis=(1,)
        ),
        "return x0",
    ),
    "rolling by nothing is nothing": (
        lambda s, x: s.emit("roll", "movement", (x,), x.shape, shift=(0, 0), axis=(0, 1)),
        "return x0",
    ),
    "one tile is none": (lambda s, x: s.emit("tile", "movement", (x,), x.shape, repetitions=(1, 1, 1)), "return x0"),
    "joining one array is none": (lambda s, x: s.concat(x, axis=1), "return x0"),
    "empty arrays are not joined": (
        lambda s, x: s.concat(x, s.getitem(x, slice(None), slice(1, 1), slice(None)), axis=1),
        "return x0",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_moves_are_taken_together(case: str):
    write, expected = CASES[case]
    assert moved(write)[0] == expected


LEFT = {
    "an order that moves elements": lambda s, x: s.permute(x, 1, 0, 2),
    "a repetition": lambda s, x: s.broadcast_to(x, 5, 2, 3, 4),
    "a slice": lambda s, x: s.getitem(x, slice(1, 2), slice(None), slice(None)),
    "two flips of different axes": lambda s, x: s.emit(
        "flip", "movement", (s.emit("flip", "movement", (x,), x.shape, axis=(1,)),), x.shape, axis=(0,)
    ),
    "joined arrays": lambda s, x: s.concat(x, x, axis=1),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_moves_elements_stays(case: str):
    s = Sketch()
    graph = s.graph(LEFT[case](s, s.given(2, 3, 4)))
    assert movement(graph) is graph


def test_a_reduction_that_keeps_its_axes_and_one_that_does_not_are_one():
    s = Sketch()
    x = s.given(2, 3)
    graph = s.graph(s.sum(x, (1,)), s.sum(x, (1,), True), s.sum(x, (0,), True))
    found = together("shared", movement, cse)(graph)
    assert lines(found) == [
        "y0 = sum(x0, axis=(1,), keepdims=False)",
        "y1 = reshape(y0, shape=(2, 1))",
        "y2 = sum(x0, axis=(0,), keepdims=True)",
        "return y0, y1, y2",
    ]


def test_an_array_put_in_all_of_another_is_that_array():
    s = Sketch()
    x = s.given(2, 3)
    graph = s.graph(s.emit("embed", "indexing", (x,), (2, 3), shape=(2, 3), key=(slice(0, 2, 1), slice(0, 3, 1))))
    assert movement(graph).outputs == (x,)
