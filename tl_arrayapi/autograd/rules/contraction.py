"""Rules of products. ``tensordot``, ``vecdot`` and the like are composites of these."""

import math
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, define

__all__: list[str] = []


def _left(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    if y.ndim == 1:
        return xp.expand_dims(g, axis=-1) * y
    if x.ndim == 1 and y.ndim == 2:
        return xp.matmul(y, g)
    if x.ndim == 1:
        return xp.squeeze(xp.matmul(y, xp.expand_dims(g, axis=-1)), axis=-1)
    return xp.matmul(g, xp.matrix_transpose(y))


def _right(xp: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
    if x.ndim == 1:
        return xp.expand_dims(x, axis=-1) * xp.expand_dims(g, axis=-2) if y.ndim > 1 else g * x
    if y.ndim == 1 and x.ndim == 2:
        return xp.matmul(xp.matrix_transpose(x), g)
    if y.ndim == 1:
        return xp.squeeze(xp.matmul(xp.matrix_transpose(x), xp.expand_dims(g, axis=-1)), axis=-1)
    if y.ndim == 2 and x.ndim > 2:
        # One product over all rows of the batch, not a product each and their sum.
        rows = math.prod(x.shape[:-1])
        x, g = xp.reshape(x, (rows, x.shape[-1])), xp.reshape(g, (rows, g.shape[-1]))
    return xp.matmul(xp.matrix_transpose(x), g)


define("matmul", Kind.CONTRACTION, _left, _right)
