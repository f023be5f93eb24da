"""The order of equations, and the memory that it takes."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.graph.passes.random_graphs import graphs
from tests.graph.passes.running import Sketch, lines, run, same_bits
from tests.graph.passes.tracing import LOSSES, benchmark, other
from tl_arrayapi.graph import Equation, Graph, Var
from tl_arrayapi.graph.cost import peak_bytes
from tl_arrayapi.graph.passes.pipeline import optimise
from tl_arrayapi.graph.passes.schedule import peak, schedule
from tl_arrayapi.graph.verify import verify


def test_what_frees_most_comes_first():
    s = Sketch()
    x = s.given(1_000_000)
    first, second = s.exp(x), s.sin(x)
    graph = s.graph(s.add(s.sum(first), s.sum(second)))
    assert lines(schedule(graph)) == [
        "y0 = exp(x0)",
        "y1 = sum(y0, axis=(0,), keepdims=False)",
        "y2 = sin(x0)",
        "y3 = sum(y2, axis=(0,), keepdims=False)",
        "y4 = add(y1, y3)",
        "return y4",
    ]


def test_an_order_that_is_as_good_stays():
    s = Sketch()
    x = s.given(1_000_000)
    graph = s.graph(s.exp(x), s.sin(x))
    assert schedule(graph) is graph


def test_views_come_right_before_what_reads_them():
    s = Sketch()
    x = s.given(1000, 1000)
    turned = s.permute(x, 1, 0)
    first, second = s.exp(x), s.sin(x)
    s.sum(first)
    total = s.sum(second)
    graph = s.graph(s.sum(first), total, s.matmul(turned, x))
    assert schedule(graph) is not graph
    names = [e.name for e in schedule(graph).equations]
    assert names[names.index("matmul") - 1] == "permute_dims"


def test_a_view_holds_what_it_shows():
    s = Sketch()
    x = s.given(100)
    view = s.reshape(s.exp(x), 10, 10)
    graph = s.graph(s.sum(s.sin(x)), s.sum(view))
    assert peak(graph, graph.equations) == 400 + 400 + 4


def test_equations_of_several_results_are_ordered_too():
    x = Var(0, (4, 4), "float32")
    values, vectors = Var(1, (4,), "float32"), Var(2, (4, 4), "float32")
    total, both = Var(3, (), "float32"), Var(4, (4, 4), "float32")
    graph = Graph(
        (x,),
        (),
        (
            Equation("linalg.eigh", "matrix", (x,), (), (values, vectors)),
            Equation("multiply", "elementwise", (values, vectors), (), (both,)),
            Equation("sum", "reduction", (both,), (("axis", (0, 1)), ("keepdims", False)), (total,)),
        ),
        (total,),
    )
    assert schedule(graph) is graph


@pytest.mark.parametrize("name", ["W2", "W3", "W6", *LOSSES])
def test_a_step_takes_no_more_memory_than_before(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tl_arrayapi.graph.passes.schedule.WORTHWHILE", 0)
    graph = optimise((other(name) if name in LOSSES else benchmark(name))[0])
    found = schedule(graph)
    verify(found)
    assert sorted(map(repr, found.equations)) == sorted(map(repr, graph.equations))
    assert peak(found, found.equations) <= peak(graph, graph.equations)
    assert peak_bytes(found) <= peak_bytes(graph)


def test_little_memory_is_not_worth_an_order():
    s = Sketch()
    x = s.given(1000)
    first, second = s.exp(x), s.sin(x)
    graph = s.graph(s.add(s.sum(first), s.sum(second)))
    assert schedule(graph) is graph


@settings(max_examples=100, deadline=None)
@given(graph=graphs())
def test_any_graph_keeps_its_values_in_another_order(graph: Graph):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tl_arrayapi.graph.passes.schedule.WORTHWHILE", 0)
        found = schedule(graph)
    verify(found)
    arrays = [np.ones(x.shape, "float32") for x in graph.given]
    assert same_bits(run(graph, *arrays), run(found, *arrays))
    assert peak(found, found.equations) <= peak(graph, graph.equations)
