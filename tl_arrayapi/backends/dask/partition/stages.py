"""Cut a graph into stages, by where its values are split: what each chunk computes for itself, and what is done once.

Stages stand in a row: round 0 once, round 0 on chunks, round 1 once, and so on. A stage on chunks is one task a chunk;
the parts that it makes come together, and the stage after it, which runs once, is one task. What is whole is computed
as late as it can be, so that an update and whatever no chunk reads share the last task; what is cheap, or would be as
long as the whole cut axis, each chunk makes for itself.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tl_arrayapi.backends.dask.partition.axes import Axes
from tl_arrayapi.backends.dask.partition.lattice import Lattice, Split, steps_of
from tl_arrayapi.graph.graph import Equation, Graph, Var

__all__ = ["PART", "Entry", "Form", "Stage", "stages_of"]

PART = "part"
"""The form of a value in the chunk that has made its part of it."""

Form = Split | str | None
"""How a stage has a value: whole (None), its own chunk of it (a `Split`), or `PART`."""

_VIEWS = {"getitem", "embed", "put"}
_VIEW_KINDS = {"movement", "creation"}
_FEW = 4096
"""Elementwise functions of so many elements are done again in each chunk, rather than in a task of their own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An equation in a stage: the form of each of its operands and of its results; its place in the graph; and how
    many pieces a step of the grid may be cut into (0: this is no matter of the grid).
    """

    equation: Equation
    operands: tuple[Form, ...]
    results: tuple[Form, ...]
    number: int
    pieces: int = 0


@dataclass(slots=True)
class Stage:
    """Equations that run together: once (``chunks`` False), or in every chunk.

    ``reads`` are the values that come from outside, in the forms that the entries have them. ``parts`` are the
    values that this stage's chunks make parts of, with the functions that join these; ``gathers`` the split values
    that come together for this stage. ``writes`` are what others read of it.
    """

    round: int
    chunks: bool
    entries: list[Entry] = field(default_factory=list)
    reads: dict[tuple[Var, Form], None] = field(default_factory=dict)
    parts: dict[Var, str] = field(default_factory=dict)
    gathers: dict[Var, None] = field(default_factory=dict)
    writes: dict[tuple[Var, Form], None] = field(default_factory=dict)

    @property
    def needed(self) -> bool:
        """Whether anything reads what this stage makes."""
        return bool(self.writes or self.parts)

    @property
    def pieces(self) -> int:
        """How many pieces a step of the grid may be cut into, with each done for itself."""
        return math.gcd(*(entry.pieces for entry in self.entries)) or 1


def stages_of(graph: Graph, lattice: Lattice, axes: Callable[[Equation], Axes]) -> list[Stage]:
    """Return the stages of ``graph``: the one that runs once and the one on chunks of each round, in order."""
    return _Staging(graph, lattice, axes).stages


class _Staging:
    """Walk back from the outputs. Places are numbered: round k once is 2k, on chunks 2k + 1."""

    def __init__(self, graph: Graph, lattice: Lattice, axes: Callable[[Equation], Axes]) -> None:
        self.graph, self.lattice, self.axes = graph, lattice, axes
        self.last = max(lattice.levels.values(), default=0)
        self.last = max([self.last, *(lattice.levels[x] + 1 for x in lattice.gathered)])
        self.stages = [Stage(place // 2, bool(place % 2)) for place in range(2 * self.last + 2)]
        self.wanted: dict[Var, dict[Form, set[int]]] = defaultdict(lambda: defaultdict(set))
        self.home: dict[Var, int] = {}
        for x in graph.outputs:
            if isinstance(x, Var):
                self.wanted[x][lattice.splits[x]].add(2 * self.last)
        for number in reversed(range(len(graph.equations))):
            self._place(number, graph.equations[number])
        for stage in self.stages:
            stage.entries.reverse()
        self._connect()

    # ---- which equation runs where
    def _place(self, number: int, equation: Equation) -> None:
        step = self.lattice.steps[number]
        if not any(self.wanted[v] for v in equation.results):
            return
        if step is None:
            self._place_whole(number, equation)
            return
        results: tuple[Form, ...] = step.results
        round_ = self.lattice.levels[equation.results[0]]
        if step.combine is not None:
            round_ -= 1
            results = (PART,) * len(results)
            for v in equation.results:
                self.stages[2 * round_ + 1].parts[v] = step.combine
                self.home[v] = 2 * round_ + 2
        else:
            for v in equation.results:
                self.home[v] = 2 * round_ + 1
        self._enter(2 * round_ + 1, number, equation, step.operands, results, step.pieces)

    def _place_whole(self, number: int, equation: Equation) -> None:
        once: set[int] = set()
        again: set[int] = set()
        for v in equation.results:
            for form, places in self.wanted[v].items():
                for place in places:
                    if isinstance(form, Split) and self._enter_cut(place, number, equation, form):
                        continue
                    (again if place % 2 and form is None and _is_cheap(equation) else once).add(place)
        whole = (None,) * len(equation.operands), (None,) * len(equation.results)
        for place in sorted(again):
            self._enter(place, number, equation, *whole)
        if once:
            home = min(once) // 2 * 2
            for v in equation.results:
                self.home[v] = home
            self._enter(home, number, equation, *whole)

    def _enter_cut(self, place: int, number: int, equation: Equation, form: Split) -> bool:
        """Have each chunk make its own chunk of a whole result, where that is cheap; say whether it is."""
        if not (_is_view(equation) or equation.kind in ("elementwise", "cast")) or len(equation.results) != 1:
            return False
        known = self.axes(equation)
        step = steps_of(known, known.results[0], form)
        if step is None:
            return False
        self._enter(place, number, equation, step.operands, (form,), step.pieces)
        return True

    def _enter(
        self,
        place: int,
        number: int,
        equation: Equation,
        operands: tuple[Form, ...],
        results: tuple[Form, ...],
        pieces: int = 0,
    ) -> None:
        self.stages[place].entries.append(Entry(equation, operands, results, number, pieces))
        for x, form in zip(equation.operands, operands, strict=True):
            if isinstance(x, Var):
                self.wanted[x][form].add(place)

    # ---- what they read of one another
    def _connect(self) -> None:
        """Note what each stage reads, and have the stage that makes it write it."""
        for stage in self.stages:
            made = {
                (v, form)
                for entry in stage.entries
                for v, form in zip(entry.equation.results, entry.results, strict=True)
            }
            for entry in stage.entries:
                for x, form in zip(entry.equation.operands, entry.operands, strict=True):
                    if isinstance(x, Var) and (x, form) not in made:
                        self._read(stage, x, form)
        for x in self.graph.outputs:
            if isinstance(x, Var) and x not in self.graph.given:
                self._written(x, self.lattice.splits[x])

    def _read(self, stage: Stage, x: Var, form: Form) -> None:
        stage.reads[x, form] = None
        split = self.lattice.splits[x]
        if form == split or split is None:
            if x in self.home:
                self._written(x, split, stage)
            return
        # Its chunks come together once, in the stage after that of those.
        gathering = self.stages[2 * (self.lattice.levels[x] + 1)]
        gathering.gathers[x] = None
        if x in self.home:
            self._written(x, split)
        if gathering is not stage:
            gathering.writes[x, None] = None

    def _written(self, x: Var, form: Form, reader: Stage | None = None) -> None:
        stage = self.stages[self.home[x]]
        if stage is not reader:
            stage.writes[x, form] = None


def _is_view(equation: Equation) -> bool:
    return equation.kind in _VIEW_KINDS or equation.name in _VIEWS


def _is_cheap(equation: Equation) -> bool:
    """Say whether an equation costs each chunk less than a task of its own would."""
    few = all(v.size <= _FEW for v in equation.results)
    return _is_view(equation) or (equation.kind in ("elementwise", "cast") and few)
