"""Programs: a function traced, optimised and lowered for one library, and what was learned on the way."""

import numbers
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from tl_arrayapi.autograd.arguments import Spec
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.containers import map_tree
from tl_arrayapi.autograd.ground import Ground
from tl_arrayapi.autograd.namespace import Namespace, namespace, namespace_of_type
from tl_arrayapi.autograd.primitive import PRIMITIVES
from tl_arrayapi.autograd.tracer import TracingNamespace
from tl_arrayapi.backends.program import Program, Runtime
from tl_arrayapi.graph.graph import Graph
from tl_arrayapi.graph.passes.pipeline import optimise

__all__ = ["Compilation", "Output", "compiled_program", "lowered", "rebuilding", "runtime_of"]


@dataclass(frozen=True, slots=True)
class Output:
    """The place of an array among a program's outputs, where it stands in the structure that a function returned."""

    place: int


@dataclass(frozen=True)
class Compilation:
    """A program, and how it came to be: the graph ``traced`` and the one that was lowered, the arrays that it
    ``captured``, the structure of its results, and the seconds that each part took.
    """

    traced: Graph
    graph: Graph
    captured: list[Any]
    program: Program
    results: Any
    seconds: Mapping[str, float]


def compiled_program(
    call: Callable[[list[Array]], Any],
    specs: Sequence[Spec],
    xp: Namespace,
    device: Any = None,
    *,
    fast: bool = True,
    reassociate: bool = True,
) -> Compilation:
    """Return the program of ``call``, which is handed one traced array for each of ``specs`` and returns arrays in any
    structure.

    No array is allocated, and no value read.
    """
    start = time.perf_counter()
    inside = TracingNamespace(xp, device)
    outputs: list[Any] = []

    def placed(x: Any, path: str) -> Any:
        own = xp if type(x) is Array else namespace_of_type(x)
        if own is None or (own is not xp and isinstance(x, numbers.Number)):
            return x  # no array, or a scalar of NumPy's where arrays are another library's
        outputs.append(inside.lift(x))
        return Output(len(outputs) - 1)

    try:
        out = call([inside.ground.input(spec.shape, spec.dtype, spec.weak) for spec in specs])
        results = map_tree(placed, out, "")
        traced, captured = inside.ground.finish(outputs)
    finally:
        inside.ground.close()
    return lowered(traced, captured, results, xp, device, fast, reassociate, time.perf_counter() - start)


def lowered(
    traced: Graph,
    captured: list[Any],
    results: Any,
    xp: Namespace,
    device: Any,
    fast: bool,
    reassociate: bool,
    tracing: float = 0.0,
) -> Compilation:
    """Return the program of a graph that was traced, here or elsewhere."""
    start = time.perf_counter()
    graph = optimise(traced, reassociate=reassociate and xp.backend.reassociates)
    optimised = time.perf_counter()
    # Compilers, NumPy's calls of BLAS among them, add up in orders of their own.
    program = xp.backend.lower(graph, runtime_of(xp.ground, device, fast and reassociate))
    seconds = {"trace": tracing, "passes": optimised - start, "lowering": time.perf_counter() - optimised}
    return Compilation(traced, graph, captured, program, results, seconds)


def rebuilding(results: Any) -> Callable[[Sequence[Any]], Any]:
    """Return the function that puts a program's outputs into the places of a structure of results."""
    if type(results) is Output:
        return itemgetter(results.place)
    if type(results) is tuple and all(type(x) is Output for x in results):
        places = [x.place for x in results]
        return lambda arrays: tuple([arrays[i] for i in places])
    return lambda arrays: map_tree(lambda x, path: arrays[x.place] if type(x) is Output else x, results, "")


def runtime_of(ground: Ground, device: Any, fast: bool = True) -> Runtime:
    """Return what a lowering needs of the library: its functions by the names of equations, numbers and dtypes."""
    library, backend = ground.library, ground.backend
    where = {} if device is None else {"device": device}

    def created(name: str) -> Callable[..., Any]:
        extension, _, plain = name.rpartition(".")
        holder = getattr(backend.namespace, extension) if extension else library
        make = getattr(holder, plain)
        first = {"full": ("shape", "value"), "arange": ("start", "stop", "step"), "eye": ("n_rows", "n_cols")}
        order = first.get(plain, ("n",) if extension else ("start", "stop", "num"))

        def function(**static: Any) -> Any:
            positional = [static.pop(k) for k in order if k in static]
            return make(*positional, **static, **where)

        return function

    def function(name: str) -> Callable[..., Any]:
        extension, _, plain = name.rpartition(".")
        primitive = PRIMITIVES.get((extension, plain))
        return created(name) if primitive is None else ground.library_function(primitive)

    def number(value: Any, dtype: str) -> Any:
        return library.asarray(value, dtype=backend.dtype(dtype), **where)

    return Runtime(
        function=function, number=number, dtype=backend.dtype, device=device, fast=fast, elsewhere=_elsewhere
    )


def _elsewhere(xp: Any) -> Runtime:
    return runtime_of(namespace(xp).ground, None)
