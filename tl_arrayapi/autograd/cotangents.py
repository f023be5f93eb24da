"""The cotangents of one node: its rules run, and the results brought into the shape and dtype of the operands.

``xp`` is the library itself or a differentiable namespace; nothing here knows which, nor what a tape is.
"""

from collections.abc import Iterator
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, Primitive, define

__all__ = ["PART", "Node", "broadcast_axes", "by_rule", "conform", "cotangents"]

Node = tuple[Primitive, tuple[Any, ...], tuple[Any, ...], dict[str, Any], Any]
"""What a tape records of an operation: primitive, places of watched operands, operands, static arguments, result."""

PART = define("part", Kind.OPAQUE, operands=1, public=False)
"""One result of an operation that has several: its operand is the tuple of them all."""


class _Parts(dict[int, Any]):
    """Cotangents of the results of one operation, by their places; they add up place by place."""

    def __add__(self, other: "_Parts") -> "_Parts":
        both = {i: self[i] + other[i] for i in self.keys() & other.keys()}
        return _Parts({**self, **other, **both})


def by_rule(xp: Any, g: Any, node: Node) -> Iterator[tuple[int, Any, Any]]:
    """Yield (parent, operand, what its rule says) for every watched operand of a node; for a part of several results
    the operand is None.
    """
    primitive, parents, operands, static, out = node
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


def cotangents(xp: Any, g: Any, node: Node) -> Iterator[tuple[int, Any]]:
    """Yield (parent, cotangent) for every watched operand of a node."""
    for parent, x, d in by_rule(xp, g, node):
        yield parent, d if x is None else conform(xp, d, x)


def conform(xp: Any, d: Any, x: Any) -> Any:
    """Give the cotangent ``d`` the shape and dtype of its operand ``x``: sum what was broadcast, and drop what is
    imaginary if ``x`` is real.
    """
    shape = tuple(x.shape)
    if tuple(d.shape) != shape:
        lead = d.ndim - len(shape)
        axes = broadcast_axes(d.shape, shape)
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


def broadcast_axes(to: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of ``to`` along which an operand of ``shape`` was repeated.

    >>> broadcast_axes((5, 3, 4), (3, 1))
    (0, 2)
    """
    lead = len(to) - len(shape)
    return tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and to[lead + i] != 1)
