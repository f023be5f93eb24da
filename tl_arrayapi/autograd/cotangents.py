"""The cotangents of one node: its rules run, the results brought into the shape and dtype of the operands, and kept
at 0 where a `where` did not take their branch.

``xp`` is the library itself or a differentiable namespace; nothing here knows which, nor what a tape is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, Primitive, define
from tl_arrayapi.autograd.rules.elementwise import WHERE
from tl_arrayapi.autograd.rules.reduction import restored

__all__ = ["PART", "conform", "cotangents", "guard_where", "is_guarded", "masked_cotangents"]

PART = define("part", Kind.OPAQUE, operands=1, public=False)
"""One result of an operation that has several: its operand is the tuple of them all."""


class _Parts(dict[int, Any]):
    """Cotangents of the results of one operation, by their places; they add up place by place."""

    def __add__(self, other: "_Parts") -> "_Parts":
        both = {i: self[i] + other[i] for i in self.keys() & other.keys()}
        return _Parts({**self, **other, **both})


def _by_rule(
    primitive: Primitive,
    xp: Any,
    g: Any,
    out: Any,
    parents: tuple[Any, ...],
    operands: tuple[Any, ...],
    static: dict[str, Any],
) -> Iterator[tuple[int, Any, Any]]:
    """Yield (parent, operand, what its rule says) for every watched operand of a node."""
    if primitive is PART:
        yield parents[0], None, _Parts({static["place"]: g})
        return
    if primitive.joint:
        assert primitive.result is not None
        g = primitive.result(*(g.get(i) for i in range(len(out))))
        out = primitive.result(*out)
    if primitive.gather is not None:
        for parent, x, d in zip(parents, operands, primitive.gather(xp, g, out, *operands, **static), strict=True):
            if parent is not None and d is not None:
                yield parent, x, d
        return
    for parent, rule, x in zip(parents, primitive.vjps or primitive.joint, operands, strict=True):
        if parent is not None and rule is not None:
            yield parent, x, rule(xp, g, out, *operands, **static)


def cotangents(
    primitive: Primitive,
    xp: Any,
    g: Any,
    out: Any,
    parents: tuple[Any, ...],
    operands: tuple[Any, ...],
    static: dict[str, Any],
) -> Iterator[tuple[int, Any]]:
    """Yield (parent, cotangent) for every watched operand of a node."""
    for parent, x, d in _by_rule(primitive, xp, g, out, parents, operands, static):
        yield parent, d if x is None else conform(xp, d, x)


def conform(xp: Any, d: Any, x: Any) -> Any:
    """Give the cotangent ``d`` the shape and dtype of its operand ``x``: sum what was broadcast, and drop what is
    imaginary if ``x`` is real.
    """
    shape = tuple(x.shape)
    if tuple(d.shape) != shape:
        lead = d.ndim - len(shape)
        axes = _broadcast_axes(d, shape)
        if lead and len(axes) == lead:
            # Only axes in front, as for a bias: the shape is then right, and one axis is summed sooner than a tuple.
            d = xp.sum(d, axis=axes[0] if lead == 1 else axes)
        elif axes:
            d = xp.sum(d, axis=axes, keepdims=True)
        if tuple(d.shape) != shape:
            d = xp.reshape(d, shape)
        if tuple(d.shape) != shape:
            d = xp.broadcast_to(d, shape)
    if d.dtype != x.dtype:
        if xp.isdtype(d.dtype, "complex floating") and not xp.isdtype(x.dtype, "complex floating"):
            d = xp.real(d)
        if d.dtype != x.dtype:
            d = xp.astype(d, x.dtype)
    return d


def _broadcast_axes(d: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of ``d`` along which an operand of ``shape`` was repeated."""
    lead = d.ndim - len(shape)
    return tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and d.shape[lead + i] != 1)


# ---- the branch not taken
_GUARDED: ContextVar[bool] = ContextVar("guarded", default=True)


def is_guarded() -> bool:
    """Say whether a `where` masks what is behind its branches."""
    return _GUARDED.get()


