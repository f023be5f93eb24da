"""Evaluate a graph equation by equation: the oracle that every pass and every lowering is held to."""

from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.graph.graph import Atom, Graph, Literal, Var

__all__ = ["evaluate"]


def evaluate(
    graph: Graph,
    given: Sequence[Any],
    function: Callable[[str], Callable[..., Any]],
    number: Callable[[Any, str], Any],
    dtype: Callable[[str], Any],
) -> list[Any]:
    """Return the outputs of ``graph`` for arrays ``given``: its inputs, then what it captured.

    ``function(name)`` is a library's function, ``number(value, dtype)`` a number as a 0-d array of it, and
    ``dtype(name)`` its dtype; see `tl_arrayapi.backends.base.Backend.lower`, whose programs take the same.
    """
    values: dict[Var, Any] = dict(zip(graph.given, given, strict=True))

    def value(x: Atom) -> Any:
        return number(x.value, x.dtype) if isinstance(x, Literal) else values[x]

    for equation in graph.equations:
        static = {k: dtype(v) if k == "dtype" and v is not None else v for k, v in equation.static}
        out = function(equation.name)(*map(value, equation.operands), **static)
        if len(equation.results) == 1 and not isinstance(out, tuple):
            out = (out,)
        values.update(zip(equation.results, out, strict=True))
    return [value(x) for x in graph.outputs]
