"""Rules of the decompositions into eigenvalues, singular values, and an orthogonal and a triangular matrix.

Eigenvectors and singular vectors are not unique: each may be turned (by a sign, or for complex matrices by a factor
of absolute value 1), and those of one repeated value may be mixed. A loss must not depend on that choice, or its
gradient means nothing.

The derivative of an eigenvector has a term 1 / (x_j - x_i) for each other eigenvalue. Where two values are equal to
within rounding it is taken to be 0. That is right where a loss depends on the vectors of a repeated value only
through the space that they span; where it gives each of them a weight that varies with its value, as the sum of
f(x_i) v_i v_i^H does, what the vectors of one value owe to each other is lost. The first derivative of a loss of the
values alone has no such term.

Cotangents are conjugated as in `rules.linalg`. Formulas: M. Giles (2008); Z. Wan and S. Zhang, "Automatic
differentiation for complex valued SVD" (2019); S. Walter and L. Lehmann, "Algorithmic differentiation of linear
algebra functions with application in optimum experimental design" (2010) for QR.
"""

from typing import Any, NamedTuple

from tl_arrayapi.autograd.primitive import Kind, define
from tl_arrayapi.autograd.rules.linalg import adjoint, conjugate, diagonal_part, unless_empty, zero_to_rounding

__all__ = ["EigResult", "EighResult", "QRResult", "SVDResult"]

_M = Kind.MATRIX


class EighResult(NamedTuple):
    """The real eigenvalues of Hermitian matrices in ascending order, and their eigenvectors, in columns."""

    eigenvalues: Any
    eigenvectors: Any