@contextmanager
def guard_where(enabled: bool = True) -> Iterator[None]:
    """Say, for the gradients computed meanwhile in this thread, whether ``where`` guards the branch not taken.

    The derivative of ``xp.where(x > 0, xp.log(x), 0.0)`` at 0 is 0: the cotangent of the logarithm is 0 there, and
    stays 0, although its rule would make NaN of 0 times infinity. This is the default. With ``enabled`` False it is
    what IEEE arithmetic gives, as in other libraries, and the backward pass saves the masks.

    >>> import numpy, tl_arrayapi as tl
    >>> def safe(x):
    ...     xp = tl.array_namespace(x)
    ...     return xp.where(x > 0, xp.log(x), 0.0)
    >>> with numpy.errstate(all="ignore"):
    ...     tl.grad(safe)(numpy.asarray(0.0))
    ...     with tl.guard_where(False):
    ...         tl.grad(safe)(numpy.asarray(0.0))
    array(0.)
    array(nan)
    """
    token = _GUARDED.set(enabled)
    try:
        yield
    finally:
        _GUARDED.reset(token)


# Their rules pass a cotangent on, or change its sign: they make no NaN.
_HARMLESS = frozenset(("add", "conj", "copysign", "imag", "negative", "positive", "real", "remainder", "subtract"))


def masked_cotangents(
    primitive: Primitive,
    xp: Any,
    g: Any,
    mask: Any,
    out: Any,
    parents: tuple[Any, ...],
    operands: tuple[Any, ...],
    static: dict[str, Any],
) -> Iterator[tuple[int, Any, Any]]:
    """Yield (parent, cotangent, mask) for every watched operand of a node; ``mask``, of the shape of its result, is
    False where its cotangent ``g`` is 0 because a branch was not taken, and None where there is no such place.
    """
    found = _by_rule(primitive, xp, g, out, parents, operands, static)
    if primitive is WHERE:
        chosen = xp.broadcast_to(operands[0], tuple(out.shape))
        taken = {id(operands[1]): chosen}
        if operands[2] is not operands[1]:
            taken[id(operands[2])] = xp.logical_not(chosen)
        for parent, x, d in found:
            kept = taken[id(x)] if operands[1] is not operands[2] else None
            kept = mask if kept is None else kept if mask is None else kept & mask
            yield parent, conform(xp, d, x), None if kept is None else _narrowed(xp, kept, x.shape)
    elif primitive is PART:
        for parent, _, d in found:
            yield parent, d, xp.any(mask)
    elif primitive.kind is Kind.ELEMENTWISE:
        for parent, x, d in found:
            d = d if primitive.name in _HARMLESS else _kept(xp, d, mask)
            yield parent, conform(xp, d, x), _narrowed(xp, mask, x.shape)
    elif primitive.kind is Kind.REDUCTION:
        for parent, x, d in found:
            whole = xp.broadcast_to(restored(xp, mask, x, static.get("axis"), static.get("keepdims", False)), x.shape)
            yield parent, conform(xp, _kept(xp, d, whole), x), whole
    elif primitive.kind in (Kind.MOVEMENT, Kind.INDEXING):
        # Their rules move cotangents, and masks alike.
        moved = _by_rule(primitive, xp, xp.astype(mask, g.dtype), out, parents, operands, static)
        for (parent, x, d), (_, _, m) in zip(found, moved, strict=True):
            yield parent, conform(xp, d, x), conform(xp, m, x) != 0
    elif primitive.kind is Kind.CAST:
        for parent, x, d in found:
            yield parent, conform(xp, d, x), mask
    else:
        # Each element of such an operand may have a part in each of the result: it is masked whole, or not at all.
        some = xp.any(mask)
        for parent, x, d in found:
            yield parent, _kept(xp, conform(xp, d, x), some), xp.broadcast_to(some, tuple(x.shape))


def _kept(xp: Any, d: Any, mask: Any) -> Any:
    return xp.where(mask, d, xp.zeros_like(d))


def _narrowed(xp: Any, mask: Any, shape: tuple[int, ...]) -> Any:
    """Return ``mask`` for an operand that was broadcast from ``shape``: True where it is True anywhere along what was
    repeated.
    """
    shape = tuple(shape)
    if tuple(mask.shape) == shape:
        return mask
    return xp.reshape(xp.any(mask, axis=_broadcast_axes(mask, shape), keepdims=True), shape)
