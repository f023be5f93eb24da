"""Recomputation: what a later group can make again of what it has, in the cache, is not kept for it in memory.

A sum or a product of a block takes less than to write the array that it is a block of, and to read that again.
"""

from collections.abc import Sequence
from dataclasses import replace

from tl_arrayapi.backends.numpy.lowering.blocked import blocks_of
from tl_arrayapi.backends.numpy.lowering.groups import Group, joins
from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.views import Root

__all__ = ["recompute"]

_CHEAP = frozenset(("abs", "add", "copyto", "maximum", "minimum", "multiply", "negative", "square", "subtract"))

_MOST = 4
"""The most instructions that are run again for one array."""


def recompute(groups: Sequence[Group], alone: Sequence[Instruction], kept: set[Root]) -> None:
    """Have later ``groups`` make again what is cheap to make, where groups alone read it.

    ``groups`` are in their order, ``alone`` the instructions that are in none, and ``kept`` the outputs.
    """
    _Recomputation(groups, alone, kept).run()


class _Recomputation:
    """Who reads what, and what has been made again in which group."""

    def __init__(self, groups: Sequence[Group], alone: Sequence[Instruction], kept: set[Root]) -> None:
        self._groups = groups
        self._fixed = kept | {v.root for x in alone for v in x.operands}
        self._readers: dict[Root, set[int]] = {}
        for number, group in enumerate(groups):
            for x in group.instructions:
                for view in x.operands:
                    self._readers.setdefault(view.root, set()).add(number)
        self._again: dict[int, dict[Root, Root]] = {number: {} for number in range(len(groups))}

    def run(self) -> None:
        """Go through all groups, from the first to the last."""
        for number, group in enumerate(self._groups):
            if all(readers <= {number} for root in group.made if (readers := self._readers.get(root, set()))):
                continue
            makers = {x.result.root: x for x in group.instructions if group.made.get(x.result.root) == "full"}
            for root in makers:
                later = self._later(root, number)
                if later and root not in self._fixed:
                    self._repeat(root, makers, number, later)
            self._drop_unread(group, number)

    def _later(self, root: Root, number: int) -> list[int]:
        return sorted(self._readers.get(root, set()) - {number})

    def _repeat(self, root: Root, makers: dict[Root, Instruction], number: int, later: list[int]) -> None:
        """Have all ``later`` groups make ``root`` again, if that is worth it for each of them."""
        recipe: dict[Root, Instruction] = {}
        if not self._adds_recipe(root, makers, number, recipe) or blocks_of(self._groups[number]).count < 2:
            return
        if not all(_goes_by_blocks(self._groups[n], root) for n in later):
            return
        changed = [self._with(self._groups[n], self._again[n], recipe) for n in later]
        if None in changed:
            return
        for n, found in zip(later, changed, strict=True):
            assert found is not None
            group, again = found
            old = self._groups[n]
            old.width, old.made, old.instructions = group.width, group.made, group.instructions
            self._again[n] = again
            for i, x in enumerate(old.instructions):
                old.instructions[i] = _reading(x, {root: again[root]})
            for x in recipe.values():
                for view in x.operands:
                    if view.root not in again:
                        self._readers.setdefault(view.root, set()).add(n)
            self._readers[root].discard(n)

    def _adds_recipe(
        self, root: Root, makers: dict[Root, Instruction], number: int, recipe: dict[Root, Instruction]
    ) -> bool:
        """Add what makes ``root`` of arrays that are in memory anyway; say whether it is cheap."""
        if root in recipe:
            return True
        x = makers[root]
        if x.name not in _CHEAP:
            return False
        for view in x.operands:
            stored = view.root not in makers or view.root in self._fixed or self._later(view.root, number)
            if not stored and not self._adds_recipe(view.root, makers, number, recipe):
                return False
        recipe[root] = x
        return len(recipe) <= _MOST

    def _with(
        self, group: Group, again: dict[Root, Root], recipe: dict[Root, Instruction]
    ) -> tuple[Group, dict[Root, Root]] | None:
        """Return a group that makes ``recipe`` first, and the names of what it makes again; None where it cannot, or
        would read more arrays than it is spared.
        """
        read = {v.root for x in group.instructions for v in x.operands if v.size == group.size}
        wanted = {v.root for x in recipe.values() for v in x.operands if v.size == group.size}
        if len(wanted - read - recipe.keys() - again.keys()) > 1:
            return None
        trial = replace(group, instructions=[], made=dict(group.made))
        again = dict(again)
        for root, x in recipe.items():
            if root not in again:
                clone = Root(root.shape, root.dtype)
                result = replace(x.result, root=clone)
                if not joins(trial, replace(_reading(x, again), results=(result,))):
                    return None
                again[root] = clone
        # They read what is made before the group, and one another.
        clones = set(again.values())
        count = sum(x.result.root in clones for x in group.instructions)
        trial.instructions = [*group.instructions[:count], *trial.instructions, *group.instructions[count:]]
        return (trial, again) if blocks_of(trial).count > 1 else None

    def _drop_unread(self, group: Group, number: int) -> None:
        """Remove what nothing reads any more."""
        read: set[Root] = set()
        found = []
        for x in reversed(group.instructions):
            root = x.result.root
            if root not in group.made or root in read or root in self._fixed or self._later(root, number):
                found.append(x)
                read.update(v.root for v in x.operands)
        group.instructions = found[::-1]


def _goes_by_blocks(group: Group, root: Root) -> bool:
    """Say whether ``group`` reads ``root`` block by block only."""
    views = [v for x in group.instructions for v in x.operands if v.root is root]
    return root.size == group.size and all(v.whole for v in views)


def _reading(x: Instruction, names: dict[Root, Root]) -> Instruction:
    """Return an instruction that reads other roots for those of ``names``."""
    operands = tuple(replace(v, root=names[v.root]) if v.root in names else v for v in x.operands)
    return replace(x, operands=operands)
