"""Tape, the level of reverse-mode differentiation: it records operations and replays their rules backwards.

A node is (primitive, parents, operands, static, out): parents are the places of watched operands (None for others),
operands and out are values of the level below. The tape holds values, never Arrays of its own, so that nothing refers
back to it.
"""

import itertools
from collections.abc import Callable
from typing import Any

from tl_arrayapi.autograd.array import Array, Level, bind, held, stripped
from tl_arrayapi.autograd.cotangents import PART, conform
from tl_arrayapi.autograd.cotangents import cotangents as cotangents_of
from tl_arrayapi.autograd.debug import is_debugging, replay
from tl_arrayapi.autograd.embed import is_writeable
from tl_arrayapi.autograd.masks import Masks, is_guarded
from tl_arrayapi.autograd.primitive import Primitive
from tl_arrayapi.autograd.rules.elementwise import WHERE
from tl_arrayapi.autograd.rules.indexing import GETITEM
from tl_arrayapi.autograd.source import user_line
from tl_arrayapi.errors import NoRuleError, TraceError

__all__ = ["Tape", "next_number"]

_NUMBERS = itertools.count()


def next_number() -> int:
    """Return the number of a new level: later levels are inner, so the largest number wins."""
    return next(_NUMBERS)


class Tape(Level):
    """Record what is done to watched values, and replay it backwards with `pull`."""

    __slots__ = ("_held", "_nested", "_open", "by_value", "leaves", "lines")

    watches = True

    def __init__(self, namespace: Any) -> None:
        self.number = next_number()
        self.namespace = namespace
        self.ground = namespace.ground
        self.functions = self.ground.functions
        self.nodes = []
        self.leaves = 0
        self.lines: dict[int, str] | None = None  # the user's, by the places of nodes, where they are noted
        self.by_value = False  # whether what the function captures is copied, to be replayed later
        # What it captured, by identity: that array, kept alive; what is recorded of it; and how to let go of it.
        self._held: dict[int, tuple[Any, Any, Callable[[], bool] | None]] = {}
        self._nested = False
        self._open = True
        if is_debugging() or self.ground.traces:
            self.note_lines()

    def note_lines(self) -> None:
        """Note the user's line of every operation, which then takes the long way."""
        self.lines = {}
        self.functions = None

    # ---- recording
    def watch(self, values: list[Any]) -> list[Array]:
        """Return ``values`` as leaves; all leaves come before any operation."""
        for value in values:
            if type(value) is Array:
                self._nest()
        self.leaves = len(values)
        self.nodes = [None] * len(values)
        return [Array(held(value), self, index) for index, value in enumerate(values)]

    def lift(self, value: Any) -> Array:
        """Return ``value`` as a constant of this level, so that operations with watched values take the short way."""
        if type(value) is Array:
            return value
        return Array(value, self)

    def _nest(self) -> None:
        """Note that a value is itself an Array: from here on every operation is dispatched below."""
        self._nested = True
        self.functions = None

    def process(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Run ``primitive`` one level below and record it."""
        if not self._open:
            raise TraceError(
                f"an array is used in {primitive.name} after the function that it belonged to has returned "
                f"({user_line()}): "
                "return it from the function, instead of keeping it in a variable outside"
            )
        values, parents = [], []
        for x in operands:
            if type(x) is Array and x.level is self:
                values.append(x.value)
                parents.append(x.index)
            else:
                values.append(x)
                parents.append(None)
        is_watched = any(parent is not None for parent in parents)
        if is_watched and not primitive.differentiable:
            raise NoRuleError(
                f"{primitive.name} has no derivative rule, and its operand is watched ({user_line()}): "
                "write it with functions that have one, or pass it tl.stop_gradient(x)"
            )
        out = bind(primitive, tuple(values), static, self.ground)
        if isinstance(out, tuple):
            return self._record_all(primitive, tuple(parents), tuple(values), static, out, is_watched)
        return self._record(primitive, tuple(parents), tuple(values), static, out, is_watched)

    def _record(
        self,
        primitive: Primitive,
        parents: tuple[Any, ...],
        values: tuple[Any, ...],
        static: dict[str, Any],
        out: Array,
        is_watched: bool,
    ) -> Array:
        values = tuple(held(stripped(x)) for x in values)
        value = stripped(out)
        if type(value) is Array:
            self._nest()
        if not is_watched or primitive.zero_gradient:
            return Array(value, self)
        if self.lines is not None:
            self.lines[len(self.nodes)] = user_line()
        self.nodes.append((primitive, parents, values, static, value))
        return Array(value, self, len(self.nodes) - 1)

    def _record_all(
        self,
        primitive: Primitive,
        parents: tuple[Any, ...],
        values: tuple[Any, ...],
        static: dict[str, Any],
        out: tuple[Array, ...],
        is_watched: bool,
    ) -> tuple[Array, ...]:
        """Record an operation of several results: one node for all of them, and a part of it for each floating one."""
        is_watched = is_watched and not primitive.zero_gradient
        results = tuple(stripped(x) for x in out)
        place = len(self.nodes)
        if is_watched:
            if self.lines is not None:
                self.lines[place] = user_line()
            self.nodes.append((primitive, parents, tuple(held(stripped(x)) for x in values), static, results))
        parts = [
            self._record(PART, (place,), (results,), {"place": i}, x, is_watched and self.ground.is_inexact(x.dtype))
            for i, x in enumerate(out)
        ]
        return tuple(parts) if primitive.result is None else primitive.result(*parts)

    def record(self, primitive: Primitive, operands: list[Any], out: Any) -> Array:
        """Record an operation that ran elsewhere: ``out`` is a value of the level below."""
        parents = tuple(x.index if type(x) is Array and x.level is self else None for x in operands)
        values = tuple(x.value if type(x) is Array and x.level is self else x for x in operands)
        is_watched = any(parent is not None for parent in parents)
        return self._record(primitive, parents, values, {}, out, is_watched)

    def hold(self, array: Any) -> Any:
        """Return what to record of ``array``: itself, where the library does not let it be written to, or tells of it,
        until `close`; a copy where it does neither, or where it is to be replayed later than that.
        """
        if self.ground.traces:
            return self.ground.lift(array)
        known = self._held.get(id(array))
        if known is None:
            backend = self.ground.backend
            release = None if self.by_value else backend.hold(array)
            by_value = release is None and (self.by_value or is_writeable(array))
            recorded = backend.namespace.asarray(array, copy=True) if by_value else array
            known = self._held[id(array)] = array, recorded, release
        return known[1]

    def close(self) -> bool:
        """Refuse further operations: the function that was watched has returned. Return whether what it captured is as
        it was then.
        """
        self._open = False
        self.functions = None
        if not self._held:
            return True
        unchanged = [release() for _, _, release in self._held.values() if release is not None]
        self._held = {}
        return all(unchanged)

    def stop(self, array: Array) -> Array:
        """Return the value below, stopped in turn."""
        value = array.value
        return value.level.stop(value) if type(value) is Array else Array(value, self.ground)

    def describe(self, array: Array) -> str:
        """Say whether a derivative depends on ``array``."""
        return "watched" if array.index is not None else "a constant"

    # ---- replay
    def pull(self, seeds: list[tuple[int, Any]], *, release: bool) -> list[Any]:
        """Return the cotangents of the leaves for the cotangents of some nodes, ``seeds``: (index, cotangent) of each.
        None: no such node depends on that leaf.

        With ``release`` each node is dropped as soon as its rules have run, and the tape cannot be replayed again.
        """
        nodes = self.nodes
        if not seeds:
            return [None] * self.leaves
        if len(nodes) < self.leaves:
            raise TraceError(
                "this tape was replayed before, and has let go of what it recorded: use vjp, whose pullback may be "
                "called again"
            )
        last, lifted = 0, self._nested
        for index, g in seeds:
            last = index if index > last else last
            lifted = lifted or type(g) is Array
        cotangents: list[Any] = [None] * (last + 1)
        for index, g in seeds:
            g = _lifted(g, self.ground) if lifted else g
            before = cotangents[index]
            cotangents[index] = g if before is None else before + g
        if is_debugging():
            with replay() as note:
                self._replay_masked(cotangents, release, self.namespace, self.ground, note)
        elif self.ground.traces:
            with self.ground.noting() as note:
                self._replay_masked(cotangents, release, self.namespace, self.ground, note)
        elif lifted:
            self._replay_masked(cotangents, release, self.namespace, self.ground)
        else:
            self._replay(cotangents, release)
        if release:
            self.nodes = []
        found = cotangents[: self.leaves]
        return found + [None] * (self.leaves - len(found))

    def _replay(self, cotangents: list[Any], release: bool) -> None:
        """Replay on the library's own arrays, with the library's own functions."""
        nodes = self.nodes
        xp = self.ground.library
        put_back = self.ground.backend.functions.get("embed_add")
        embedded: set[int] = set()  # whose cotangent is an array of this replay's own, made for a slice
        for i in range(len(cotangents) - 1, self.leaves - 1, -1):
            g = cotangents.pop()
            if g is None:
                if release:
                    nodes[i] = None
                continue
            primitive, parents, operands, static, out = nodes[i]
            if release:
                nodes[i] = None
            # One and two operands are most of all nodes, and written out: a call less each.
            vjps = primitive.vjps
            if len(vjps) == 1:
                (x,) = operands
                (parent,) = parents
                if primitive is GETITEM and put_back is not None:
                    # Many slices of one array, a row each, say, would otherwise make an array of all of it for each.
                    if parent in embedded:
                        put_back(cotangents[parent], static["key"], g)
                        continue
                    if cotangents[parent] is None:
                        embedded.add(parent)
                d = vjps[0](xp, g, out, x, **static) if static else vjps[0](xp, g, out, x)
                if d.dtype is not x.dtype or d.shape != x.shape:
                    d = conform(xp, d, x)
                before = cotangents[parent]
                cotangents[parent] = d if before is None else before + d
            elif len(vjps) == 2 and not static:
                x, y = operands
                parent, second = parents
                if parent is not None:
                    d = vjps[0](xp, g, out, x, y)
                    if d.dtype is not x.dtype or d.shape != x.shape:
                        d = conform(xp, d, x)
                    before = cotangents[parent]
                    cotangents[parent] = d if before is None else before + d
                if second is not None and vjps[1] is not None:
                    d = vjps[1](xp, g, out, x, y)
                    if d.dtype is not y.dtype or d.shape != y.shape:
                        d = conform(xp, d, y)
                    before = cotangents[second]
                    cotangents[second] = d if before is None else before + d
            elif primitive is WHERE and is_guarded():
                cotangents.append(g)
                nodes[i] = (primitive, parents, operands, static, out)
                self._replay_masked(cotangents, release, xp, None)
                return
            else:
                for parent, d in cotangents_of(xp, g, (primitive, parents, operands, static, out)):
                    before = cotangents[parent]
                    cotangents[parent] = d if before is None else before + d

    def _replay_masked(
        self,
        cotangents: list[Any],
        release: bool,
        xp: Any,
        ground: Level | None,
        note: Callable[[Primitive, tuple[Any, ...], str], None] | None = None,
    ) -> None:
        """Replay with the masks that a `where` puts on the cotangents of its two branches.

        With ``ground`` all is lifted to Arrays first: the replay is itself differentiated or traced. ``note`` is told
        what is being differentiated.
        """
        nodes = self.nodes
        guarded = is_guarded()
        masks = Masks(xp)
        for i in range(len(cotangents) - 1, self.leaves - 1, -1):
            g = cotangents.pop()
            node = nodes[i]
            if release:
                nodes[i] = None
            if g is None:
                continue
            if ground is not None:
                primitive, parents, operands, static, out = node
                node = (primitive, parents, _lifted(operands, ground), static, _lifted(out, ground))
                g = _lifted(g, ground)
            if note is not None:
                note(node[0], node[2], (self.lines or {}).get(i, ""))
            if i in masks or (guarded and node[0] is WHERE):
                masks.pull(cotangents, i, node, g)
            else:
                for parent, d in cotangents_of(xp, g, node):
                    masks.add(cotangents, parent, d)
        masks.finish(cotangents)


def _lifted(x: Any, ground: Level) -> Any:
    """Return a part of a node as Arrays: the tuple of an operation's results, and their cotangents, part by part."""
    if isinstance(x, tuple):
        return tuple(_lifted(part, ground) for part in x)
    return x if type(x) is Array or isinstance(x, dict) else Array(x, ground)
