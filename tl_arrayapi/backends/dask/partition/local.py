"""Write a stage as a graph of its own: with the lengths that its values have in a chunk, and what it is to be given."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tl_arrayapi.backends.dask.partition.lattice import Split, local_shape
from tl_arrayapi.backends.dask.partition.stages import Entry, Form, Stage
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var, frozen

__all__ = ["Counted", "Read", "Written", "written"]


@dataclass(frozen=True, slots=True)
class Read:
    """A value to be given, in a form."""

    value: Var
    form: Form


@dataclass(frozen=True, slots=True)
class Counted:
    """Integers ``start + step * i`` to be given, for the ``unit`` elements of each step of the chunk; one of them,
    0-d, for the chunk's first, where ``first`` says so.
    """

    start: int
    step: int
    unit: int
    dtype: str
    first: bool = False


@dataclass(frozen=True)
class Written:
    """A stage as a graph, for one length of chunks: its inputs are what ``inputs`` say, its outputs are ``outputs``."""

    graph: Graph
    inputs: tuple[Read | Counted, ...]
    outputs: tuple[tuple[Var, Form], ...]


def written(stage: Stage, outputs: tuple[tuple[Var, Form], ...], steps: Fraction) -> Written:
    """Return the graph of a stage for a chunk of so many steps, which gives back ``outputs``."""
    return _Writer(stage, steps).written(outputs)


class _Writer:
    def __init__(self, stage: Stage, steps: Fraction) -> None:
        self.stage, self.steps = stage, steps
        self.inputs: dict[Read | Counted, Var] = {}
        self.equations: list[Equation] = []
        self.made: dict[tuple[Var, Form], Atom] = {}
        self.count = 0

    def written(self, outputs: tuple[tuple[Var, Form], ...]) -> Written:
        for value, form in self.stage.reads:
            split = form if isinstance(form, Split) else None
            self.made[value, form] = self._given(Read(value, form), local_shape(value, split, self.steps), value.dtype)
        for entry in self.stage.entries:
            self._write(entry)
        found = tuple(self._output(x, form) for x, form in outputs)
        return Written(
            Graph(tuple(self.inputs.values()), (), tuple(self.equations), found), tuple(self.inputs), outputs
        )

    def _output(self, x: Var, form: Form) -> Atom:
        if (x, form) not in self.made:  # what this stage passes on, joined
            self.made[x, form] = self._given(Read(x, form), x.shape, x.dtype)
        return self.made[x, form]

    def _var(self, shape: tuple[int, ...], dtype: str) -> Var:
        self.count += 1
        return Var(self.count - 1, shape, dtype)

    def _given(self, what: Read | Counted, shape: tuple[int, ...], dtype: str) -> Var:
        if what not in self.inputs:
            self.inputs[what] = self._var(shape, dtype)
        return self.inputs[what]

    def _write(self, entry: Entry) -> None:
        equation = entry.equation
        splits = [form if isinstance(form, Split) else None for form in entry.results]
        if equation.name == "arange" and splits[0] is not None:
            self.made[equation.result, splits[0]] = self._range(equation, splits[0])
            return
        operands = [
            x if isinstance(x, Literal) else self.made[x, form]
            for x, form in zip(equation.operands, entry.operands, strict=True)
        ]
        places = _cut_positions(entry)
        if places is not None:
            operands[1] = self._from_here(operands[1], places, equation)
        shapes = [local_shape(v, split, self.steps) for v, split in zip(equation.results, splits, strict=True)]
        results = tuple(self._var(shape, v.dtype) for v, shape in zip(equation.results, shapes, strict=True))
        static = frozen(self._static(entry, shapes[0]))
        self.equations.append(
            Equation(equation.name, equation.kind, tuple(operands), static, results, equation.line, equation.scope)
        )
        for v, form, new in zip(equation.results, entry.results, results, strict=True):
            self.made[v, form] = new

    def _range(self, equation: Equation, split: Split) -> Var:
        counted = Counted(equation.get("start", 0), equation.get("step", 1), split.unit, equation.result.dtype)
        return self._given(counted, (int(split.unit * self.steps),), equation.result.dtype)

    def _from_here(self, indices: Atom, unit: int, equation: Equation) -> Var:
        """Return positions counted from where the chunk's own part begins."""
        first = self._given(Counted(0, 1, unit, indices.dtype, first=True), (), indices.dtype)
        moved = self._var(indices.shape, indices.dtype)
        self.equations.append(
            Equation("subtract", "elementwise", (indices, first), (), (moved,), equation.line, equation.scope)
        )
        return moved

    def _static(self, entry: Entry, shape: tuple[int, ...]) -> Mapping[str, Any]:
        static = entry.equation.arguments
        if "shape" in static:
            static["shape"] = shape
        if "key" in static:
            array = entry.results[0] if entry.equation.name == "embed" else entry.operands[0]
            if isinstance(array, Split):
                key, whole = static["key"], slice(0, int(array.unit * self.steps), 1)
                static["key"] = (*key[: array.axis], whole, *key[array.axis + 1 :])
        return static


def _cut_positions(entry: Entry) -> int | None:
    """Return how many elements a step of the chunk has along the axis that positions count through, if that is cut."""
    if entry.equation.name not in ("take", "scatter_add"):
        return None
    array = entry.operands[0] if entry.equation.name == "take" else entry.results[0]
    return array.unit if isinstance(array, Split) and array.axis == entry.equation.get("axis") else None
