"""What the tests of the lowering to NumPy share: graphs, their programs, and what the evaluator makes of them."""

import numpy as np

import tl_arrayapi as tl
from tests.backends.graphs import runtime, var
from tests.libraries import load
from tl_arrayapi.autograd.programs import Spec, compiled_program
from tl_arrayapi.backends.numpy.lowering import NumPyProgram
from tl_arrayapi.graph.evaluate import evaluate
from tl_arrayapi.graph.graph import Builder, Graph

__all__ = [
    "COMPLEX",
    "INTEGERS",
    "OURS",
    "REALS",
    "SMALL",
    "assert_same_bits",
    "built",
    "evaluated",
    "graph_of",
    "program_of",
    "tanh_network",
    "traced",
    "values",
]

OURS = runtime(load("numpy"), fast=True)
SMALL = {"large": 64, "block": 256}
"""Sizes at which everything goes by blocks of 256 bytes."""

REALS = ("float16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def program_of(graph, **sizes):
    return NumPyProgram(graph, OURS, **sizes)


def evaluated(graph, *given):
    found = evaluate(graph, [x.copy() for x in given], OURS.function, OURS.number, OURS.dtype)
    return [np.asarray(x) for x in found]


def graph_of(*equations, given, outputs=None):
    return Graph(given, (), equations, outputs or equations[-1].results)


def built(shape, dtype, write):
    """Return the graph of what ``write(build, x)`` returns, for one input."""
    x = var(0, *shape, dtype=dtype)
    build = Builder(Graph((x,), (), (), ()))
    out = write(build, x)
    return Graph((x,), (), tuple(build.equations), out if isinstance(out, tuple) else (out,))


def assert_same_bits(got, expected):
    assert [x.dtype for x in got] == [x.dtype for x in expected]
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def traced(loss, *arrays):
    """Return the program of a step of gradient descent: the loss, and the new parameters ``arrays[:-2]``."""
    count = len(arrays) - 2

    def step(xs):
        value, grads = tl.value_and_grad(loss, tuple(range(count)))(*xs)
        return [value, *(p - 0.01 * g for p, g in zip(xs, grads, strict=False))]

    return compiled_program(step, [Spec(x.shape, x.dtype) for x in arrays], tl.namespace(np)).program


def tanh_network(batch=32):
    rng = np.random.default_rng(3)
    shapes = [(32, 64), (64,), (64, 64), (64,), (64, 1), (1,), (batch, 32), (batch, 1)]
    arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]

    def loss(w1, b1, w2, b2, w3, b3, x, y):
        xp = tl.array_namespace(x)
        h = xp.tanh(x @ w1 + b1)
        d = xp.tanh(h @ w2 + b2) @ w3 + b3 - y
        return xp.mean(d * d)

    return traced(loss, *arrays), arrays


def values(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype in INTEGERS:
        return rng.integers(0, 6, shape).astype(dtype)
    x = rng.uniform(-3, 3, shape)
    return (x + 1j * rng.uniform(-3, 3, shape) if dtype in COMPLEX else x).astype(dtype)
