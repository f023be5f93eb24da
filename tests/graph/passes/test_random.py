"""Every pass, and the pipeline, on graphs that nobody thought of."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.passes.random_graphs import SMOOTH, graphs, tame, wild
from tests.graph.passes.running import Sketch, as_dtype, lines, run, same_bits
from tl_arrayapi.graph import Graph
from tl_arrayapi.graph.passes.base import Pass
from tl_arrayapi.graph.passes.pipeline import PASSES, optimise
from tl_arrayapi.graph.verify import verify

EXACT = [p for p in PASSES if p.exact]
OTHERS = [p for p in PASSES if not p.exact]
LARGEST = 1e6


@settings(max_examples=400, deadline=None)
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64", "float16"]))
def test_the_exact_pipeline_keeps_every_bit(data: Any, dtype: str):
    graph = data.draw(graphs())
    with np.errstate(all="ignore"):
        arrays = [x.astype(dtype) for x in data.draw(wild(graph))]
    graph = as_dtype(graph, dtype)
    found = optimise(graph, reassociate=False)
    verify(found)
    assert same_bits(run(graph, *arrays), run(found, *arrays)), "\n".join([*lines(graph), "", *lines(found)])


@pytest.mark.parametrize("one", EXACT, ids=lambda p: p.name)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_an_exact_pass_keeps_every_bit(one: Pass, data: Any):
    graph = data.draw(graphs())
    arrays = data.draw(wild(graph))
    found = one(graph)
    verify(found)
    assert same_bits(run(graph, *arrays), run(found, *arrays)), "\n".join([*lines(graph), "", *lines(found)])


def _bounded(graph: Graph, arrays: list[Any]) -> tuple[list[Any], float] | None:
    """Return the outputs in float64 and the largest value on the way to them; None where something grows too large for
    roundings to be told from errors.
    """
    wide = as_dtype(graph, "float64")
    everything = Graph(wide.inputs, (), wide.equations, tuple(v for e in wide.equations for v in e.results))
    values = [x for x in run(everything, *[a.astype("float64") for a in arrays]) if x.dtype.kind == "f"]
    largest = float(np.max([np.max(np.abs(x), initial=1.0) for x in values], initial=1.0))
    if not largest < LARGEST:
        return None
    return run(wide, *[a.astype("float64") for a in arrays]), largest


def _hold(graph: Graph, found: Graph, arrays: list[Any]) -> None:
    verify(found)
    known = _bounded(graph, arrays)
    if known is None or any(
        e.name in ("sign", "equal", "less", "less_equal", "greater", "greater_equal") for e in graph.equations
    ):
        return
    truth, largest = known
    for x, y, z in zip(run(found, *arrays), truth, run(graph, *arrays), strict=True):
        allowed = 16 * np.abs(z - y) + 256 * np.finfo("float32").eps * largest
        text = "\n".join([*lines(graph), "", *lines(found)])
        assert (x.shape, x.dtype) == (z.shape, z.dtype), text
        assert np.all(np.abs(x - y) <= allowed), text


@settings(max_examples=500, deadline=None)
@given(graph=graphs(SMOOTH, orders=()), seed=st.integers(0, 99))
def test_the_pipeline_keeps_values_within_roundings(graph: Graph, seed: int):
    _hold(graph, optimise(graph), tame(graph, seed))


@pytest.mark.parametrize("one", OTHERS, ids=lambda p: p.name)
@settings(max_examples=40, deadline=None)
@given(graph=graphs(SMOOTH, orders=()), seed=st.integers(0, 99))
def test_a_reassociating_pass_keeps_values_within_roundings(one: Pass, graph: Graph, seed: int):
    _hold(graph, one(graph), tame(graph, seed))


def _chain(s: Any, x: Any, name: str, count: int) -> Any:
    """Return ``x`` after many equations, one upon another."""
    for i in range(count):
        match name:
            case "add":
                x = s.add(
                    x,
                    s.emit(
                        "embed",
                        "indexing",
                        (s.inputs[1],),
                        (8,),
                        shape=(8,),
                        key=(slice(2 * (i % 2), 2 * (i % 2) + 4, 1),),
                    ),
                )
            case "multiply":
                x = s.multiply(s.negative(x), s.inputs[0])
            case "where":
                x = s.where(s.less(x, 0.5), s.multiply(x, 0.5), 0.0)
            case "sqrt":
                x = s.sqrt(s.add(x, 1.0))
            case "reshape":
                x = s.reshape(s.reshape(x, 2, 4), 8)
    return x


@pytest.mark.slow
@pytest.mark.parametrize("name", ["add", "multiply", "where", "sqrt", "reshape"])
def test_chains_may_be_longer_than_python_calls_deep(name: str):
    s = Sketch()
    x, _ = s.given(8), s.given(4)
    end = _chain(s, x, name, 1500)
    flat = s.concat(s.getitem(end, slice(0, 4)), s.exp(s.getitem(end, slice(4, 8))))
    graph = s.graph(flat, s.concat(_chain(s, x, name, 300), _chain(s, s.exp(x), name, 300)), s.equal(end, 0.0))
    verify(optimise(graph))
    verify(optimise(graph, reassociate=False))
