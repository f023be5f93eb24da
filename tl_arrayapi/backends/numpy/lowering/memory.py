"""Memory: where every value that the program makes is put.

A result takes the memory of an operand that dies with it; what is only copied to a part of another array is made there
in the first place; and what is left shares one arena, each stretch of it free again when its last value is dead.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from tl_arrayapi.backends.numpy.lowering.instructions import Instruction
from tl_arrayapi.backends.numpy.lowering.steps import Step
from tl_arrayapi.backends.numpy.lowering.views import Root, View

__all__ = ["ALIGNMENT", "Layout", "Place", "placed"]

ALIGNMENT = 64
"""Bytes of a cache line, at whose multiples every array of the arena starts."""

_Time = tuple[float, float]
"""The number of a step, and of an instruction in it."""

_Home = Root | tuple[int, int]
"""What takes a stretch of memory: a root that lies in no other, or a slot of a step for blocks."""

_NEVER: _Time = (inf, inf)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a root begins: ``offset`` bytes into the arena, or into the output of that number. What is ``passing`` has
    memory for one block at a time.
    """

    offset: int
    output: int | None = None
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of roots, the bytes of the arena, how many buffers it holds, and the copies that need not be made."""

    places: dict[Root, Place]
    nbytes: int
    buffers: int
    needless: set[Instruction]


def placed(steps: Sequence[Step], outputs: Sequence[View]) -> Layout:
    """Return where everything that ``steps`` make is put."""
    lives = _Lives(steps, outputs)
    hosts = _Hosts(lives)
    for t in range(len(steps) - 1, -1, -1):
        for i in range(len(steps[t].instructions) - 1, -1, -1):
            hosts.look(steps[t], steps[t].instructions[i], (t, i))
    return _arranged(lives, hosts, outputs)


class _Lives:
    """When each made root is first written to and last read, and which live in one step alone, block by block."""

    def __init__(self, steps: Sequence[Step], outputs: Sequence[View]) -> None:
        self.first: dict[Root, _Time] = {}
        self.last: dict[Root, _Time] = {}
        self.kept = {view.root for view in outputs}
        for t, step in enumerate(steps):
            for i, instruction in enumerate(step.instructions):
                for view in (*instruction.operands, *instruction.results):
                    if view.root.made:
                        self.first.setdefault(view.root, (t, i))
                        self.last[view.root] = (t, i)
        for root in self.kept:
            self.last[root] = _NEVER
        self.slots: dict[Root, tuple[int, int]] = {}
        """For what needs the memory of a block only: its step, and the slot in it."""
        self.slot_bytes: dict[tuple[int, int], int] = {}
        for t, step in enumerate(steps):
            if step.blocks is not None:
                self._share_slots(t, step)

    def _share_slots(self, t: int, step: Step) -> None:
        assert step.blocks is not None
        free: dict[int, list[int]] = {}
        count = 0

        nbytes: dict[Root, int] = {}

        def release(roots: Iterable[Root]) -> None:
            for root in roots:
                free.setdefault(nbytes[root], []).append(self.slots[root][1])

        blocks = step.blocks
        for i, instruction in enumerate(step.instructions):
            inside = [v for v in instruction.operands if self._in_block(v, t, step)]
            dying = {v.root: v.dtype for v in inside if self.last[v.root] == (t, i)}
            # An elementwise result may take the slot of an operand of its dtype.
            like = instruction.results[0].dtype if instruction.elementwise else ""
            release(root for root, dtype in dying.items() if dtype == like)
            for view in instruction.results:
                if self._in_block(view, t, step) and view.root not in self.slots:
                    nbytes[view.root] = blocks.nbytes(view)
                    slots = free.get(nbytes[view.root])
                    if not slots:
                        slots, count = [count], count + 1
                    self.slots[view.root] = t, slots.pop()
                    self.slot_bytes[self.slots[view.root]] = nbytes[view.root]
            release(root for root, dtype in dying.items() if dtype != like)

    def _in_block(self, view: View, t: int, step: Step) -> bool:
        root = view.root
        return root.made and self.first[root][0] == t == self.last[root][0] and step.made_by_blocks(view)


class _Hosts:
    """Which root lies in the memory of which other, decided from the last instruction back to the first."""

    def __init__(self, lives: _Lives) -> None:
        self.of: dict[Root, tuple[Root, int]] = {}
        """The root that another lies in, and how many bytes from its beginning."""
        self.needless: set[Instruction] = set()
        self._lives = lives
        self._read: dict[tuple[Step, bool], list[View]] = {}

    def look(self, step: Step, instruction: Instruction, now: _Time) -> None:
        """Let the result of an instruction take the memory of an operand, or a copied operand lie in the copy."""
        if len(instruction.results) != 1 or not instruction.result.root.made:
            return
        result = instruction.result
        if result.root in self._lives.slots:
            return
        if instruction.op == "copy" and result.root.dtype == instruction.operands[0].root.dtype == result.dtype:
            self._make_in_place(instruction, instruction.operands[0], now)
        elif instruction.elementwise and step.blocks is None:
            for view in instruction.operands:
                if self._gives_way(view, result, now) and all(
                    v == view or v.root is not view.root for v in instruction.operands
                ):
                    self.of[view.root] = result.root, 0
                    return
        elif instruction.elementwise and step.blocks is not None:
            for view in self._read_by_blocks(step, result in step.blocks.full):
                if self._gives_way(view, result, now):
                    self.of[view.root] = result.root, 0
                    return

    def _read_by_blocks(self, step: Step, full: bool) -> list[View]:
        if (step, full) not in self._read:
            self._read[step, full] = step.read_by_blocks(full)
        return self._read[step, full]

    def _gives_way(self, view: View, result: View, now: _Time) -> bool:
        """Say whether ``result`` may be written over ``view``, element by element."""
        root = view.root
        return (
            root.made
            and root not in self.of
            and root not in self._lives.kept
            and root not in self._lives.slots
            and self._lives.last[root][0] == now[0]
            and self._lives.last[root][1] <= now[1]
            and view.whole
            and view.dtype == result.dtype
            and root.nbytes == result.root.nbytes
        )

    def _make_in_place(self, copy: Instruction, view: View, now: _Time) -> None:
        root, whole = view.root, copy.result.root
        if not (root.made and view.whole and copy.result.dense and view.dtype == root.dtype):
            return
        if root in self.of or root in self._lives.kept or root in self._lives.slots or root is whole:
            return
        last = self._lives.last
        if copy.shared and self._lives.first[whole] != now:
            return  # What writes to the same place before would write over what is made there.
        if last[root] > now:
            # What reads the original later finds it in the copy, so long as no other value is written over that.
            if copy.shared or (whole in self.of and last[root] >= last[whole]):
                return
            last[whole] = max(last[whole], last[root])
        self.of[root] = whole, copy.result.offset * root.itemsize
        self.needless.add(copy)

    def top(self, root: Root) -> tuple[Root, int]:
        """Return the root that lies in no other, and where in it ``root`` begins."""
        offset = 0
        while root in self.of:
            root, more = self.of[root]
            offset += more
        return root, offset


def _arranged(lives: _Lives, hosts: _Hosts, outputs: Sequence[View]) -> Layout:
    numbers = {view.root: k for k, view in enumerate(outputs) if view.root.made}
    spans: dict[_Home, tuple[int, float, float]] = {}  # Bytes, the first step and the last.
    homes: dict[Root, tuple[_Home, int]] = {}
    for root, (start, _) in lives.first.items():
        end = lives.last[root][0]
        home: _Home
        if root in lives.slots:
            home, offset = lives.slots[root], 0
            nbytes = lives.slot_bytes[lives.slots[root]]
        else:
            home, offset = hosts.top(root)
            nbytes = home.nbytes
        homes[root] = home, offset
        if home not in numbers:
            _, first, last = spans.get(home, (0, start, end))
            spans[home] = nbytes, min(first, start), max(last, end)
    offsets, nbytes = _allocated(spans.items())
    places = {
        root: Place(offset, numbers[home])
        if home in numbers
        else Place(offsets[home] + offset, passing=root in lives.slots)
        for root, (home, offset) in homes.items()
    }
    return Layout(places, nbytes, len(spans), hosts.needless)


def _allocated(spans: Iterable[tuple[_Home, tuple[int, float, float]]]) -> tuple[dict[_Home, int], int]:
    """Return where in an arena each of ``spans`` of bytes and of time begins, and how large it is."""
    events: dict[float, tuple[list[tuple[int, _Home]], list[tuple[int, _Home]]]] = {}
    for key, (nbytes, first, last) in spans:
        size = max(-(-nbytes // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
        events.setdefault(first, ([], []))[0].append((size, key))
        events.setdefault(last, ([], []))[1].append((size, key))
    arena, offsets = _Arena(), {}
    for time in sorted(events):
        born, dead = events[time]
        for size, key in sorted(born, key=lambda pair: -pair[0]):
            offsets[key] = arena.take(size)
        for size, key in dead:
            arena.give(offsets[key], size)
    return offsets, arena.size


class _Arena:
    """The free stretches of an arena that grows as it must."""

    def __init__(self) -> None:
        self.size = 0
        self._free: dict[int, int] = {}  # From where a stretch begins to where it ends.

    def take(self, size: int) -> int:
        """Return the beginning of the smallest free stretch of ``size`` bytes."""
        fitting = [(end - start, start) for start, end in self._free.items() if end - start >= size]
        if fitting:
            found, start = min(fitting)
            del self._free[start]
            if found > size:
                self._free[start + size] = start + found
            return start
        start = next((start for start, end in self._free.items() if end == self.size), self.size)
        self._free.pop(start, None)
        self.size = start + size
        return start

    def give(self, start: int, size: int) -> None:
        """Free a stretch, and join it with its free neighbours."""
        end = start + size
        for other, stop in self._pairs():
            if stop == start:
                start = other
                del self._free[other]
            elif other == end:
                end = stop
                del self._free[other]
        self._free[start] = end

    def _pairs(self) -> Iterator[tuple[int, int]]:
        return iter(list(self._free.items()))
