"""What the forms of equations write to: values as views, and instructions that fill them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tl_arrayapi.backends.numpy.lowering.instructions import Instruction, Selected
from tl_arrayapi.backends.numpy.lowering.masks import masks
from tl_arrayapi.backends.numpy.lowering.views import Root, View, natural
from tl_arrayapi.backends.program import Runtime
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var

__all__ = ["Selector"]


class Selector:
    """The values of a graph as views, and the instructions so far."""

    def __init__(self, graph: Graph, runtime: Runtime) -> None:
        self.runtime = runtime
        self.selected = Selected([Root(v.shape, v.dtype, position=i) for i, v in enumerate(graph.given)])
        self.views: dict[Var, View] = {
            v: natural(root) for v, root in zip(graph.given, self.selected.given, strict=True)
        }
        self.masks = masks(graph)
        self.number = -1
        """The place of the equation at hand in the graph."""
        self._constants: dict[Any, View] = {}
        self._copies: dict[View, View] = {}

    # ---- operands
    def view(self, x: Atom) -> View:
        """Return where a value lies."""
        return self.constant(x.value, (), x.dtype) if isinstance(x, Literal) else self.views[x]

    def constant(self, value: Any, shape: tuple[int, ...], dtype: str) -> View:
        """Return an array that holds one number, made once for the program."""
        key = repr(value), shape, dtype
        if key not in self._constants:
            self._constants[key] = self.held(numpy.full(shape, self.runtime.number(value, dtype)), shape)
        return self._constants[key]

    def held(self, array: Any, shape: tuple[int, ...]) -> View:
        """Return an array that was made beforehand, and stays as it is."""
        array = numpy.array(numpy.broadcast_to(array, shape), order="C")
        array.flags.writeable = False
        return natural(Root(shape, array.dtype.name, array=array))

    def dense(self, view: View) -> View:
        """Return the same values in C order: as they are, or as a copy that is made once."""
        if view.dense:
            return view
        if view not in self._copies:
            root = view.root
            if root.array is not None and root.size == 1:
                self._copies[view] = self.constant(root.array.item(), view.shape, view.dtype)
            else:
                self._copies[view] = self.write("copy", "copyto", (view,), view.shape, view.dtype)
        return self._copies[view]

    # ---- results
    def write(
        self,
        op: str,
        name: str,
        operands: Sequence[View],
        shape: tuple[int, ...],
        dtype: str,
        /,
        static: Sequence[tuple[str, Any]] = (),
    ) -> View:
        """Add an instruction that fills a new array, and return that."""
        result = natural(Root(shape, dtype))
        self.add(op, name, operands, result, static=tuple(static))
        return result

    def add(self, op: str, name: str, operands: Sequence[View], *results: View, **more: Any) -> None:
        """Add an instruction."""
        self.selected.instructions.append(Instruction(op, name, tuple(operands), results, self.number, **more))

    def function(self, name: str, function: Callable[..., Any]) -> str:
        """Have ``function`` known by a name of its own in the source, which is returned."""
        short = name.replace(".", "_")
        while self.selected.functions.setdefault(short, function) is not function:
            short += "_"
        return short

    def call(self, equation: Equation) -> None:
        """Call the library's function as it is: its results are arrays of their own."""
        operands = [self.view(x) for x in equation.operands]
        results = [natural(Root(v.shape, v.dtype, called=True)) for v in equation.results]
        name = self.function(equation.name, self.runtime.function(equation.name))
        self.add("call", name, operands, *results, static=equation.static)
        self.views.update(zip(equation.results, results, strict=True))
