"""Every pass on programs as they are traced: what it returns is well formed and computes the same."""

from functools import cache, partial
from typing import Any

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.cases import CASES, complex_cases
from tests.graph.passes.running import as_dtype, close, lines, run, same_bits
from tests.graph.passes.tracing import LOSSES, benchmark, other, trace
from tl_arrayapi.graph import Graph
from tl_arrayapi.graph.passes.base import Pass
from tl_arrayapi.graph.passes.pipeline import PASSES, optimise
from tl_arrayapi.graph.verify import verify

STEPS = ["W1", "W2", "W3", "W6", *LOSSES]


@cache
def traced(name: str) -> tuple[Graph, list[Any], list[Any]]:
    """Return a step, what it is given, and what it computes in float64."""
    graph, given = other(name) if name in LOSSES else benchmark(name)
    return (
        graph,
        given,
        run(as_dtype(graph, "float64"), *(x.astype("float64") if x.dtype.kind == "f" else x for x in given)),
    )


def hold(graph: Graph, found: Graph, given: list[Any], truth: list[Any], *, exact: bool) -> None:
    verify(found)
    values = run(found, *given)
    if exact:
        assert same_bits(run(graph, *given), values)
    assert close(values, truth, run(graph, *given))


@pytest.mark.parametrize("one", PASSES, ids=lambda p: p.name)
@pytest.mark.parametrize("name", STEPS)
def test_every_pass_keeps_what_a_step_computes(one: Pass, name: str):
    graph, given, truth = traced(name)
    hold(graph, one(graph), given, truth, exact=one.exact)


@pytest.mark.parametrize("reassociate", [True, False])
@pytest.mark.parametrize("name", STEPS)
def test_the_pipeline_keeps_what_a_step_computes(name: str, reassociate: bool):
    graph, given, truth = traced(name)
    hold(graph, optimise(graph, reassociate=reassociate), given, truth, exact=not reassociate)


@pytest.mark.parametrize("name", STEPS)
def test_the_pipeline_is_done_after_one_run(name: str):
    graph = optimise(traced(name)[0])
    assert lines(optimise(graph)) == lines(graph)


def _gradient(case: Any) -> tuple[Graph, list[Any]]:
    """Return the program of a function's value and gradients."""
    given = [np.asarray(x) for x in case.operands]

    def loss(*arrays: Any) -> Any:
        xp = tl.array_namespace(*arrays)
        out = case.function(xp, *arrays)
        return xp.sum(xp.real(out * xp.conj(out)) if xp.isdtype(out.dtype, "complex floating") else xp.sin(out))

    watched = tuple(i for i, x in enumerate(given) if x.dtype.kind in "fc")
    return trace(tl.value_and_grad(loss, argnums=watched), *given)


@pytest.mark.parametrize("case", [*CASES, *complex_cases()], ids=str)
def test_every_pass_keeps_the_gradient_of_every_function(case: Any):
    graph, given = _gradient(case)
    verify(graph)
    before = run(graph, *given)
    both = [Pass(partial(optimise, reassociate=which), exact=not which, name="pipeline") for which in (True, False)]
    for one in (*PASSES, *both):
        found = one(graph)
        if found is graph:
            continue
        verify(found)
        after = run(found, *given)
        if one.exact:
            assert same_bits(before, after), one
        for x, y in zip(before, after, strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-11, err_msg=one.name)
