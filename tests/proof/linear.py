"""The catalogue's linear algebra: products, and stacks of matrices that are well conditioned.

A function that reads half of a matrix, or takes it to be Hermitian, is given the Hermitian part of the operand, so that
every change of the operand is one that the function sees. Factors that are determined only up to signs or phases are
observed through what does not depend on these.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.proof.calls import FLOATING, NUMERIC, Call, Function, Holds, called, find
from tests.proof.shapes import Draw

__all__ = ["LINALG", "PRODUCTS"]

Host = np.ndarray[Any, Any]


# ---- products
def _matmul(d: Draw, name: str) -> Call:
    rows, inner, columns = d.integer(1, 3), d.one_of((3, 2, 1, 0)), d.integer(1, 3)
    form = d.one_of(("matrices", "stacks", "vector first", "vector second", "vectors"))
    stack1, stack2 = d.shapes(2, ranks=(1, 1)) if form == "stacks" else ((), ())
    shape1 = (inner,) if form in ("vector first", "vectors") else (*stack1, rows, inner)
    shape2 = (inner,) if form in ("vector second", "vectors") else (*stack2, inner, columns)
    return called(name, (d.values(shape1, -2.0, 2.0), d.values(shape2, -2.0, 2.0)))


def _tensordot(d: Draw, name: str) -> Call:
    shape = d.shape(ranks=(1, 3))
    x = d.values(shape, -2.0, 2.0)
    count = d.integer(0, len(shape))
    rest = d.shape(ranks=(0, 1))
    if d.flag():
        y = d.values((*shape[len(shape) - count :], *rest), -2.0, 2.0)
        return called(name, (x, y), axes=count)
    y = d.values((*rest, *shape[:count][::-1]), -2.0, 2.0)
    return called(name, (x, y), axes=(tuple(range(count)), tuple(range(-1, -count - 1, -1))))


def _vecdot(d: Draw, name: str) -> Call:
    length = d.integer(0, 3)
    shape1, shape2 = d.shapes(2, ranks=(0, 2))
    return called(name, (d.values((*shape1, length), -2.0, 2.0), d.values((*shape2, length), -2.0, 2.0)))


def _matrix_transpose(d: Draw, name: str) -> Call:
    return called(name, (d.values(d.shape(ranks=(2, 3)), -2.0, 2.0),))


def products(where: str = "") -> list[Function]:
    """Return the products, which the standard has twice: in the main namespace and in linalg."""

    def entry(name: str, draw: Callable[[Draw, str], Call], **said: Any) -> Function:
        return Function(where + name, lambda d: draw(d, where + name), NUMERIC, **said)

    # Dask's products of small integers are of a larger dtype.
    return [
        entry("matmul", _matmul, mended=("dask",)),
        entry("matrix_transpose", _matrix_transpose),
        entry("tensordot", _tensordot, mended=("dask",)),
        entry("vecdot", _vecdot, mended=("dask",), note="the first operand is conjugated"),
    ]


PRODUCTS = [function for function in products() if function.name != "matrix_transpose"]


# ---- stacks of matrices
def _matrices(d: Draw, rows: int, columns: int | None = None, empty: bool = True) -> Host:
    """Return a stack of matrices whose singular values are well apart from one another, and from 0."""
    columns = rows if columns is None else columns
    stack = d.shape(ranks=(0, 1), empty=empty)
    x = d.values((*stack, rows, columns), -0.3, 0.3)
    diagonal = np.zeros((rows, columns))
    np.fill_diagonal(diagonal, np.arange(1.0, min(rows, columns) + 1))
    return np.asarray(x + diagonal, dtype=x.dtype)


def _hermitian(xp: Any, x: Any) -> Any:
    return (x + xp.conj(xp.matrix_transpose(x))) / 2


def square(name: str, *, prepare: Any = None, observed: Any = None, more: Any = lambda d: {}, **said: Any) -> Function:
    """Return a function of a stack of square matrices, whose Hermitian part is taken first if ``prepare`` says so."""

    def draw(d: Draw) -> Call:
        x, static = _matrices(d, d.integer(1, 3)), more(d)
        return _prepared(name, (x,), prepare, observed, static)

    return Function(f"linalg.{name}", draw, FLOATING, **said)


def oblong(name: str, *, observed: Any = None, more: Any = lambda d: {}, empty: bool = True, **said: Any) -> Function:
    """Return a function of a stack of matrices of any shape."""

    def draw(d: Draw) -> Call:
        x, static = _matrices(d, d.integer(1, 3), d.integer(1, 3), empty), more(d)
        return _prepared(name, (x,), None, observed, static)

    return Function(f"linalg.{name}", draw, FLOATING, **said)


def _prepared(name: str, operands: tuple[Host, ...], prepare: Any, observed: Any, static: dict[str, Any]) -> Call:
    def run(xp: Any, x: Any) -> Any:
        return find(xp, f"linalg.{name}")(x if prepare is None else prepare(xp, x), **static)

    return Call(f"linalg.{name}({operands[0].shape}, {static})", operands, run, observed)


def _times(xp: Any, vectors: Any, values: Any, others: Any) -> Any:
    """Return vectors diag(values) others, in which signs and phases of the vectors cancel."""
    return (vectors * xp.expand_dims(xp.astype(values, vectors.dtype), axis=-2)) @ others


def _adjoint(xp: Any, x: Any) -> Any:
    return xp.conj(xp.matrix_transpose(x))


def _seen_eigh(xp: Any, found: Any) -> Any:
    values, vectors = found
    return values, _times(xp, vectors, values * values * values, _adjoint(xp, vectors))


def _seen_eigvals(xp: Any, values: Any) -> Any:
    # Their order is not specified: sums of their powers do not depend on it.
    return tuple(xp.sum(power, axis=-1) for power in (values, values * values, values * values * values))


def _seen_eig(xp: Any, found: Any) -> Any:
    values, vectors = found
    return *_seen_eigvals(xp, values), _times(xp, vectors, values * values, xp.linalg.inv(vectors))


def _seen_qr(xp: Any, found: Any) -> Any:
    # Signs and phases: those of the rows of R are those of the columns of Q.
    q, r = found
    return xp.abs(q), xp.abs(r), q @ r


def _seen_svd(xp: Any, found: Any) -> Any:
    u, values, vh = found
    count = values.shape[-1]
    u, vh = u[..., :count], vh[..., :count, :]
    return values, _times(xp, u, values * values, vh), _times(xp, u, values, _adjoint(xp, u))


def _cross(d: Draw) -> Call:
    shape1, shape2 = d.shapes(2, ranks=(0, 2))
    return called("linalg.cross", (d.values((*shape1, 3), -2.0, 2.0), d.values((*shape2, 3), -2.0, 2.0)))


def _outer(d: Draw) -> Call:
    (n,), (m,) = d.shape(ranks=(1, 1)), d.shape(ranks=(1, 1))
    return called("linalg.outer", (d.values((n,), -2.0, 2.0), d.values((m,), -2.0, 2.0)))


def _solve(d: Draw) -> Call:
    n = d.integer(1, 3)
    x = _matrices(d, n)
    right = (n,) if d.flag() else (*(x.shape[:-2] if d.flag() else ()), n, d.integer(1, 3))
    return called("linalg.solve", (x, d.values(right, -2.0, 2.0)))


def _matrix_power(d: Draw) -> Call:
    return called("linalg.matrix_power", (_matrices(d, d.integer(1, 3)),), d.integer(-2, 4))


def _offset(name: str) -> Function:
    def draw(d: Draw) -> Call:
        return called(f"linalg.{name}", (d.values(d.shape(ranks=(2, 3)), -2.0, 2.0),), offset=d.integer(-2, 2))

    return Function(f"linalg.{name}", draw, NUMERIC)


def _vector_norm(d: Draw) -> Call:
    shape = d.shape(ranks=(1, 3), empty=False)
    order = d.one_of((2, 1, 3, math.inf, -math.inf, 2.5))
    named = {"axis": d.axes(shape), "keepdims": d.flag(), "ord": order}
    return called("linalg.vector_norm", (d.values(shape, 0.2, 2.0),), **named)


def _matrix_norm(d: Draw) -> dict[str, Any]:
    return {"ord": d.one_of(("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)), "keepdims": d.flag()}


GAUGE = "through what does not depend on signs and phases"

LINALG = [
    *products("linalg."),
    # Dask's factor is the upper one, and its inverse of float32 is float64.
    square("cholesky", prepare=_hermitian, more=lambda d: {"upper": d.flag()}, mended=("dask",)),
    Function("linalg.cross", _cross, NUMERIC),
    square("det"),
    _offset("diagonal"),
    square("eig", observed=_seen_eig, note="distinct eigenvalues"),
    square("eigvals", observed=_seen_eigvals, note="distinct eigenvalues"),
    square("eigh", prepare=_hermitian, observed=_seen_eigh, note=GAUGE),
    square("eigvalsh", prepare=_hermitian),
    square("inv", mended=("dask",)),
    # Dask's maximum takes no stack without matrices.
    oblong("matrix_norm", more=_matrix_norm, empty=False),
    Function("linalg.matrix_power", _matrix_power, FLOATING),
    oblong("matrix_rank", holds=Holds.ZERO),
    Function("linalg.outer", _outer, NUMERIC),
    oblong("pinv", note="full rank"),
    # Dask's factors of a wide complex matrix are not those of it.
    oblong("qr", observed=_seen_qr, more=lambda d: {"mode": "reduced"}, mended=("dask",), note=GAUGE),
    square("slogdet"),
    Function("linalg.solve", _solve, FLOATING),
    oblong("svd", observed=_seen_svd, more=lambda d: {"full_matrices": d.flag()}, note=GAUGE),
    oblong("svdvals"),
    _offset("trace"),
    Function("linalg.vector_norm", _vector_norm, FLOATING, note="0 at 0"),
]
