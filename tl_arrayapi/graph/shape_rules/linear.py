"""Shapes of products, and of what is done to stacks of matrices."""

from typing import Any

from tl_arrayapi.errors import ArgumentError, ShapeError
from tl_arrayapi.graph.shape_rules.common import Rule, Shape, Shapes, broadcast_shapes

__all__ = ["LINEAR"]


def _matmul(x: Shape, y: Shape) -> Shape:
    if not x or not y:
        raise ShapeError(f"matmul takes arrays of one axis or more; got shapes {x} and {y}: multiply takes numbers")
    inner = y[-2] if len(y) > 1 else y[0]
    if x[-1] != inner:
        raise ShapeError(f"matmul of shapes {x} and {y}: the last axis has {x[-1]} elements, and what it meets {inner}")
    return (*broadcast_shapes(x[:-2], y[:-2]), *x[-2:-1], *(y[-1:] if len(y) > 1 else ()))


def _matrices(x: Shape) -> tuple[Shape, int, int]:
    """Return the shape of the stack, the number of rows, and that of columns."""
    if len(x) < 2:
        raise ShapeError(f"matrices have 2 axes or more; got shape {x}")
    return x[:-2], x[-2], x[-1]


def _squares(x: Shape) -> tuple[Shape, int]:
    stack, rows, columns = _matrices(x)
    if rows != columns:
        raise ShapeError(f"the matrices are not square: got shape {x}")
    return stack, rows


def _inv(x: Shape) -> Shape:
    _squares(x)
    return x


def _cholesky(x: Shape, *, upper: bool = False) -> Shape:
    return _inv(x)


def _number(x: Shape) -> Shape:
    return _squares(x)[0]


def _slogdet(x: Shape) -> Shapes:
    stack = _number(x)
    return stack, stack


def _eigenvalues(x: Shape) -> Shape:
    stack, n = _squares(x)
    return (*stack, n)


def _eigenvectors(x: Shape) -> Shapes:
    return _eigenvalues(x), x


def _matrix_rank(x: Shape, *, rtol: Any = None) -> Shape:
    return _matrices(x)[0]


def _pinv(x: Shape, *, rtol: Any = None) -> Shape:
    stack, rows, columns = _matrices(x)
    return (*stack, columns, rows)


def _singular_values(x: Shape) -> Shape:
    stack, rows, columns = _matrices(x)
    return (*stack, min(rows, columns))


def _svd(x: Shape, *, full_matrices: bool = True) -> Shapes:
    stack, rows, columns = _matrices(x)
    count = min(rows, columns)
    left, right = (rows, columns) if full_matrices else (count, count)
    return (*stack, rows, left), (*stack, count), (*stack, right, columns)


def _qr(x: Shape, *, mode: str = "reduced") -> Shapes:
    stack, rows, columns = _matrices(x)
    if mode not in ("reduced", "complete"):
        raise ArgumentError(f"the mode of qr is 'reduced' or 'complete'; got {mode!r}")
    inner = rows if mode == "complete" else min(rows, columns)
    return (*stack, rows, inner), (*stack, inner, columns)


def _solve(x: Shape, y: Shape) -> Shape:
    stack, n = _squares(x)
    if not y:
        raise ShapeError("the right sides of solve are vectors or matrices; got a 0-d array")
    if y[0 if len(y) == 1 else -2] != n:
        raise ShapeError(f"solve of {n} equations, shape {x}, takes right sides of {n} rows; got shape {y}")
    # One axis is a vector, and otherwise the last two are matrices: that is all that tells the two apart.
    return (*stack, n) if len(y) == 1 else (*broadcast_shapes(stack, y[:-2]), n, y[-1])


LINEAR: dict[str, Rule] = {
    "matmul": _matmul,
    "linalg.cholesky": _cholesky,
    "linalg.det": _number,
    "linalg.eig": _eigenvectors,
    "linalg.eigh": _eigenvectors,
    "linalg.eigvals": _eigenvalues,
    "linalg.eigvalsh": _eigenvalues,
    "linalg.inv": _inv,
    "linalg.matrix_rank": _matrix_rank,
    "linalg.pinv": _pinv,
    "linalg.qr": _qr,
    "linalg.slogdet": _slogdet,
    "linalg.solve": _solve,
    "linalg.svd": _svd,
    "linalg.svdvals": _singular_values,
}
"""The rule of each product and of each function of matrices."""
