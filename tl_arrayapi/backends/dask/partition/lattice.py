"""How each value of a graph is held by the chunks: whole, or split along an axis, or a part that must be joined.

A chunk of a grid holds so many steps of the cut axis; the chunk of a value that is split holds ``unit`` elements along
``axis`` for each of them. Parts join to a whole value (`Step.combine` says how) as soon as they are made, one level up:
level k is what needs k rounds of joining before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tl_arrayapi.backends.dask.partition.axes import Axes, Axis
from tl_arrayapi.errors import BackendError
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Var

__all__ = ["GATHERED_BYTES", "Lattice", "Split", "Step", "Unsplittable", "local_shape", "nbytes", "steps_of"]

GATHERED_BYTES = 1 << 24
"""Up to so many bytes of one value, its chunks may be brought together where a function needs it whole."""

_BITS = {"bool": 8, "bfloat16": 16}


class Unsplittable(BackendError):
    """The graph cannot be shared out among chunks: the message says which equation, and why. Never seen outside."""


@dataclass(frozen=True, slots=True)
class Split:
    """Cut along ``axis``: ``unit`` elements of it for each step of the grid."""

    axis: int
    unit: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One way to share out an equation: how each operand is needed and each result is held, None being whole; with
    ``combine``, the results are parts, joined by the function of that name. A step of the grid may be cut into
    ``pieces`` here, and each of these done for itself.
    """

    operands: tuple[Split | None, ...]
    results: tuple[Split | None, ...]
    pieces: int
    combine: str | None = None


def local_shape(x: Atom, split: Split | None, steps: Fraction | int) -> tuple[int, ...]:
    """Return the shape of ``x`` in a chunk of so many steps of the grid, or of pieces of them.

    >>> local_shape(Var(0, (12, 3), "float32"), Split(0, 2), 4)
    (8, 3)
    """
    if split is None:
        return x.shape
    return (*x.shape[: split.axis], int(split.unit * steps), *x.shape[split.axis + 1 :])


def nbytes(x: Atom) -> int:
    """Return the bytes of a value."""
    digits = "".join(c for c in x.dtype if c.isdigit())
    return x.size * _BITS.get(x.dtype, int(digits or 64)) // 8


def steps_of(axes: Axes, labels: Sequence[Axis | None], split: Split) -> Step | None:
    """Return how an equation is shared out, given that what has ``labels`` is ``split``; None where it cannot be."""
    along = labels[split.axis]
    if along is None or split.unit % along.factor:
        return None
    unit = split.unit // along.factor

    def cut(of: Sequence[Axis | None]) -> Split | None:
        for i, axis in enumerate(of):
            if axis is not None and axis.label == along.label:
                return Split(i, unit * axis.factor)
        return None

    results = tuple(map(cut, axes.results))
    if all(results):
        return Step(tuple(map(cut, axes.operands)), results, unit)
    if any(results) or axes.combine is None:
        return None
    return Step(tuple(map(cut, axes.operands)), results, unit, axes.combine)


class Lattice:
    """Follow the ``given`` splits of a graph's inputs through its equations, in order.

    ``axes`` says which axes go together. After construction ``splits`` has how each value is held, ``levels`` on which
    level, ``steps`` how each equation is shared out (None: it runs once, on whole values), and ``gathered`` the split
    values that some equation needs whole. Raises `Unsplittable` where one of these is too large to be.
    """

    def __init__(self, graph: Graph, given: Sequence[Split | None], axes: Callable[[Equation], Axes]) -> None:
        self.splits: dict[Var, Split | None] = dict(zip(graph.given, given, strict=True))
        self.levels: dict[Var, int] = dict.fromkeys(graph.given, 0)
        self.steps: list[Step | None] = []
        self.gathered: dict[Var, Equation] = {}
        for equation in graph.equations:
            step = self._chosen(equation, axes)
            self.steps.append(step)
            self._place(equation, step)

    def split_of(self, x: Atom) -> Split | None:
        """Return how ``x`` is held: None for what is whole, and for numbers."""
        return self.splits[x] if isinstance(x, Var) else None

    def level_as(self, x: Atom, wanted: Split | None) -> int:
        """Return the level on which ``x`` is there as it is ``wanted``: one later where its chunks come together."""
        if not isinstance(x, Var):
            return 0
        return self.levels[x] + (self.splits[x] is not None and wanted is None)

    def _chosen(self, equation: Equation, axes: Callable[[Equation], Axes]) -> Step | None:
        """Return the way that brings the fewest bytes together, and needs the fewest rounds."""
        found = [split for x in equation.operands if (split := self.split_of(x)) is not None]
        if not found:
            return None
        known = axes(equation)
        ways: list[Step | None] = [
            steps_of(known, labels, split)
            for x, labels in zip(equation.operands, known.operands, strict=True)
            if (split := self.split_of(x)) is not None
        ]
        best = min((*(way for way in ways if way is not None), None), key=lambda way: self._cost(equation, way))
        for x in self._brought_together(equation, best):
            if nbytes(x) > GATHERED_BYTES:
                where = f", at {equation.line}" if equation.line else ""
                raise Unsplittable(
                    f"{equation.name} needs an array of shape {x.shape} whole along axis "
                    f"{self.split_of(x).axis}, which is in chunks{where}"  # type: ignore[union-attr]
                )
            self.gathered.setdefault(x, equation)
        return best

    def _brought_together(self, equation: Equation, way: Step | None) -> list[Var]:
        wanted = way.operands if way is not None else (None,) * len(equation.operands)
        return [
            x
            for x, want in zip(equation.operands, wanted, strict=True)
            if isinstance(x, Var) and self.splits[x] is not None and want != self.splits[x]
        ]

    def _cost(self, equation: Equation, way: Step | None) -> tuple[int, bool, bool]:
        moved = sum(map(nbytes, self._brought_together(equation, way)))
        return moved, way is None, way is not None and way.combine is not None

    def _place(self, equation: Equation, step: Step | None) -> None:
        wanted = step.operands if step is not None else (None,) * len(equation.operands)
        level = max(
            (
                # Split otherwise than wanted, a value comes together and is cut anew.
                self.level_as(x, want if want == self.split_of(x) else None)
                for x, want in zip(equation.operands, wanted, strict=True)
            ),
            default=0,
        )
        results = step.results if step is not None else (None,) * len(equation.results)
        for v, split in zip(equation.results, results, strict=True):
            self.splits[v] = split
            self.levels[v] = level + (step is not None and step.combine is not None)
