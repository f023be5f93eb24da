"""Random graphs, lowered to NumPy: the program does what the evaluator does, to the bit, and shares nothing."""

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.graphs import runtime
from tests.backends.random_graphs import random_graph
from tests.libraries import load
from tl_arrayapi.backends.numpy.lowering import NumPyProgram
from tl_arrayapi.graph.evaluate import evaluate

NUMPY = load("numpy")

# What is large, and a block of it, in bytes: as in use, and so small that everything goes by blocks.
SIZES = [(1 << 19, 1 << 17), (64, 64), (32, 128), (64, 256)]


def evaluated(graph, arrays):
    ours = runtime(NUMPY)
    found = evaluate(graph, [x.copy() for x in arrays], ours.function, ours.number, ours.dtype)
    return [np.asarray(x) for x in found]


def assert_same(got, expected):
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert type(one) is np.ndarray
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other, strict=True)


@given(seed=st.integers(0, 1 << 30), size=st.integers(1, 40), sizes=st.sampled_from(SIZES))
@settings(max_examples=150, deadline=None)
def test_a_program_does_what_the_evaluator_does_and_shares_no_memory(seed, size, sizes):
    graph = random_graph(seed, size)
    program = NumPyProgram(graph, runtime(NUMPY, fast=True), *sizes)
    rng = np.random.default_rng(seed)
    first, second = ([np.asarray(rng.integers(-3, 4, v.shape), v.dtype) for v in graph.given] for _ in range(2))
    before = [x.copy() for x in first]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outputs = program(*first)
    expected = evaluated(graph, first)
    assert_same(outputs, expected)
    assert_same(first, before)
    for i, x in enumerate(outputs):
        assert x.flags.c_contiguous
        assert x.flags.writeable
        assert not any(np.shares_memory(x, other) for other in (*first, *outputs[:i]))

    assert_same(program(*second), evaluated(graph, second))
    assert_same(outputs, expected)

    fixed = {i: x for i, x in enumerate(second) if rng.random() < 0.5}
    outs = {k: np.full(v.shape, 9, v.dtype) for k, v in enumerate(graph.outputs) if rng.random() < 0.6}
    bound = program.bind(fixed, outs)
    for _ in range(2):
        found = bound(*(x for i, x in enumerate(second) if i not in fixed))
        assert_same(found, evaluated(graph, second))
        assert all(found[k] is x for k, x in outs.items())
