"""Cases of linear algebra: general operands, from which each function makes what its domain asks for, so that finite
differences may move every element. What is not unique (signs of vectors) is squared or multiplied away.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["COMPLEX", "REAL"]

_Row = tuple[str, Callable[..., Any], tuple[np.ndarray[Any, Any], ...]]


def _draw(*shape: int, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape)


def _adjoint(xp: Any, x: Any) -> Any:
    turned = xp.matrix_transpose(x)
    return xp.conj(turned) if xp.isdtype(x.dtype, "complex floating") else turned


def _hermitian(xp: Any, x: Any) -> Any:
    return x + _adjoint(xp, x)


def _positive(xp: Any, x: Any) -> Any:
    """Return positive definite matrices: x x^H, and something on the diagonal."""
    return xp.matmul(x, _adjoint(xp, x)) + xp.astype(xp.tril(xp.triu(xp.ones_like(x))), x.dtype)


def _squared(xp: Any, x: Any) -> Any:
    return xp.real(x * xp.conj(x)) if xp.isdtype(x.dtype, "complex floating") else x * x


def _of_values(xp: Any, x: Any) -> Any:
    values, vectors = xp.linalg.eigh(_hermitian(xp, x))
    return xp.matmul(vectors * xp.exp(values)[..., None, :], _adjoint(xp, vectors))


def _of_eig(xp: Any, x: Any) -> Any:
    values, vectors = xp.linalg.eig(x)
    weights = xp.real(values)[..., None, :], xp.imag(values)[..., None, :]
    return xp.sum(_squared(xp, vectors) * xp.exp(weights[0]) + weights[1] ** 2 * weights[0], axis=-1)


def _of_svd(xp: Any, x: Any) -> Any:
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    return xp.matmul(u * xp.exp(-s)[..., None, :], vh)


def _of_full_svd(xp: Any, x: Any) -> Any:
    """Use what the first singular vectors leave over, of which only the space is unique."""
    u, s, vh = xp.linalg.svd(x)
    left, right = u[..., s.shape[-1] :], vh[..., s.shape[-1] :, :]
    beyond = xp.matmul(left, _adjoint(xp, left)) if left.shape[-1] else xp.matmul(_adjoint(xp, right), right)
    return beyond * xp.sum(s * s)


def _of_qr(xp: Any, x: Any, mode: str = "reduced") -> Any:
    q, r = xp.linalg.qr(x, mode=mode)
    if mode == "complete" and q.shape[-1] > x.shape[-1]:
        beyond = q[..., x.shape[-1] :]
        return xp.matmul(beyond, _adjoint(xp, beyond)) * xp.sum(_squared(xp, r))
    return xp.matmul(_squared(xp, q), xp.exp(_squared(xp, r)))


def _turned_slogdet(xp: Any, x: Any) -> Any:
    sign, size = xp.linalg.slogdet(x)
    return sign * (size + 2) ** 2


_E = np.eye(3)
A, B = _draw(3, 3, seed=30) + 1.5 * _E, _draw(2, 3, 3, seed=31) + 1.5 * _E
TALL, WIDE, V = _draw(4, 3, seed=32), _draw(2, 3, seed=33), _draw(3, seed=34)
LARGER = _draw(4, 4, seed=35) + np.eye(4)
# One eigenvalue is real and two are not.
TURNING = np.asarray([[0.3, -1.2, 0.4], [1.1, 0.2, -0.3], [0.2, 0.5, 1.7]])

REAL: list[_Row] = [
    ("inv", lambda xp, x: xp.linalg.inv(x), (B,)),
    ("solve", lambda xp, a, b: xp.linalg.solve(a, b), (A, TALL[:3, :2].copy())),
    ("solve with a vector", lambda xp, a, b: xp.linalg.solve(a, b), (A, V)),
    ("solve, stacks broadcast", lambda xp, a, b: xp.linalg.solve(a, b), (B[:, None], B[0][:, :2].copy())),
    ("solve, a stack with a vector", lambda xp, a, b: xp.linalg.solve(a, b), (B, V)),
    ("det", lambda xp, x: xp.linalg.det(x), (B,)),
    ("det of 2 rows", lambda xp, x: xp.linalg.det(x), (WIDE[:, :2].copy(),)),
    ("det of 4 rows", lambda xp, x: xp.linalg.det(x), (LARGER,)),
    ("slogdet", lambda xp, x: _turned_slogdet(xp, x), (B,)),
    ("cholesky", lambda xp, x: xp.linalg.cholesky(_positive(xp, x)), (B,)),
    ("cholesky upper", lambda xp, x: xp.linalg.cholesky(_positive(xp, x), upper=True), (A,)),
    ("pinv of a tall matrix", lambda xp, x: xp.linalg.pinv(x), (TALL,)),
    ("pinv of a wide matrix", lambda xp, x: xp.linalg.pinv(x), (WIDE,)),
    ("pinv of a matrix of rank 1", lambda xp, x, y: xp.linalg.pinv(xp.linalg.outer(x, y), rtol=1e-3), (V, V[:2] + 2)),
    ("eigh", _of_values, (B,)),
    ("eigvalsh", lambda xp, x: xp.linalg.eigvalsh(_hermitian(xp, x)), (A,)),
    ("eig", _of_eig, (TURNING,)),
    ("eigvals", lambda xp, x: xp.sum(xp.imag(xp.linalg.eigvals(x)) ** 2 + xp.real(xp.linalg.eigvals(x) ** 3)), (B,)),
    ("svd of a tall matrix", _of_svd, (TALL,)),
    ("svd of a wide matrix", _of_svd, (WIDE,)),
    ("svd, full, of a tall matrix", _of_full_svd, (TALL,)),
    ("svd, full, of a wide matrix", _of_full_svd, (WIDE,)),
    ("svdvals", lambda xp, x: xp.linalg.svdvals(x), (B,)),
    ("qr", _of_qr, (B,)),
    ("qr of a tall matrix", _of_qr, (TALL,)),
    ("qr of a wide matrix", _of_qr, (WIDE,)),
    ("qr, complete", lambda xp, x: _of_qr(xp, x, mode="complete"), (TALL,)),
    ("cross", lambda xp, x, y: xp.linalg.cross(x, y), (TALL, V)),
    ("cross along the first axis", lambda xp, x, y: xp.linalg.cross(x, y, axis=-2), (A, B)),
    ("matrix_power", lambda xp, x: xp.linalg.matrix_power(x, 5), (A,)),
    ("matrix_power -2", lambda xp, x: xp.linalg.matrix_power(x, -2), (B,)),
    *(
        (f"matrix_norm {ord}", lambda xp, x, ord=ord: xp.linalg.matrix_norm(x, ord=ord), (TALL,))
        for ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ),
    ("matrix_norm keepdims", lambda xp, x: xp.linalg.matrix_norm(x, ord="nuc", keepdims=True), (B,)),
    *(
        (f"vector_norm {ord}", lambda xp, x, ord=ord: xp.linalg.vector_norm(x, ord=ord), (TALL,))
        for ord in (1, 2.5, -1, np.inf, -np.inf)
    ),
    ("vector_norm keepdims", lambda xp, x: xp.linalg.vector_norm(x, axis=(0, 2), keepdims=True), (B,)),
]

_C, _D = A + 1j * _draw(3, 3, seed=36), B + 1j * _draw(2, 3, 3, seed=37)
_TALL, _WIDE, _V = TALL + 1j * _draw(4, 3, seed=38), WIDE + 1j * _draw(2, 3, seed=39), V + 1j * _draw(3, seed=40)

_LARGER = LARGER + 1j * _draw(4, 4, seed=41)
_TURNED = {id(A): _C, id(B): _D, id(TALL): _TALL, id(WIDE): _WIDE, id(V): _V, id(LARGER): _LARGER}
COMPLEX: list[_Row] = [
    *(
        (name, function, tuple(_TURNED[id(x)] for x in operands))
        for name, function, operands in REAL
        if all(id(x) in _TURNED for x in operands)
    ),
    ("eig", _of_eig, (_C,)),
    ("solve, real and complex", lambda xp, a, b: xp.linalg.solve(a, b), (A, _C)),
    ("solve, complex and real", lambda xp, a, b: xp.linalg.solve(a, b), (_C, V)),
    ("cross, real and complex", lambda xp, x, y: xp.linalg.cross(x, y), (TALL, _V)),
    ("det of 2 rows", lambda xp, x: xp.linalg.det(x), (_C[:2, :2].copy(),)),
]
