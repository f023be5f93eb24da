"""Masks: a product with what was made a number of a truth is one with the truth, where a library takes both together.

The equation that this leaves, ``multiply(float, bool)``, is none of the standard's: only a lowering that knows how to
run it asks for the pass. A choice between values and zeros is left alone: 0 times infinity is no zero.
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
        maker = walk.made(y, "astype")
        if maker is None or maker.operands[0].dtype != "bool" or not isinstance(x, Var) or x.dtype != result.dtype:
            continue
        return walk.emit("multiply", (x, maker.operands[0]), result.shape, e)
    return None
