"""Rules of inverses, determinants and the Cholesky factor.

Where the usual formulas have inner products <G, dX> = Re tr(G^H dX), ours is Re sum(g dX): they hold for G = conj(g),
and a rule that follows them conjugates its cotangent first and its result last. Most are in M. Giles, "Collected
matrix derivative results for forward and reverse mode algorithmic differentiation" (2008).
"""

import math
from typing import Any, NamedTuple

from tl_arrayapi.autograd.primitive import Kind, Rule, define

__all__ = [
    "MATRIX_RANK",
    "PINV",
    "SOLVE",
    "SlogdetResult",
    "adjoint",
    "conjugate",
    "diagonal_part",
    "unless_empty",
    "zero_to_rounding",
]

_M = Kind.MATRIX


def conjugate(xp: Any, x: Any) -> Any:
    """Return the complex conjugate; a real ``x`` itself."""
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


def adjoint(xp: Any, x: Any) -> Any:
    """Return the conjugate transpose."""
    return conjugate(xp, xp.matrix_transpose(x))


def diagonal_part(xp: Any, x: Any) -> Any:
    """Return the matrices ``x`` with 0 wherever they are not on the diagonal."""
    return xp.tril(xp.triu(x))


def zero_to_rounding(xp: Any, x: Any, values: Any, shape: tuple[int, ...]) -> Any:
    """Say where ``x`` is 0 as far as can be told: where a decomposition of matrices of ``shape`` has rounded as much.

    ``values`` are its eigenvalues or singular values, and ``x`` has one or two axes in place of their last.
    """
    largest = xp.max(xp.abs(values), axis=-1, keepdims=True)
    if x.ndim > values.ndim:
        largest = largest[..., None]
    return xp.abs(x) <= largest * (max(shape[-2:]) * float(xp.finfo(values.dtype).eps))


def unless_empty(rule: Rule) -> Rule:
    """Return ``rule`` for operands of any size: libraries disagree on what they do with matrices of no element."""

    def guarded(xp: Any, g: Any, out: Any, x: Any, *operands: Any, **static: Any) -> Any:
        return xp.zeros_like(x) if 0 in x.shape else rule(xp, g, out, x, *operands, **static)

    return guarded


# ---- inverses
def _inv(xp: Any, g: Any, out: Any, x: Any) -> Any:
    transposed = xp.matrix_transpose(out)
    return -xp.matmul(xp.matmul(transposed, g), transposed)


def _solve_right(xp: Any, g: Any, out: Any, a: Any, b: Any) -> Any:
    return xp.linalg.solve(xp.matrix_transpose(a), g)


def _solve_left(xp: Any, g: Any, out: Any, a: Any, b: Any) -> Any:
    return -xp.matmul(_solve_right(xp, g, out, a, b), xp.matrix_transpose(out))


def _pinv(xp: Any, g: Any, out: Any, x: Any, rtol: Any = None) -> Any:
    # G. Golub and V. Pereyra, "The differentiation of pseudo-inverses ..." (1973), right while the rank stays.
    turned, seed = adjoint(xp, out), adjoint(xp, conjugate(xp, g))
    within = -xp.matmul(xp.matmul(turned, adjoint(xp, seed)), turned)
    left = xp.matmul(xp.matmul(seed, out), turned)
    right = xp.matmul(turned, xp.matmul(out, seed))
    outside = left - xp.matmul(x, xp.matmul(out, left)) + right - xp.matmul(xp.matmul(right, out), x)
    return conjugate(xp, within + outside)


# ---- determinants
def _identity_like(xp: Any, x: Any) -> Any:
    return diagonal_part(xp, xp.ones_like(x))


def _det(xp: Any, g: Any, out: Any, x: Any) -> Any:
    return g[..., None, None] * _cofactors(xp, out, x)


def _cofactors(xp: Any, det: Any, x: Any) -> Any:
    """Return the matrices of cofactors, which are the derivatives of ``det``, for singular ``x`` too.

    Polynomials give them up to 3 rows, and so to every order. Beyond, they are det(x) x^-T where x is regular, and
    come from the singular value decomposition where it is not.
    """
    rows = x.shape[-1]
    if rows == 1:
        return xp.ones_like(x)
    if rows == 2:
        return xp.flip(x, axis=(-2, -1)) * (2 * _identity_like(xp, x) - 1)
    if rows == 3:
        second, third = xp.roll(x, -1, axis=-2), xp.roll(x, -2, axis=-2)
        return xp.roll(second, -1, axis=-1) * xp.roll(third, -2, axis=-1) - (
            xp.roll(second, -2, axis=-1) * xp.roll(third, -1, axis=-1)
        )
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    row = s[..., None, :]
    others = xp.prod(xp.where(_identity_like(xp, x) != 0, xp.ones_like(row), row), axis=-1)
    turn = (xp.linalg.det(u) * xp.linalg.det(vh))[..., None, None]
    from_values = turn * xp.matmul(conjugate(xp, u) * others[..., None, :], conjugate(xp, vh))
    singular = zero_to_rounding(xp, s[..., -1:], s, x.shape)[..., None]
    return xp.where(singular, from_values, det[..., None, None] * _inverse_transposed(xp, x, singular))


def _inverse_transposed(xp: Any, x: Any, singular: Any) -> Any:
    """Return the transposed inverses of ``x``, and the identity where ``singular``, for libraries raise there."""
    return xp.matrix_transpose(xp.linalg.inv(xp.where(singular, _identity_like(xp, x), x)))


def _slogdet(xp: Any, g: Any, out: Any, x: Any) -> Any:
    (sign, _), (g_sign, weight) = out, g
    if g_sign is not None and xp.isdtype(x.dtype, "complex floating"):
        # The logarithm of the determinant is log|det| and i times the angle, which turns the sign.
        turn = xp.astype(xp.imag(g_sign * sign), x.dtype) * 1j
        weight = turn if weight is None else weight + turn
    if weight is None:
        return xp.zeros_like(x)
    weight, singular = weight[..., None, None], (sign == 0)[..., None, None]
    found = weight * _inverse_transposed(xp, x, singular)
    # As that of log at 0; but nothing times infinity stays nothing.
    return xp.where(singular & (weight != 0), xp.full_like(found, math.inf), found)


# ---- the Cholesky factor
def _cholesky(xp: Any, g: Any, out: Any, x: Any, upper: bool = False) -> Any:
    if upper:
        g, out = adjoint(xp, g), adjoint(xp, out)
    turned = adjoint(xp, out)
    inner = xp.tril(xp.matmul(turned, conjugate(xp, g)))
    inner = inner - 0.5 * diagonal_part(xp, inner)
    half = xp.linalg.solve(turned, 0.5 * (inner + adjoint(xp, inner)))
    return conjugate(xp, xp.linalg.solve(turned, adjoint(xp, half)))


class SlogdetResult(NamedTuple):
    """The sign of a determinant (of absolute value 1, or 0), and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


define("inv", _M, unless_empty(_inv), where="linalg")
SOLVE = define("solve", _M, unless_empty(_solve_left), _solve_right, where="linalg")
PINV = define("pinv", _M, unless_empty(_pinv), where="linalg")
MATRIX_RANK = define("matrix_rank", _M, operands=1, zero_gradient=True, where="linalg")
define("det", _M, unless_empty(_det), where="linalg")
define("slogdet", _M, unless_empty(_slogdet), where="linalg", result=SlogdetResult)
define("cholesky", _M, unless_empty(_cholesky), where="linalg")
