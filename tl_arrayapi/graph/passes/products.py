"""Products: matrix products in the forms that BLAS has, with as few transposes to be copied as can be.

A permutation of the last two axes of an operand costs nothing: a lowering hands it over as a view. One of a result is
a copy wherever it is read in order, and goes into the operands: ``(x^T g)^T`` is ``g^T x``.
"""

import math

from tl_arrayapi.graph.graph import Atom, Equation, Literal, Var
from tl_arrayapi.graph.passes.base import Rewriting, Walk

__all__ = ["products", "transposed"]

products = Rewriting("products", exact=False, about="Put matrix products in the forms that libraries are fast at.")


def _swap(rank: int) -> tuple[int, ...]:
    return (*range(rank - 2), rank - 1, rank - 2)


def transposed(walk: Walk, x: Var, like: Equation) -> Var:
    """Return the matrices of ``x`` transposed: what ``x`` is the transpose of, if it is one."""
    maker = walk.made(x, "permute_dims")
    if maker is not None and maker.get("axes") == _swap(x.ndim):
        (found,) = maker.operands
    else:
        axes = _swap(x.ndim)
        shape = [x.shape[a] for a in axes]
        found = walk.emit("permute_dims", (x,), shape, like, kind="movement", result_dtype=x.dtype, axes=axes)
    assert isinstance(found, Var)
    return found


def _reshaped(walk: Walk, x: Atom, shape: tuple[int, ...], like: Equation) -> Atom:
    if x.shape == shape:
        return x
    return walk.emit("reshape", (x,), shape, like, kind="movement", result_dtype=x.dtype, shape=shape)


def _product(walk: Walk, x: Atom, y: Atom, shape: tuple[int, ...], like: Equation) -> Atom:
    return walk.emit("matmul", (x, y), shape, like, kind="contraction")


@products.rule("permute_dims")
def _transpose_of_product(walk: Walk, e: Equation) -> Atom | None:
    (product,) = e.operands
    maker = walk.made(product, "matmul") if walk.is_single(product) else None
    if maker is None or e.get("axes") != _swap(product.ndim):
        return None
    x, y = maker.operands
    if not isinstance(x, Var) or not isinstance(y, Var) or x.ndim < 2 or y.ndim < 2:
        return None
    return _product(walk, transposed(walk, y, e), transposed(walk, x, e), e.results[0].shape, e)


@products.rule("matmul")
def _outer_product(walk: Walk, e: Equation) -> Atom | None:
    """Rewrite a product of a column and a row to one with broadcasting."""
    x, y = e.operands
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != 1 or not x.dtype == y.dtype == e.results[0].dtype:
        return None
    return walk.elementwise("multiply", x, y, like=e)


@products.rule("matmul")
def _rows_of_a_stack(walk: Walk, e: Equation) -> Atom | None:
    """Multiply the rows of all matrices of a stack by one matrix at once."""
    x, y = e.operands
    result = e.results[0]
    if x.ndim < 3 or y.ndim > 2 or not isinstance(x, Var) or isinstance(y, Literal) or 0 in x.shape:
        return None
    rows = math.prod(x.shape[:-1])
    flat = _reshaped(walk, x, (rows, x.shape[-1]), e)
    return _reshaped(walk, _product(walk, flat, y, (rows, *y.shape[1:]), e), result.shape, e)


@products.rule("matmul")
def _matrices_of_one(walk: Walk, e: Equation) -> Atom | None:
    """Leave out the axes of a stack of one matrix."""
    x, y = e.operands
    if max(x.ndim, y.ndim) < 3 or min(x.ndim, y.ndim) < 2 or math.prod(e.results[0].shape[:-2]) != 1:
        return None
    one, other = _reshaped(walk, x, x.shape[-2:], e), _reshaped(walk, y, y.shape[-2:], e)
    found = _product(walk, one, other, (x.shape[-2], y.shape[-1]), e)
    return _reshaped(walk, found, e.results[0].shape, e)
