"""Pack: what is done to many arrays that are then laid one after another is done once to them all, laid out before.

An optimiser steps each parameter on its own, and where parameters are kept in one flat array P, its pieces are slices
of P and the new ones are joined to one array again. The join sinks through elementwise functions, until it meets the
slices of P, which join to P itself, and the gradients, which are joined in earnest: a step is then a few operations on
long arrays. The same numbers are computed, each as before.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tl_arrayapi.graph.graph import Atom, Equation, Literal
from tl_arrayapi.graph.passes.base import Rewriting, Walk
from tl_arrayapi.graph.passes.fold import constant

__all__ = ["BLOCK", "pack"]

pack = Rewriting("pack", exact=True, about="Step many arrays as one, where they are joined in the end.")

BLOCK = 1 << 14
"""Elements from which on a group of elementwise functions is run block by block: joining would cut it in two."""


_DEEPEST = 100
"""Equations one after another that are followed from a join."""


@dataclass(frozen=True, slots=True)
class _Joined:
    """How to make the pieces joined: ``whole`` is there already; or a function of joined operands; or pieces, to join.

    ``joins`` are the pieces that must be joined in earnest, each list once.
    """

    whole: Atom | None = None
    like: Equation | None = None
    operands: tuple["_Joined", ...] = ()
    pieces: tuple[Atom, ...] = ()
    joins: frozenset[tuple[int | tuple[str, str], ...]] = frozenset()


@pack.rule("concat")
def _concat(walk: Walk, e: Equation) -> Atom | None:
    result = e.results[0]
    if result.ndim != 1 or any(x.dtype != result.dtype for x in e.operands):
        return None
    found = _joined(walk, e.operands, {})
    if found.pieces or any(_is_fused(walk, x) for x in _to_join(found)):
        return None
    return _write(walk, found, e, result.size)


def _joined(
    walk: Walk, pieces: Sequence[Atom], known: dict[tuple[Atom, ...], _Joined], depth: int = _DEEPEST
) -> _Joined:
    """Return how to join the elements of ``pieces``, arrays of any shapes, with at most one join in earnest."""
    bare = tuple([_bare(walk, x) for x in pieces])
    found = known.get(bare)
    if found is None:
        found = known[bare] = _slices(walk, bare) or _numbers(walk, bare) or _function(walk, bare, known, depth)
    return found


def _bare(walk: Walk, x: Atom) -> Atom:
    maker = walk.made(x, "reshape")
    return x if maker is None else maker.operands[0]


def _slices(walk: Walk, pieces: tuple[Atom, ...]) -> _Joined | None:
    """Join consecutive slices that make up a whole array."""
    makers = [walk.made(x, "getitem") for x in pieces]
    if makers[0] is None:
        return None
    whole, place = makers[0].operands[0], 0
    for maker in makers:
        if maker is None or maker.operands[0] != whole or whole.ndim != 1:
            return None
        (key,) = maker.get("key")
        if not isinstance(key, slice) or (key.start, key.step) != (place, 1):
            return None
        place = key.stop
    return _Joined(whole=whole) if place == whole.size else None


def _numbers(walk: Walk, pieces: tuple[Atom, ...]) -> _Joined | None:
    values = {constant(walk, x) for x in pieces}
    value = values.pop()
    return _Joined(whole=value) if not values and value is not None else None


def _function(walk: Walk, pieces: tuple[Atom, ...], known: dict[tuple[Atom, ...], _Joined], depth: int) -> _Joined:
    """Join what one function makes of many arrays by making it of the arrays joined."""
    names = tuple([x.key if isinstance(x, Literal) else x.number for x in pieces])
    in_earnest = _Joined(pieces=pieces, joins=frozenset((names,)))
    makers = [walk.maker(x) for x in pieces]
    first = makers[0]
    if first is None or first.kind not in ("elementwise", "cast") or depth == 0:
        return in_earnest
    for maker in makers:
        if (
            maker is None
            or (maker.name, maker.scope, len(maker.operands)) != (first.name, first.scope, len(first.operands))
            or (maker.static and repr(maker.static) != repr(first.static))
            or [x.dtype for x in maker.operands] != [x.dtype for x in first.operands]
        ):
            return in_earnest
    operands = []
    for column in zip(*[maker.operands for maker in makers if maker is not None], strict=True):
        if column[0].shape == () and all(x == column[0] for x in column):
            operands.append(_Joined(whole=column[0]))
        elif all(x.size == piece.size for x, piece in zip(column, pieces, strict=True)):
            operands.append(_joined(walk, column, known, depth - 1))
        else:
            return in_earnest
    if all(operand.whole is not None and operand.whole.shape == () for operand in operands):
        return in_earnest  # numbers alone, which have not the size of the pieces
    joins = frozenset().union(*[operand.joins for operand in operands])
    return _Joined(like=first, operands=tuple(operands), joins=joins) if len(joins) <= 1 else in_earnest


def _to_join(found: _Joined) -> tuple[Atom, ...]:
    """Return the pieces that are joined in earnest."""
    if found.pieces:
        return found.pieces
    return next((pieces for operand in found.operands if (pieces := _to_join(operand))), ())


def _is_fused(walk: Walk, x: Atom) -> bool:
    maker = walk.maker(x)
    return maker is not None and maker.kind == "elementwise" and x.size > BLOCK


def _write(walk: Walk, found: _Joined, e: Equation, size: int) -> Atom:
    if found.whole is not None:
        return found.whole if found.whole.shape or size == 0 else _repeated(walk, found.whole, e, size)
    return _part(walk, found, e, size, {})


def _repeated(walk: Walk, x: Atom, e: Equation, size: int) -> Atom:
    return walk.emit("broadcast_to", (x,), (size,), e, kind="movement", result_dtype=x.dtype, shape=(size,))


def _part(walk: Walk, found: _Joined, e: Equation, size: int, written: dict[int, Atom]) -> Atom:
    if found.whole is not None:
        return found.whole
    if id(found) not in written:
        if found.like is not None:
            operands = [_part(walk, operand, e, size, written) for operand in found.operands]
            like = found.like
            written[id(found)] = walk.emit(like.name, operands, (size,), like, **like.arguments)
        else:
            # Past the rules: it would be looked at again, and may be as deep as one may look.
            flat, dtype = [_flat(walk, x, e) for x in found.pieces], found.pieces[0].dtype
            written[id(found)] = walk.plain("concat", flat, (size,), e, dtype, kind="movement", axis=0)
    return written[id(found)]


def _flat(walk: Walk, x: Atom, e: Equation) -> Atom:
    size = math.prod(x.shape)
    return walk.emit("reshape", (x,), (size,), e, kind="movement", result_dtype=x.dtype, shape=(size,))
