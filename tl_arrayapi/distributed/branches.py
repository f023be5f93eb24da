"""A sum in a tree of fixed shape, of parts that come in any order.

Floating-point addition is not associative: which numbers meet first decides the last bits. Here the leaves are
numbered, and two branches meet if they are siblings in the one binary tree over all leaves, whoever brings them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["Branches"]

_T = TypeVar("_T")

_Place = tuple[int, int]
"""(height, index): the branch over the leaves from ``index * 2**height`` to ``(index + 1) * 2**height - 1``."""


@dataclass(frozen=True)
class Branches(Generic[_T]):
    """Hold sums over some of the leaves, as whole branches that have not met their siblings yet.

    There are at most two for each height and each run of neighbouring leaves. ``add(left, right)`` adds two values; it
    is a function that can be pickled.

    >>> add = lambda left, right: f"({left}{right})"
    >>> right = Branches.of(add, enumerate("cde", start=2))
    >>> Branches.of(add, enumerate("ab")).merge(right).total()
    '(((ab)(cd))e)'
    >>> right.merge(Branches.of(add, enumerate("ab"))).total()
    '(((ab)(cd))e)'
    """

    add: Callable[[_T, _T], _T]
    values: Mapping[_Place, _T]

    @classmethod
    def of(cls, add: Callable[[_T, _T], _T], leaves: Iterable[tuple[int, _T]]) -> "Branches[_T]":
        """Return the sums over ``leaves``, pairs of a number and a value, in any order, none twice."""
        values: dict[_Place, _T] = {}
        for number, value in leaves:
            _grow(add, values, (0, number), value)
        return cls(add, values)

    def merge(self, other: "Branches[_T]") -> "Branches[_T]":
        """Return the sums over the leaves of both, which have none in common."""
        values = dict(self.values)
        for place, value in other.values.items():
            _grow(self.add, values, place, value)
        return Branches(self.add, values)

    def total(self) -> _T:
        """Return the sum of all: of branches without a sibling, the rightmost two first, as in `partition.Tree`."""
        ordered = sorted(self.values.items(), key=lambda item: item[0][1] << item[0][0], reverse=True)
        (_, total), *rest = ordered
        for _, value in rest:
            total = self.add(value, total)
        return total


def _grow(add: Callable[[Any, Any], Any], values: dict[_Place, Any], place: _Place, value: Any) -> None:
    """Put in a branch, and join it with its sibling, and what that gives with its own, as long as there is one."""
    height, index = place
    while (sibling := (height, index ^ 1)) in values:
        other = values.pop(sibling)
        value = add(other, value) if index & 1 else add(value, other)
        height, index = height + 1, index >> 1
    values[height, index] = value
