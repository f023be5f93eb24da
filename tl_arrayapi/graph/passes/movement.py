"""Movement: shapes, orders and slices taken together, and left out where they change nothing."""

from tl_arrayapi.graph.graph import Atom, Equation, Literal
from tl_arrayapi.graph.passes.base import Rewriting, Walk

__all__ = ["movement"]

movement = Rewriting("movement", exact=True, about="Take together, and leave out, what moves elements only.")


def _onto_itself(x: Atom, e: Equation) -> Atom | None:
    return x if x.shape == e.results[0].shape else None


@movement.rule("reshape")
def _reshape(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    maker = walk.made(x, "reshape")
    if maker is not None:
        return walk.emit("reshape", maker.operands, e.result.shape, e, shape=e.result.shape)
    return _onto_itself(x, e)


@movement.rule("broadcast_to")
def _broadcast(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    maker = walk.made(x, "broadcast_to")
    if maker is not None:
        return walk.emit("broadcast_to", maker.operands, e.result.shape, e, shape=e.result.shape)
    return _onto_itself(x, e)


@movement.rule("permute_dims")
def _permute(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    axes: tuple[int, ...] = e.get("axes")
    maker = walk.made(x, "permute_dims")
    if maker is not None:
        inner = maker.get("axes")
        return walk.emit("permute_dims", maker.operands, e.result.shape, e, axes=tuple([inner[a] for a in axes]))
    long = [a for a in axes if x.shape[a] != 1]
    if long == sorted(long):
        # Only axes of length 1 move: that is a change of shape.
        return walk.emit("reshape", (x,), e.result.shape, e, shape=e.result.shape)
    return None


@movement.rule("getitem")
def _item(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    key: tuple[int | slice, ...] = e.get("key")
    if all(type(k) is slice and (k.start, k.step) == (0, 1) for k in key) and x.shape == e.result.shape:
        return x
    maker = walk.made(x, "getitem")
    if maker is None:
        return None
    outer = iter(key)
    both = tuple([_step(k, next(outer)) if type(k) is slice else k for k in maker.get("key")])
    return walk.emit("getitem", maker.operands, e.result.shape, e, key=both)


def _step(inner: slice, outer: int | slice) -> int | slice:
    """Return what takes what ``outer`` takes of what ``inner`` takes."""
    start, step = int(inner.start), int(inner.step)
    if not isinstance(outer, slice):
        return start + step * outer
    count = len(range(outer.start, outer.stop, outer.step))
    first, stride = start + step * int(outer.start), step * int(outer.step)
    return slice(first, first + stride * (count - 1) + 1 if count else first, stride)


@movement.rule("flip")
def _flip(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    maker = walk.made(x, "flip")
    if maker is not None and maker.get("axis") == e.get("axis"):
        return maker.operands[0]
    return x if all(x.shape[a] <= 1 for a in e.get("axis")) else None


@movement.rule("roll")
def _roll(walk: Walk, e: Equation) -> Atom | None:
    return e.operands[0] if not any(e.get("shift")) else None


@movement.rule("tile")
def _tile(walk: Walk, e: Equation) -> Atom | None:
    return e.operands[0] if all(n == 1 for n in e.get("repetitions")) and _same(e) else None


def _same(e: Equation) -> bool:
    return e.operands[0].shape == e.result.shape


@movement.rule("sum", "prod", "max", "min", "any", "all")
def _reduction(walk: Walk, e: Equation) -> Atom | None:
    """Take the reduction that is there with, or without, the axes of length 1 that this one leaves out, or has."""
    static = e.arguments
    there = walk.known(e, e.name, *e.operands, **(static | {"keepdims": not static["keepdims"]}))
    if there is None or there.dtype != e.result.dtype:
        return None
    return walk.emit("reshape", (there,), e.result.shape, e, kind="movement", shape=e.result.shape)


@movement.rule("concat")
def _concat(walk: Walk, e: Equation) -> Atom | None:
    axis: int = e.get("axis")
    parts = [x for x in e.operands if x.shape[axis] != 0]
    if not parts or type(parts[0]) is Literal or any(x.dtype != e.result.dtype for x in e.operands):
        return None
    if len(parts) == 1:
        return parts[0]
    flat: list[Atom] = []
    for x in parts:
        maker = walk.made(x, "concat") if walk.is_single(x) else None
        flat += maker.operands if maker is not None and maker.get("axis") == axis else (x,)
    if len(flat) != len(e.operands):
        return walk.emit("concat", flat, e.result.shape, e, axis=axis)
    return None


@movement.rule("embed")
def _embed(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    if x.shape == e.result.shape and all(isinstance(k, slice) and (k.start, k.step) == (0, 1) for k in e.get("key")):
        return x
    return None
