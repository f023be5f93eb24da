"""Selection: each equation as instructions. Movements become views, where strides can say them; the rest is written
into memory of the program's own.
"""

from collections.abc import Callable

import numpy

from tl_arrayapi.backends.numpy.lowering import contract, elementwise, index, move, reduce
from tl_arrayapi.backends.numpy.lowering.instructions import Selected
from tl_arrayapi.backends.numpy.lowering.selector import Selector
from tl_arrayapi.backends.numpy.lowering.views import Root, View, broadcast
from tl_arrayapi.backends.program import Runtime
from tl_arrayapi.graph.graph import Equation, Graph

__all__ = ["select"]


def _creation(selector: Selector, equation: Equation) -> View | None:
    result, static = equation.result, equation.arguments
    if equation.name == "full":
        return broadcast(selector.constant(static["value"], (), result.dtype), result.shape)
    static = {k: selector.runtime.dtype(v) if k == "dtype" and v is not None else v for k, v in static.items()}
    return selector.held(numpy.asarray(selector.runtime.function(equation.name)(**static), result.dtype), result.shape)


_FORMS: dict[str, Callable[[Selector, Equation], View | None]] = {**move.FORMS, **contract.FORMS, **index.FORMS}
_KINDS: dict[str, Callable[[Selector, Equation], View | None]] = {
    "elementwise": elementwise.form,
    "cast": elementwise.cast,
    "reduction": reduce.form,
    "creation": _creation,
}


def select(graph: Graph, runtime: Runtime) -> Selected:
    """Return the instructions of ``graph``, in its order."""
    selector = Selector(graph, runtime)
    for selector.number, equation in enumerate(graph.equations):
        form = _FORMS.get(equation.name) or _KINDS.get(equation.kind)
        found = form(selector, equation) if form is not None else None
        if found is None:
            selector.call(equation)
        else:
            selector.views[equation.result] = found
    selector.number = len(graph.equations)
    _outputs(selector, graph)
    return selector.selected


def _outputs(selector: Selector, graph: Graph) -> None:
    """Give each output an array of its own: of a value that is made, its own memory; of all else, a copy."""
    taken: set[Root] = set()
    for x in graph.outputs:
        view = selector.view(x)
        root = view.root
        free = root not in taken and view.whole and view.dtype == root.dtype
        if not (free and (root.made or root.called)):
            view = selector.write("copy", "copyto", (view,), view.shape, view.dtype)
        taken.add(view.root)
        selector.selected.outputs.append(view)
