"""Which elements of an operand have a part in the elements of a result that a mask lets through.

Each answer is a mask of the operand's shape, or None where this kind of operation does not say.
"""

from typing import Any

from tl_arrayapi.autograd.cotangents import broadcast_axes
from tl_arrayapi.autograd.primitive import Kind, Primitive

__all__ = ["narrowed", "reached"]


def reached(primitive: Primitive, xp: Any, mask: Any, out: Any, operands: tuple[Any, ...]) -> list[Any] | None:
    """Return a mask for each operand: what has no part in the elements of ``out`` that ``mask`` lets through is False
    there.
    """
    if primitive.kind is Kind.CONTRACTION:
        return _factors(xp, mask, *operands)
    if primitive.kind is Kind.MATRIX and not isinstance(out, tuple):
        return _stacks(xp, mask, operands)
    return None


def narrowed(xp: Any, mask: Any, shape: tuple[int, ...]) -> Any:
    """Return ``mask`` for an operand that was broadcast from ``shape``: True where it is True anywhere along what was
    repeated.
    """
    shape = tuple(shape)
    if tuple(mask.shape) == shape:
        return mask
    axes = broadcast_axes(tuple(mask.shape), shape)
    return xp.reshape(xp.any(mask, axis=axes, keepdims=True), shape)


def _factors(xp: Any, mask: Any, x: Any, y: Any) -> list[Any]:
    """Return the masks of the factors of a product: rows of the first, columns of the second."""
    if y.ndim == 1:
        mask = xp.expand_dims(mask, axis=-1)
    if x.ndim == 1:
        mask = xp.expand_dims(mask, axis=-2)
    rows = narrowed(xp, xp.any(mask, axis=-1, keepdims=True), (*x.shape[:-1], 1))
    columns = xp.any(mask, axis=-2, keepdims=True)
    columns = narrowed(xp, columns, (*y.shape[:-2], 1, y.shape[-1]) if y.ndim > 1 else (1,))
    return [xp.broadcast_to(rows, tuple(x.shape)), xp.broadcast_to(columns, tuple(y.shape))]


def _stacks(xp: Any, mask: Any, operands: tuple[Any, ...]) -> list[Any]:
    """Return the masks of operands that are stacks of matrices: whole ones, or none of them."""
    stack = max(x.ndim for x in operands) - 2
    whole = xp.any(mask, axis=tuple(range(stack, mask.ndim)), keepdims=True) if mask.ndim > stack else mask
    whole = xp.reshape(whole, (*whole.shape[:stack], 1, 1))
    found = []
    for x in operands:
        own = narrowed(xp, whole, (*x.shape[:-2], 1, 1)) if x.ndim > 1 else xp.any(whole)
        found.append(xp.broadcast_to(own, tuple(x.shape)))
    return found
