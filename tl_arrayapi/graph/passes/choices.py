"""Choices: what is known of a truth, and of what is chosen by it."""

from tl_arrayapi.graph.graph import Atom, Equation, Literal
from tl_arrayapi.graph.passes.base import Rewriting, Walk, broadcast
from tl_arrayapi.graph.passes.fold import filled

__all__ = ["choices"]

choices = Rewriting("choices", exact=True, about="Leave out what a choice, or a combination of truths, does not need.")

_NOT = ("bitwise_invert", "logical_not")
_AND = ("bitwise_and", "logical_and")
_OR = ("bitwise_or", "logical_or")


def _is_not(walk: Walk, x: Atom, y: Atom) -> bool:
    """Say whether ``x`` is not ``y``."""
    maker = walk.made(x, *_NOT)
    return maker is not None and maker.operands[0] == y


@choices.rule(*_AND, *_OR)
def _combined(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if x.dtype != "bool" or y.dtype != "bool":
        return None
    if _is_not(walk, x, y) or _is_not(walk, y, x):
        return filled(walk, Literal(e.name in _OR, "bool"), result.shape, e)
    # x and (x or y) is x, and so is x or (x and y).
    other = _AND if e.name in _OR else _OR
    for a, b in ((x, y), (y, x)):
        maker = walk.made(b, *other)
        if maker is not None and a in maker.operands and a.shape == result.shape:
            return a
    return None


@choices.rule("where")
def _chosen_before(walk: Walk, e: Equation) -> Atom | None:
    """Take what the same condition would choose of what it has chosen already."""
    condition, *branches = e.operands
    if walk.maker(condition) is None:
        return None
    for side, branch in enumerate(branches):
        found = _on_side(walk, branch, condition, side, e)
        if found is not None:
            operands = [condition, *(found if i == side else x for i, x in enumerate(branches))]
            if broadcast(operands) == e.results[0].shape:  # what was chosen before may have been spread since
                return walk.emit("where", operands, e.results[0].shape, e)
    return None


def _on_side(walk: Walk, x: Atom, condition: Atom, side: int, e: Equation, depth: int = 3) -> Atom | None:
    """Return what ``x`` is where ``condition`` is true (side 0) or false (side 1); None, if that is nothing simpler.

    Elsewhere it may be anything: nobody chooses it there. Only functions are looked into that no value makes a library
    warn of, such as a quotient does that the inner choice guards.
    """
    maker = walk.maker(x)
    if maker is None or maker.kind != "elementwise" or depth == 0:
        return None
    if maker.name == "where" and maker.operands[0] == condition:
        found = maker.operands[1 + side]
        return found if found.dtype == x.dtype else None
    if not walk.is_single(x) or not _never_warns(maker):
        return None
    operands = [_on_side(walk, y, condition, side, e, depth - 1) or y for y in maker.operands]
    if broadcast(operands) != x.shape or all(y is z for y, z in zip(operands, maker.operands, strict=True)):
        return None
    return walk.emit(maker.name, operands, x.shape, maker, **maker.arguments)


def _never_warns(e: Equation) -> bool:
    if e.name == "multiply":
        return any(isinstance(x, Literal) and abs(x.value) <= 1 for x in e.operands)
    return e.name == "negative"
