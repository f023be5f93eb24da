"""Products: ``dot`` for matrices and vectors, in whatever order they lie, and ``matmul`` for stacks of matrices."""

from collections.abc import Callable
from math import prod

from tl_arrayapi.backends.numpy.lowering.selector import Selector
from tl_arrayapi.backends.numpy.lowering.views import View, narrow, permuted, reshaped
from tl_arrayapi.graph.graph import Equation

__all__ = ["FORMS"]


def _matmul(selector: Selector, equation: Equation) -> View | None:
    x, y = (selector.view(operand) for operand in equation.operands)
    result = equation.result
    if x.dtype != y.dtype or x.dtype != result.dtype:
        return None
    if not result.size or not x.size:
        return None
    if x.ndim == 2 and y.ndim == 2 and x.shape[1] == 1 and x.dtype != "bool":
        return selector.write("ufunc", "multiply", (narrow(x), narrow(y)), result.shape, result.dtype)
    if x.ndim <= 2 and y.ndim <= 2:
        return _dot(selector, x, y, result.shape)
    if y.ndim <= 2:
        rows = reshaped(x, (prod(x.shape[:-1]), x.shape[-1]))
        if rows is not None and x.ndim > 2:
            product = _dot(selector, rows, y, (rows.shape[0], *y.shape[1:]))
            return reshaped(product, result.shape)
    # BLAS takes the first matrix of a small product faster in order.
    operands = (_straight(selector, x, transposed=False), _straight(selector, y, transposed=True))
    return selector.write("matmul", "matmul", operands, result.shape, result.dtype)


def _dot(selector: Selector, x: View, y: View, shape: tuple[int, ...]) -> View:
    operands = (_straight(selector, x, transposed=True), _straight(selector, y, transposed=True))
    return selector.write("dot", "dot", operands, shape, x.dtype)


def _straight(selector: Selector, x: View, transposed: bool) -> View:
    """Return ``x`` as BLAS takes it without a copy of its own: with a last axis of unit stride, or, if ``transposed``
    is taken too, the one before it.
    """
    if _is_blas(x) or (transposed and x.ndim > 1 and _is_blas(_turned(x))):
        return x
    return selector.dense(x)


def _turned(x: View) -> View:
    return permuted(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _is_blas(x: View) -> bool:
    *_, rows, columns = (1, *x.shape)
    *_, step, unit = (0, *x.strides)
    return (columns == 1 or unit == 1) and (rows == 1 or step >= max(columns, 1))


FORMS: dict[str, Callable[[Selector, Equation], View | None]] = {"matmul": _matmul}
