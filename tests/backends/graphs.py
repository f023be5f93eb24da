"""Graphs for the tests of lowerings: written by hand, or traced from a function, with what their programs take."""

from collections.abc import Callable
from typing import Any

import tl_arrayapi as tl
from tests.libraries import Library
from tl_arrayapi.autograd.namespace import Namespace
from tl_arrayapi.autograd.programs import runtime_of
from tl_arrayapi.autograd.tracer import TracingNamespace
from tl_arrayapi.backends.program import Program, Runtime
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var, frozen

__all__ = ["equation", "graph_of", "lowered", "lowered_graph", "number", "runtime", "var"]


def var(place: int, *shape: int, dtype: str = "float32") -> Var:
    return Var(place, shape, dtype)


def number(value: Any, dtype: str = "float32") -> Literal:
    return Literal(value, dtype)


def equation(
    name: str, kind: str, operands: tuple[Atom, ...], *results: Var, line: str = "", **static: Any
) -> Equation:
    return Equation(name, kind, operands, frozen(static), results, line)


def runtime(xp: Library, fast: bool = False) -> Runtime:
    device = None if xp.device is None else tl.backends.get(xp.namespace).device(xp.device)
    return runtime_of(tl.namespace(xp.namespace).ground, device, fast)


def graph_of(xp: Library, f: Callable[..., Any], *args: Any) -> tuple[Graph, list[Any]]:
    """Return the graph of ``f``, which returns a tuple of arrays, as it was traced, and the arrays it captured."""
    space: Namespace = tl.namespace(xp.namespace)
    trace = TracingNamespace(space, None if not args else space.backend.device_of(args[0]))
    out = f(*(trace.ground.input(tuple(x.shape), x.dtype) for x in args))
    return trace.ground.finish([trace.lift(x) for x in out])


def lowered_graph(xp: Library, graph: Graph, fast: bool = False) -> Program:
    """Return the program of a graph: the portable one unless ``fast``."""
    backend = tl.backends.get(xp.namespace)
    return (backend.lower if fast else backend.portable)(graph, runtime(xp, fast))


def lowered(xp: Library, f: Callable[..., Any], *args: Any, fast: bool = False) -> Program:
    """Return the program of a function that captures nothing."""
    graph, captured = graph_of(xp, f, *args)
    assert not captured
    return lowered_graph(xp, graph, fast)
