"""Fold: what is made of numbers alone becomes a number, and what is repeated is not repeated before it must be.

A number repeated to an array (``full``, or ``broadcast_to`` of a number) stays a number as an operand of an elementwise
function: broadcasting does the rest. So does an array that ``broadcast_to`` repeats, and where all operands are
repeated, the function is applied before they are. The seed of a gradient, and all that is made of it, goes this way.
"""

from collections.abc import Sequence

from tl_arrayapi.graph.graph import Atom, Equation, Literal
from tl_arrayapi.graph.passes.base import Rewriting, Walk, broadcast
from tl_arrayapi.graph.passes.numbers import apply, is_integer, literal, rounded

__all__ = ["constant", "filled", "fold"]

fold = Rewriting("fold", exact=True, about="Compute what is made of numbers alone, and repeat nothing too soon.")


def constant(walk: Walk, x: Atom) -> Literal | None:
    """Return the number that every element of ``x`` is, if that is known."""
    if type(x) is Literal:
        return x
    maker = walk.made(x, "full")
    if maker is None or type(value := maker.get("value")) not in (bool, int, float, complex):
        return None
    return Literal(value, x.dtype)


def filled(walk: Walk, value: Literal, shape: Sequence[int], like: Equation) -> Atom:
    """Return an array of one number: the number itself, where it has no axes."""
    if not shape:
        return value
    static = {"value": value.value, "shape": tuple(shape), "dtype": value.dtype}
    return walk.emit("full", (), shape, like, kind="creation", result_dtype=value.dtype, **static)


@fold.rule("full")
def _number(walk: Walk, e: Equation) -> Atom | None:
    # Of several devices, a full array says which one it is on.
    if e.result.shape or e.get("device") is not None or type(e.get("value")) not in (bool, int, float, complex):
        return None
    return Literal(e.get("value"), e.result.dtype)


@fold.rule("broadcast_to")
def _repeated_number(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    return filled(walk, x, e.result.shape, e) if type(x) is Literal else None


@fold.rule("broadcast_to", "flip", "getitem", "permute_dims", "reshape", "roll", "tile")
def _moved_number(walk: Walk, e: Equation) -> Atom | None:
    value = constant(walk, e.operands[0])
    return None if value is None else filled(walk, value, e.result.shape, e)


@fold.rule("all", "any", "max", "min")
def _extreme_number(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    value = constant(walk, x)
    if value is None or not x.size or value.dtype != e.result.dtype:
        return None
    return filled(walk, value, e.result.shape, e)


@fold.rule("concat", "stack")
def _joined_numbers(walk: Walk, e: Equation) -> Atom | None:
    values = [constant(walk, x) for x in e.operands]
    if values[0] is None or any(value != values[0] for value in values) or values[0].dtype != e.result.dtype:
        return None
    return filled(walk, values[0], e.result.shape, e)


@fold.rule(kind="elementwise")
@fold.rule(kind="cast")
def _repeated_late(walk: Walk, e: Equation) -> Atom | None:
    for x in e.operands:
        if walk.made(x, "broadcast_to", "full", "reshape"):
            break
    else:
        return None
    sources = [_source(walk, x) for x in e.operands]
    if all(source is x for source, x in zip(sources, e.operands, strict=True)):
        return None
    shape, wanted = broadcast(sources), e.results[0].shape
    found = walk.emit(e.name, sources, shape, e, **e.arguments)
    if shape == wanted:
        return found
    if type(found) is Literal:
        return filled(walk, found, wanted, e)
    move = "reshape" if found.size == e.results[0].size else "broadcast_to"
    return walk.emit(move, (found,), wanted, e, kind="movement", shape=wanted)


def _source(walk: Walk, x: Atom) -> Atom:
    """Return what is repeated to make ``x``."""
    maker = walk.made(x, "broadcast_to", "full", "reshape")
    if maker is None:
        return x
    if maker.name == "broadcast_to":
        return maker.operands[0]
    if maker.name == "reshape":
        # Axes of length 1 in front are what broadcasting adds.
        (y,) = maker.operands
        return y if x.shape == (1,) * (x.ndim - y.ndim) + y.shape else x
    return constant(walk, x) or x


@fold.rule(kind="elementwise")
def _arithmetic(walk: Walk, e: Equation) -> Atom | None:
    if type(e.operands[0]) is not Literal:
        return None
    numbers = [x for x in e.operands if type(x) is Literal]
    return apply(e.name, numbers, e.result.dtype) if len(numbers) == len(e.operands) else None


@fold.rule("multiply", "add")
def _range(walk: Walk, e: Equation) -> Atom | None:
    """Scale and move a range of integers as it is made."""
    if not is_integer(e.results[0].dtype):
        return None
    for x, number in (e.operands, e.operands[::-1]):
        maker = walk.made(x, "arange")
        if maker is None or type(number) is not Literal or not is_integer(x.dtype) or number.dtype != x.dtype:
            continue
        bounds = [maker.get(part) for part in ("start", "stop", "step")]
        by = number.value
        if x.dtype != e.results[0].dtype or type(by) is not int or any(type(n) is not int for n in bounds):
            continue
        if e.name == "add":
            bounds = [bounds[0] + by, bounds[1] + by, bounds[2]]
        elif by > 0:
            bounds = [n * by for n in bounds]
        else:
            continue
        if any(rounded(n, x.dtype) is None for n in bounds):
            continue
        static = dict(zip(("start", "stop", "step"), bounds, strict=True))
        return walk.emit("arange", (), x.shape, e, kind="creation", **(maker.arguments | static))
    return None


@fold.rule("astype")
def _cast_number(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    return literal(x.value, e.result.dtype) if type(x) is Literal and x.value == x.value else None


@fold.rule("where")
def _decided(walk: Walk, e: Equation) -> Atom | None:
    condition, x, y = e.operands
    if type(condition) is not Literal:
        return None
    chosen = x if condition.value else y
    if chosen.dtype != e.result.dtype:
        return None
    if type(chosen) is Literal:
        return filled(walk, chosen, e.result.shape, e)
    if chosen.shape == e.result.shape:
        return chosen
    return walk.emit("broadcast_to", (chosen,), e.result.shape, e, kind="movement", shape=e.result.shape)


@fold.rule("bitwise_and", "bitwise_or", "logical_and", "logical_or")
def _with_a_truth(walk: Walk, e: Equation) -> Atom | None:
    for truth, other in (e.operands, e.operands[::-1]):
        if type(truth) is Literal and truth.dtype == other.dtype == "bool":
            if bool(truth.value) is not e.name.endswith("_and"):
                return filled(walk, truth, e.result.shape, e)
            return other if other.shape == e.result.shape else None
    return None