class EigResult(NamedTuple):
    """The complex eigenvalues of square matrices, and their eigenvectors, in columns of length 1."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """A matrix of orthonormal columns and an upper triangular one, whose product is the matrix."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """Left singular vectors in columns, singular values in descending order, right singular vectors in rows."""

    U: Any
    S: Any
    Vh: Any


def _reciprocal(xp: Any, x: Any, excluded: Any) -> Any:
    return xp.where(excluded, xp.zeros_like(x), 1 / xp.where(excluded, xp.ones_like(x), x))


def _inverse_gaps(xp: Any, values: Any, shape: tuple[int, ...]) -> Any:
    """Return the matrices of 1 / (x_j - x_i), and 0 where the two are equal to within rounding."""
    gaps = values[..., None, :] - values[..., :, None]
    return _reciprocal(xp, gaps, zero_to_rounding(xp, gaps, values, shape))


# ---- eigenvalues
def _eigh(xp: Any, g: Any, out: Any, x: Any) -> Any:
    (g_values, g_vectors), (values, vectors) = g, out
    turned = adjoint(xp, vectors)
    columns = None if g_values is None else vectors * g_values[..., None, :]
    if g_vectors is not None:
        y = xp.matmul(turned, conjugate(xp, g_vectors))
        turning = 0.5 * (_inverse_gaps(xp, values, x.shape) * (y - adjoint(xp, y)))
        turning = xp.matmul(vectors, turning)
        columns = turning if columns is None else columns + turning
    return conjugate(xp, xp.matmul(columns, turned))


def _eigvalsh(xp: Any, g: Any, out: Any, x: Any) -> Any:
    vectors = xp.linalg.eigh(x)[1]
    return xp.matmul(conjugate(xp, vectors) * g[..., None, :], xp.matrix_transpose(vectors))


def _eig(xp: Any, g: Any, out: Any, x: Any) -> Any:
    (g_values, g_vectors), (values, vectors) = g, out
    turned = adjoint(xp, vectors)
    rows = None if g_values is None else xp.conj(g_values)[..., :, None] * turned
    if g_vectors is not None:
        g_vectors = xp.conj(g_vectors)
        # Eigenvectors keep their length 1: what is along them is taken out.
        along = xp.astype(xp.real(xp.sum(xp.conj(vectors) * g_vectors, axis=-2)), vectors.dtype)
        y = xp.matmul(turned, g_vectors - vectors * along[..., None, :])
        turning = xp.matmul(xp.conj(_inverse_gaps(xp, values, x.shape)) * y, turned)
        rows = turning if rows is None else rows + turning
    return xp.conj(xp.linalg.solve(turned, rows))


def _eigvals(xp: Any, g: Any, out: Any, x: Any) -> Any:
    rows = xp.matrix_transpose(xp.linalg.eig(x)[1])
    return xp.linalg.solve(rows, g[..., :, None] * rows)


# ---- singular values
def _first_columns(xp: Any, q: Any, g: Any, count: int) -> tuple[Any, Any]:
    """Return the first columns of a unitary ``q``, and a cotangent of them which stands for all of ``g``.

    The columns beyond complete the first ones to a basis: they can only turn against these, and these against them.
    """
    first = q[..., :count]
    if q.shape[-1] == count:
        return first, g
    others = q[..., count:]
    return first, g[..., :count] - xp.matmul(others, xp.matmul(adjoint(xp, g[..., count:]), first))


def _svd(xp: Any, g: Any, out: Any, x: Any, full_matrices: bool = True) -> Any:
    (g_u, g_s, g_vh), (u, s, vh), count = g, out, min(x.shape[-2:])
    if g_u is None and g_vh is None:
        columns = conjugate(xp, u[..., :count]) * g_s[..., None, :]
        return xp.matmul(columns, conjugate(xp, vh[..., :count, :]))
    u, g_u = _first_columns(xp, u, xp.zeros_like(u) if g_u is None else conjugate(xp, g_u), count)
    g_vh = xp.zeros_like(vh) if g_vh is None else g_vh
    v, g_v = _first_columns(xp, adjoint(xp, vh), xp.matrix_transpose(g_vh), count)
    y, z = xp.matmul(adjoint(xp, u), g_u), xp.matmul(adjoint(xp, v), g_v)
    turn_u, turn_v = 0.5 * (y - adjoint(xp, y)), 0.5 * (z - adjoint(xp, z))
    # Turning u and v together is what singular values that are equal leave open. Turning them against one another is
    # not: a function such as u @ vh, which only depends on that, has its derivative there, too.
    total = s[..., None, :] + s[..., :, None]
    against = _reciprocal(xp, total, zero_to_rounding(xp, total, s, x.shape))
    columns = xp.matmul(u, _inverse_gaps(xp, s, x.shape) * (turn_u + turn_v) + against * (turn_u - turn_v))
    if g_s is not None:
        columns = columns + u * g_s[..., None, :]
    inverse = _reciprocal(xp, s, zero_to_rounding(xp, s, s, x.shape))
    if x.shape[-2] > count:
        columns = columns + (g_u - xp.matmul(u, y)) * inverse[..., None, :]
    found = xp.matmul(columns, adjoint(xp, v))
    if x.shape[-1] > count:
        found = found + xp.matmul(u, inverse[..., :, None] * adjoint(xp, g_v - xp.matmul(v, z)))
    return conjugate(xp, found)


def _svdvals(xp: Any, g: Any, out: Any, x: Any) -> Any:
    # A singular value is an absolute value, and as such has the derivative 0 at 0.
    u, _, vh = xp.linalg.svd(x, full_matrices=False)
    g = xp.where(out == 0, xp.zeros_like(g), g)
    return xp.matmul(conjugate(xp, u) * g[..., None, :], conjugate(xp, vh))


# ---- an orthogonal and a triangular matrix
def _qr(xp: Any, g: Any, out: Any, x: Any, mode: str = "reduced") -> Any:
    (q, r), (g_q, g_r) = out, g
    g_q = xp.zeros_like(q) if g_q is None else conjugate(xp, g_q)
    g_r = xp.zeros_like(r) if g_r is None else conjugate(xp, g_r)
    count, width = min(x.shape[-2:]), x.shape[-1]
    q, g_q = _first_columns(xp, q, g_q, count)
    r, g_r = r[..., :count, :], g_r[..., :count, :]
    beyond = None
    if width > count:
        # The first columns make q; what stands beyond them in r is q^H times the others.
        beyond = xp.matmul(q, g_r[..., count:])
        g_q = g_q + xp.matmul(x[..., count:], adjoint(xp, g_r[..., count:]))
        r, g_r = r[..., :count], g_r[..., :count]
    upper, y = xp.matmul(g_r, adjoint(xp, r)), xp.matmul(adjoint(xp, q), g_q)
    skew = (y - upper) - adjoint(xp, y - upper)
    inner = upper + xp.tril(skew) - 0.5 * diagonal_part(xp, skew)
    rows = g_q + xp.matmul(q, inner - y)
    found = adjoint(xp, xp.linalg.solve(r, adjoint(xp, rows)))
    return conjugate(xp, found if beyond is None else xp.concat([found, beyond], axis=-1))


define("eigh", _M, unless_empty(_eigh), where="linalg", result=EighResult)
define("eigvalsh", _M, unless_empty(_eigvalsh), where="linalg")
define("eig", _M, unless_empty(_eig), where="linalg", result=EigResult)
define("eigvals", _M, unless_empty(_eigvals), where="linalg")
define("svd", _M, unless_empty(_svd), where="linalg", result=SVDResult)
define("svdvals", _M, unless_empty(_svdvals), where="linalg")
define("qr", _M, unless_empty(_qr), where="linalg", result=QRResult)
