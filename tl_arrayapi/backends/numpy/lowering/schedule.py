"""The schedule: instructions in the order in which they run, those of a run on large arrays together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tl_arrayapi.backends.numpy.lowering.blocked import blocked
from tl_arrayapi.backends.numpy.lowering.groups import Group, joins
from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.recompute import recompute
from tl_arrayapi.backends.numpy.lowering.steps import Step
from tl_arrayapi.backends.numpy.lowering.views import Root, View

__all__ = ["BLOCK", "LARGE", "scheduled"]

LARGE = 1 << 19
"""Bytes of a result from which it is worth to go by blocks: several of these do not fit a core's cache."""

BLOCK = 1 << 17
"""Bytes of a block: several of these fit a core's cache, and what they take is far more than a call of NumPy does."""

_HEAVY = {"call", "dot", "matmul", "reduce", "scatter", "take"}
"""What ends a run: nothing is moved across these, so that no array lives longer than it did."""

_REDUCTIONS = {"dot", "reduce"}

_LOOKED_AT = 4
"""The most groups before the last product that are looked at for a place."""


def scheduled(
    instructions: Sequence[Instruction], outputs: Sequence[View], large: int = LARGE, block: int = BLOCK
) -> list[Step]:
    """Return the steps of a program whose ``instructions`` are in an order in which they can run.

    Results of ``large`` bytes go by blocks of ``block`` bytes.
    """
    schedule = _Schedule(large, block)
    for instruction in instructions:
        schedule.add(instruction)
    groups = [slot.main for slot in schedule.slots if isinstance(slot.main, Group)]
    recompute(groups, [x for slot in schedule.slots for x in slot.alone], {v.root for v in outputs})
    return [step for slot in schedule.slots for step in slot.steps()]


@dataclass(eq=False, slots=True)
class _Slot:
    """A place in the order: an instruction or a group, then small things that come right after."""

    main: "Instruction | Group | None"
    after: list[Instruction] = field(default_factory=list)

    @property
    def alone(self) -> list[Instruction]:
        """What runs here by itself."""
        return [self.main, *self.after] if isinstance(self.main, Instruction) else self.after

    def steps(self) -> list[Step]:
        """Return what runs here."""
        together = blocked(self.main) if isinstance(self.main, Group) else []
        return [*together, *(Step([x]) for x in self.alone)]


class _Schedule:
    """The slots so far, and the slot after which each root can be read."""

    def __init__(self, large: int, block: int) -> None:
        self._large, self._block = large, block
        self.slots = [_Slot(None)]
        self._ready: dict[Root, int] = {}
        self._open: dict[int, list[int]] = {}
        """The slots of the groups that may still grow, by the size of their arrays."""
        self._closed: dict[int, list[int]] = {}
        """The slots of the others."""

    def add(self, x: Instruction) -> None:
        """Put an instruction into a slot."""
        # One number is computed as soon as it can be; and bytes are, so that what they are made of need not be kept.
        early = x.elementwise and not x.shared and (x.result.size <= 1 or x.result.root.itemsize == 1)
        place = self._of_group(x, early)
        if place is None:
            ready = max((self._ready.get(v.root, 0) for v in x.operands), default=0)
            if early:
                place = ready
                self.slots[place].after.append(x)
            else:
                if x.op in _HEAVY and any(v.root.nbytes >= self._large for v in (*x.operands, *x.results)):
                    self._close()
                place = len(self.slots)
                self.slots.append(_Slot(x))
        for view in x.results:
            self._ready[view.root] = max(place, self._ready.get(view.root, 0))

    def _close(self) -> None:
        for size, places in self._open.items():
            self._closed.setdefault(size, []).extend(places)
        self._open.clear()

    def _of_group(self, x: Instruction, early: bool) -> int | None:
        if x.shared or len(x.results) != 1:
            return None
        if x.op in _REDUCTIONS:
            sizes = {v.size for v in x.operands}
        elif x.elementwise:
            sizes = {x.result.size, *(v.size for v in x.operands)}
        else:
            return None
        for size in sizes:
            places = self._open.get(size, [])[::-1]
            if early:
                places = self._closed.get(size, [])[-_LOOKED_AT:] + places[::-1]
            for place in places:
                group = self.slots[place].main
                assert isinstance(group, Group)
                ready = all(v.root in group.made or self._ready.get(v.root, -1) < place for v in x.operands)
                if ready and joins(group, x):
                    return place
        if x.elementwise and x.result.root.nbytes >= self._large and x.result.whole:
            group = Group(x.result.size, self._block)
            if joins(group, x):
                place = len(self.slots)
                self.slots.append(_Slot(group))
                self._open.setdefault(group.size, []).append(place)
                return place
        return None
