"""Positions that stay in their row: what makes a gather by flat positions one that each chunk does for itself.

``take_along_axis`` and indexing by several integer arrays count positions through all axes: row i of an array of
``width`` elements a row has those from ``i * width`` on. Where every position that row i asks for lies between these
and the next row's, cutting the array and its positions between the same rows leaves both in one chunk.

Positions are bounded by walking back from them: a value is ``slope * i`` plus something between two bounds, i being
the place along the first axis. What a comparison says holds in the branch of `where` that it chooses.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.backends.dask.partition.axes import Axes, Axis, axes_of
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var

__all__ = ["Bounds", "Positions"]

_Facts = Mapping[Var, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """``slope * i + low`` at least and ``slope * i + high`` at most, i being the place along the axis in question."""

    slope: float
    low: float
    high: float

    @property
    def constant(self) -> float | None:
        """The value, where it is the same everywhere."""
        return self.low if self.slope == 0 and self.low == self.high else None


_UNKNOWN = Bounds(0, -math.inf, math.inf)
_SIDES: dict[str, tuple[bool, bool]] = {
    # Of x < c: whether it bounds x from above, and whether c itself is excluded.
    "less": (True, True),
    "less_equal": (True, False),
    "greater": (False, True),
    "greater_equal": (False, False),
}
_MIRRORED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal"}
_OPPOSITE = {"less": "greater_equal", "less_equal": "greater", "greater": "less_equal", "greater_equal": "less"}


class Positions:
    """Say of a graph's gathers and scatters whether they stay in their rows."""

    def __init__(self, graph: Graph) -> None:
        self._makers = graph.makers
        self._known: dict[Any, Bounds] = {}

    def axes(self, equation: Equation) -> Axes:
        """Return which axes of an equation go together, as `axes_of` does; where positions stay in their rows, the axis
        that they count along goes with their own.
        """
        found = axes_of(equation)
        if equation.name not in ("take", "scatter_add"):
            return found
        array, indices = (equation.operands[0] if equation.name == "take" else equation.result), equation.operands[1]
        axis = equation.get("axis")
        rows = self.rows(indices, array.shape[axis])
        if rows is None:
            return found
        along, index = Axis("row", array.shape[axis] // rows), Axis("row", indices.shape[0] // rows)
        rest = tuple(None if i == axis else Axis(i) for i in range(array.ndim))
        whole, part = ((*rest[:axis], x, *rest[axis + 1 :]) for x in (along, index))
        return Axes((whole, (index,)), (part,)) if equation.name == "take" else Axes((part, (index,)), (whole,))

    def rows(self, indices: Atom, length: int) -> int | None:
        """Return the number of rows that an axis of ``length`` elements has, where each of ``indices``, of one axis,
        stays in its own; a position beyond the axis, which the library refuses, may stand anywhere.
        """
        maker = self._makers.get(indices) if isinstance(indices, Var) else None
        if maker is None:
            return None
        source = maker.operands[0] if maker.name == "reshape" else indices
        rows = next((n for n in source.shape if n > 1), 1)
        if rows == 1 or length % rows or indices.size % rows:
            return None
        axis = next(i for i, n in enumerate(source.shape) if n > 1)
        found = self.bounds(source, axis, {}, length)
        width = length // rows
        return rows if found.slope == width and found.low >= 0 and found.high < width else None

    def bounds(self, x: Atom, axis: int | None, facts: _Facts, beyond: float = math.inf) -> Bounds:
        """Return the bounds of ``x`` along ``axis`` (None: it has no such axis), given what is known of some values.
        Constants of at least ``beyond`` count for nothing beside other branches.
        """
        if isinstance(x, Literal):
            return Bounds(0, x.value, x.value) if isinstance(x.value, (int, float)) else _UNKNOWN
        if "int" not in x.dtype:
            return _UNKNOWN
        asked = x, axis, frozenset(facts.items()), beyond
        if asked not in self._known:  # walked twice, what two values share would be walked 2**n times
            self._known[asked] = self._found(x, axis, facts, beyond)
        return self._known[asked]

    def _found(self, x: Var, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        least, most = _range(x.dtype)
        maker = self._makers.get(x)
        rule = _RULES.get(maker.name) if maker is not None else None
        found = rule(self, maker, axis, facts, beyond) if rule is not None and maker is not None else _UNKNOWN
        reach = found.slope * (x.shape[axis] - 1) if axis is not None else 0
        if found.low + min(reach, 0) < least or found.high + max(reach, 0) > most:
            found = Bounds(0, least, most)  # it may wrap around
        if found.slope == 0 and x in facts:
            low, high = facts[x]
            found = Bounds(0, max(found.low, low), min(found.high, high))
        return found

    def assumed(self, condition: Atom, holds: bool, facts: _Facts) -> _Facts:
        """Return what is known where ``condition`` holds, or does not."""
        maker = self._makers.get(condition) if isinstance(condition, Var) else None
        if maker is None:
            return facts
        name = maker.name
        if name in ("logical_not", "bitwise_invert"):
            return self.assumed(maker.operands[0], not holds, facts)
        if name in ("logical_and", "bitwise_and") if holds else name in ("logical_or", "bitwise_or"):
            for x in maker.operands:
                facts = self.assumed(x, holds, facts)
            return facts
        if name not in _SIDES:
            return facts
        x, y = maker.operands
        limit = self.bounds(y, None, {}).constant
        if limit is None:
            x, y, name = y, x, _MIRRORED[name]
            limit = self.bounds(y, None, {}).constant
        if limit is None or not isinstance(x, Var) or "int" not in x.dtype:
            return facts
        above, strict = _SIDES[name if holds else _OPPOSITE[name]]
        low, high = facts.get(x, _range(x.dtype))
        new = (low, min(high, limit - strict)) if above else (max(low, limit + strict), high)
        return {**facts, x: new}

    def _possible(self, facts: _Facts) -> bool:
        """Say whether values can be as the facts have them."""
        everywhere = ((self.bounds(x, None, {}), limits) for x, limits in facts.items())
        return all(max(b.low, low) <= min(b.high, high) for b, (low, high) in everywhere)

    # ---- rules: of an equation, the axis, the facts and what lies beyond
    def _sum(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        x, y = self._operands(equation, axis, facts)
        if equation.name == "subtract":
            y = Bounds(-y.slope, -y.high, -y.low)
        return Bounds(x.slope + y.slope, x.low + y.low, x.high + y.high)

    def _product(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        x, y = self._operands(equation, axis, facts)
        by = y.constant
        if by is None:
            x, y, by = y, x, x.constant
        if by is None or not math.isfinite(by) or by < 0:
            return _UNKNOWN
        return Bounds(x.slope * by, x.low * by, x.high * by) if by else Bounds(0, 0, 0)

    def _chosen(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        condition, *branches = equation.operands
        # A condition that is broadcast says of all places what it says of one of its own.
        known = [self.assumed(condition, holds, facts) for holds in (True, False)]
        found = [
            self.bounds(x, _axis_in(x, equation.result, axis), fact, beyond)
            for x, fact in zip(branches, known, strict=True)
            if self._possible(fact)
        ]
        left = [b for b in found if b.constant is None or b.low < beyond] or found
        if not left or any(b.slope != left[0].slope for b in left):
            return _UNKNOWN
        return Bounds(left[0].slope, min(b.low for b in left), max(b.high for b in left))

    def _clipped(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        x, y = self._operands(equation, axis, facts)
        pick = max if equation.name == "maximum" else min
        return Bounds(0, pick(x.low, y.low), pick(x.high, y.high)) if x.slope == y.slope == 0 else _UNKNOWN

    def _remainder(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        by = self.bounds(equation.operands[1], None, {}).constant
        return Bounds(0, 0, by - 1) if by is not None and by > 0 and "int" in equation.result.dtype else _UNKNOWN

    def _same(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        (x,) = equation.operands
        whole = equation.name != "astype" or ("int" in x.dtype and "int" in equation.result.dtype)
        return self.bounds(x, _axis_in(x, equation.result, axis), facts, beyond) if whole else _UNKNOWN

    def _moved(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        known = axes_of(equation)
        (x,) = equation.operands
        if axis is None:
            return self.bounds(x, None, {}, beyond)
        along = known.results[0][axis]
        if along is None or along.factor != 1:
            return _UNKNOWN
        return self.bounds(x, known.operands[0].index(along), {}, beyond) if along in known.operands[0] else _UNKNOWN

    def _counted(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        start, step = equation.get("start", 0), equation.get("step", 1)
        last = start + step * (equation.result.size - 1)
        return Bounds(step, start, start) if axis is not None else Bounds(0, min(start, last), max(start, last))

    def _filled(self, equation: Equation, axis: int | None, facts: _Facts, beyond: float) -> Bounds:
        value = equation.get("value")
        return Bounds(0, value, value) if isinstance(value, (int, float)) else _UNKNOWN

    def _operands(self, equation: Equation, axis: int | None, facts: _Facts) -> list[Bounds]:
        return [self.bounds(x, _axis_in(x, equation.result, axis), facts) for x in equation.operands]


def _range(dtype: str) -> tuple[float, float]:
    bits = int(dtype.rpartition("int")[2])
    return (0, 2**bits - 1) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _axis_in(x: Atom, result: Var, axis: int | None) -> int | None:
    """Return the axis of an operand that an axis of an elementwise result comes from; None where it is broadcast."""
    if axis is None:
        return None
    place = axis - (result.ndim - x.ndim)
    return place if place >= 0 and x.shape[place] == result.shape[axis] else None


_RULES: dict[str, Callable[[Positions, Equation, int | None, _Facts, float], Bounds]] = {
    **dict.fromkeys(("add", "subtract"), Positions._sum),
    "multiply": Positions._product,
    "where": Positions._chosen,
    **dict.fromkeys(("maximum", "minimum"), Positions._clipped),
    "remainder": Positions._remainder,
    **dict.fromkeys(("astype", "broadcast_to", "positive"), Positions._same),
    **dict.fromkeys(("reshape", "permute_dims"), Positions._moved),
    "arange": Positions._counted,
    "full": Positions._filled,
}
