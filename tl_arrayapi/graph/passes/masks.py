"""Masks: a product with what was made a number of a truth is one with the truth, where a library takes both together.

So is one with a sum of two, which is 0, 1 or 2: it is taken in bytes, as the two sides of ``maximum`` at a tie are. The
equations that this leaves, ``multiply(float, bool)`` and ``multiply(float, int8)``, are none of the standard's: only a
lowering that knows how to run them asks for the pass. A choice between values and zeros is left alone: 0 times infinity
is no zero.
"""

from tl_arrayapi.graph.graph import Atom, Equation, Var
from tl_arrayapi.graph.passes.base import Rewriting, Walk
from tl_arrayapi.graph.passes.numbers import is_float

__all__ = ["masks"]

masks = Rewriting("masks", exact=True, about="Multiply by truths as they are.")


@masks.rule("multiply")
def _product(walk: Walk, e: Equation) -> Atom | None:
    result = e.results[0]
    if not is_float(result.dtype):
        return None
    for x, y in (e.operands, e.operands[::-1]):
        if isinstance(x, Var) and x.dtype == y.dtype == result.dtype and walk.is_single(y):
            mask = _truth(walk, y) or _sum_of_truths(walk, y, e)
            if mask is not None:
                return walk.emit("multiply", (x, mask), result.shape, e)
    return None


def _truth(walk: Walk, x: Atom) -> Var | None:
    """Return the truth that ``x`` is, as a number."""
    maker = walk.made(x, "astype")
    if maker is None or not isinstance(maker.operands[0], Var) or maker.operands[0].dtype != "bool":
        return None
    return maker.operands[0]


def _sum_of_truths(walk: Walk, x: Atom, e: Equation) -> Atom | None:
    maker = walk.made(x, "add")
    if maker is None or any(y.shape != x.shape for y in maker.operands):
        return None
    truths = [_truth(walk, y) for y in maker.operands]
    if truths[0] is None or truths[1] is None:
        return None
    small = [
        walk.emit("astype", (t,), x.shape, e, kind="cast", result_dtype="int8", dtype="int8")
        for t in truths
        if t is not None
    ]
    return walk.emit("add", small, x.shape, e, result_dtype="int8")
