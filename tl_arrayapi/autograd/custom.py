"""Functions with a derivative of their own: `custom_vjp`, and `checkpoint`, which is one."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from tl_arrayapi.autograd.array import Array, Level, held, stripped
from tl_arrayapi.autograd.batch import Batch
from tl_arrayapi.autograd.containers import leaves, map_tree
from tl_arrayapi.autograd.namespace import array_namespace, namespace_of_type
from tl_arrayapi.autograd.primitive import Kind, Primitive
from tl_arrayapi.autograd.tape import Tape
from tl_arrayapi.autograd.transforms import pullback_of
from tl_arrayapi.autograd.vectorize import vmap
from tl_arrayapi.errors import StructureError, TraceError

__all__ = ["checkpoint", "custom_vjp"]

_Forward = Callable[..., tuple[Any, Any]]
_Backward = Callable[[Any, Any], tuple[Any, ...]]


def custom_vjp(f: Callable[..., Any], forward: _Forward, backward: _Backward) -> Callable[..., Any]:
    """Return ``f`` with a backward rule of its own.

    ``forward(*args)`` returns ``(out, residuals)``; ``backward(residuals, g)`` returns a tuple with the cotangent of
    each argument for the cotangent ``g`` of the result, nested alike, and None for what has none. Outside of a
    gradient ``f`` itself runs. Higher derivatives go through the operations of ``forward`` and ``backward``.

    Raises `StructureError` where the cotangents do not match the arguments, and `TraceError` where ``f`` uses a
    watched array that is not among its arguments.

    >>> import numpy, tl_arrayapi as tl
    >>> def backward(residuals, g):
    ...     return (tl.array_namespace(g).clip(g, -1.0, 1.0),)
    >>> clipped = tl.custom_vjp(lambda x: x * 1.0, lambda x: (x * 1.0, None), backward)
    >>> tl.grad(lambda x: 100.0 * clipped(x))(numpy.asarray(2.0))
    array(1.)
    """

    @wraps(f)
    def run(*args: Any) -> Any:
        top = _top(args)
        if isinstance(top, Tape):
            return _recorded(top, f.__name__, forward, backward, args)
        if isinstance(top, Batch):
            return _mapped(top, f, forward, backward, args)
        return f(*args)

    return run


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``f`` recomputed in the backward pass: its intermediates are not kept, for the time of one more run.

    ``f`` must be pure, and be given every watched array as an argument.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.grad(lambda x: tl.checkpoint(lambda y: y * y * y)(x))(numpy.asarray(2.0))
    array(12.)
    """

    def backward(args: tuple[Any, ...], g: Any) -> tuple[Any, ...]:
        top = _top((args, g))
        # A program would otherwise find that it has computed all this before.
        with top.ground.again() if top is not None and top.ground.traces else nullcontext():
            return pullback_of(f, *args)[1](g)

    return custom_vjp(f, lambda *args: (f(*args), args), backward)


def _top(args: tuple[Any, ...]) -> Level | None:
    levels = [x.level for x in leaves(args) if type(x) is Array]
    return max(levels, key=lambda level: level.number) if levels else None


def _is_array(x: Any) -> bool:
    return type(x) is Array or namespace_of_type(x) is not None


# ---- on a tape
def _recorded(tape: Tape, name: str, forward: _Forward, backward: _Backward, args: tuple[Any, ...]) -> Any:
    """Run ``forward`` below the tape, and record each array that it returns as one operation."""
    ground = tape.ground
    places = [x for x in leaves(args) if _is_array(x)]

    def below(x: Any, path: str) -> Any:
        value = x.value if type(x) is Array and x.level is tape else x
        # Constants, not the library's own arrays: the user's functions then work as they do without a rule of their
        # own.
        return Array(value, ground) if type(value) is not Array and _is_array(value) else held(value)

    returned = forward(*map_tree(below, args, ""))
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise StructureError(
            f"the forward function of {name} must return (out, residuals); got {type(returned).__name__}"
        )
    out, residuals = map_tree(lambda x, path: stripped(x), returned, "")
    for x in leaves(returned):
        if type(x) is Array and x.level is tape:
            raise TraceError(f"{name} uses a watched array that is not among its arguments: pass it as one")
    flat = leaves(out)

    def node(place: int) -> Any:
        def rule(xp: Any, g: Any, result: Any, *operands: Any) -> list[Any]:
            whole = iter(
                [below(g, "") if i == place else tape.namespace.zeros_like(below(x, "")) for i, x in enumerate(flat)]
            )
            cotangent = map_tree(lambda x, path: next(whole), out, "")
            found = _matched(name, backward(map_tree(below, residuals, ""), cotangent), args)
            return found if type(g) is Array else [stripped(d) for d in found]

        primitive = Primitive(f"custom_vjp({name})", Kind.OPAQUE, gather=rule, public=False)
        return tape.record(primitive, places, flat[place])

    nodes = iter([node(place) for place in range(len(flat))])
    return map_tree(lambda x, path: next(nodes), out, "")


def _matched(name: str, cotangents: Any, args: tuple[Any, ...]) -> list[Any]:
    """Return a cotangent, or None, for each array of the arguments."""
    if not isinstance(cotangents, (tuple, list)) or len(cotangents) != len(args):
        raise StructureError(
            f"the backward rule of {name} must return a tuple of {len(args)} cotangents, one for each argument"
        )
    found = []
    for i, (arg, cotangent) in enumerate(zip(args, cotangents, strict=True)):
        wanted = leaves(arg)
        given = leaves(cotangent) if cotangent is not None else [None] * len(wanted)
        if len(given) != len(wanted):
            raise StructureError(f"cotangent {i} of {name} has {len(given)} leaves, and its argument has {len(wanted)}")
        for x, d in zip(wanted, given, strict=True):
            if not _is_array(x):
                continue
            if d is not None and not _is_array(d):
                raise StructureError(f"cotangent {i} of {name} is a {type(d).__name__}: an array, or None, is expected")
            if d is not None and tuple(d.shape) != tuple(x.shape):
                raise StructureError(
                    f"cotangent {i} of {name} has shape {tuple(d.shape)}, and its argument has {tuple(x.shape)}"
                )
            found.append(d)
    return found


# ---- under vmap
def _mapped(batch: Batch, f: Callable[..., Any], forward: _Forward, backward: _Backward, args: tuple[Any, ...]) -> Any:
    """Map the three functions over the examples, and call the custom function of all of them one level below."""
    axes = map_tree(lambda x, path: 0 if _own(batch, x) else None, args, "")
    inner = map_tree(lambda x, path: x.value.data if _own(batch, x) else x, args, "")

    def summed(residuals: Any, g: Any) -> tuple[Any, ...]:
        back = vmap(backward)(residuals, g)
        flags = iter(leaves(axes))
        return tuple(map_tree(lambda d, path: _total(d, next(flags)), part, "") for part in back)

    whole = custom_vjp(vmap(f, axes), vmap(forward, axes), summed)
    return map_tree(lambda x, path: batch.spread(x, 0), whole(*inner), "")


def _own(batch: Batch, x: Any) -> bool:
    return type(x) is Array and x.level is batch and x.index is not None


def _total(d: Any, axis: int | None) -> Any:
    """Return the cotangent of what is the same for all examples: the sum of theirs."""
    return d if axis == 0 or d is None else array_namespace(d).sum(d, axis=0)
