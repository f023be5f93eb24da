"""Every differentiable function of the table, with operands inside its domain: what the tests of rules walk over.

A case is a function of (xp, *operands); operands are host float64 arrays, made by a seeded generator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.autograd import cases_linalg

__all__ = ["CASES", "Case", "complex_cases"]


@dataclass(frozen=True)
class Case:
    """One call of one function, all of whose operands are watched."""

    name: str
    function: Callable[..., Any]
    operands: tuple[np.ndarray[Any, Any], ...]

    def __str__(self) -> str:
        return self.name


def _draw(shape: tuple[int, ...], lo: float, hi: float, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).uniform(lo, hi, shape)


def _unary() -> list[Case]:
    everywhere = dict.fromkeys(
        (
            "atan",
            "asinh",
            "cos",
            "cosh",
            "exp",
            "expm1",
            "negative",
            "positive",
            "sin",
            "sinh",
            "square",
            "tanh",
            "abs",
        ),
        (-2.0, 2.0),
    )
    special = {
        **dict.fromkeys(("acos", "asin", "atanh", "tan"), (-0.8, 0.8)),
        **dict.fromkeys(("log", "log10", "log2", "reciprocal", "sqrt"), (0.3, 3.0)),
        "acosh": (1.3, 3.0),
        "log1p": (-0.6, 2.0),
    }
    return [
        Case(name, lambda xp, x, name=name: getattr(xp, name)(x), (_draw((3, 4), *bounds, seed=1),))
        for name, bounds in {**everywhere, **special}.items()
    ]


def _binary() -> list[Case]:
    cases = []
    for name in (
        "add",
        "atan2",
        "divide",
        "hypot",
        "logaddexp",
        "maximum",
        "minimum",
        "multiply",
        "subtract",
        "copysign",
        "pow",
        "remainder",
    ):
        x, y = _draw((3, 4), 0.4, 2.0, 2), _draw((3, 4), 0.5, 2.1, 3)
        cases.append(Case(name, lambda xp, x, y, name=name: getattr(xp, name)(x, y), (x, y)))
        cases.append(Case(f"{name} broadcast", lambda xp, x, y, name=name: getattr(xp, name)(x, y), (x[:, :1], y[0])))
    return cases


X = _draw((2, 3, 4), -1.0, 1.0, 4)
M, V = _draw((3, 4), -1.0, 1.0, 5), _draw((4,), -1.0, 1.0, 6)

_OTHERS: list[tuple[str, Callable[..., Any], tuple[np.ndarray[Any, Any], ...]]] = [
    ("sum", lambda xp, x: xp.sum(x), (X,)),
    ("sum axis", lambda xp, x: xp.sum(x, axis=1), (X,)),
    ("sum axes keepdims", lambda xp, x: xp.sum(x, axis=(0, -1), keepdims=True), (X,)),
    ("mean", lambda xp, x: xp.mean(x, axis=-1, keepdims=True), (X,)),
    ("var", lambda xp, x: xp.var(x, axis=-1, correction=1), (X,)),
    ("std", lambda xp, x: xp.std(x, axis=(0, 1)), (X,)),
    ("max", lambda xp, x: xp.max(x, axis=1), (X,)),
    ("max of all", lambda xp, x: xp.max(x), (X,)),
    ("min", lambda xp, x: xp.min(x, axis=-1, keepdims=True), (X,)),
    ("prod", lambda xp, x: xp.prod(x, axis=1), (X,)),
    ("prod of all", lambda xp, x: xp.prod(x), (M,)),
    ("cumulative_sum", lambda xp, x: xp.cumulative_sum(x, axis=1), (X,)),
    ("cumulative_sum with the initial zero", lambda xp, x: xp.cumulative_sum(x, axis=-1, include_initial=True), (X,)),
    ("cumulative_prod", lambda xp, x: xp.cumulative_prod(x, axis=1), (X,)),
    ("cumulative_prod with the initial one", lambda xp, x: xp.cumulative_prod(x, axis=0, include_initial=True), (X,)),
    ("broadcast_to", lambda xp, x: xp.broadcast_to(x, (2, 3, 4)), (V,)),
    ("concat", lambda xp, x, y: xp.concat([x, y], axis=1), (M, M[:, :2])),
    ("concat flat", lambda xp, x, y: xp.concat([x, y], axis=None), (M, V)),
    ("expand_dims", lambda xp, x: xp.expand_dims(x, axis=1), (M,)),
    ("flip", lambda xp, x: xp.flip(x, axis=1), (X,)),
    ("matrix_transpose", lambda xp, x: xp.matrix_transpose(x), (X,)),
    ("moveaxis", lambda xp, x: xp.moveaxis(x, 0, -1), (X,)),
    ("permute_dims", lambda xp, x: xp.permute_dims(x, (2, 0, 1)), (X,)),
    ("reshape", lambda xp, x: xp.reshape(x, (4, -1)), (X,)),
    ("roll", lambda xp, x: xp.roll(x, 2, axis=-1), (X,)),
    ("squeeze", lambda xp, x: xp.squeeze(x, axis=1), (M[:, None],)),
    ("stack", lambda xp, x, y: xp.stack([x, y], axis=1), (M, 2 * M)),
    ("tile", lambda xp, x: xp.tile(x, (2, 1, 3)), (M,)),
    ("tril", lambda xp, x: xp.tril(x, k=-1), (M,)),
    ("triu", lambda xp, x: xp.triu(x, k=1), (M,)),
    ("unstack", lambda xp, x: xp.unstack(x, axis=1)[1] ** 2, (X,)),
    ("meshgrid", lambda xp, x, y: xp.meshgrid(x, y)[0] * xp.meshgrid(x, y)[1], (V, V[:3])),
    ("broadcast_arrays", lambda xp, x, y: xp.broadcast_arrays(x, y)[1], (M, V)),
    ("diff", lambda xp, x: xp.diff(x, axis=1, n=2), (X,)),
    ("sort", lambda xp, x: xp.sort(x, axis=-1), (M,)),
    ("sort descending", lambda xp, x: xp.sort(x, axis=0, descending=True) ** 2, (M,)),
    ("repeat", lambda xp, x: xp.repeat(x, 2, axis=1) ** 2, (M,)),
    ("repeat each its own", lambda xp, x: xp.repeat(x, (0, 3, 1, 2), axis=-1) ** 2, (M,)),
    ("sign", lambda xp, x: xp.sign(x) * x, (X,)),
    ("clip", lambda xp, x: xp.clip(x, -0.5, 0.4), (X,)),
    ("where", lambda xp, x, y: xp.where(x > 0, x * y, y), (M, M[::-1].copy())),
    ("astype", lambda xp, x: xp.astype(x, x.dtype) * 2, (M,)),
    ("matmul", lambda xp, x, y: xp.matmul(x, y), (M, M.T.copy())),
    ("matmul vectors", lambda xp, x, y: xp.matmul(x, y), (V, 2 * V)),
    ("matmul matrix vector", lambda xp, x, y: xp.matmul(x, y), (X, V)),
    ("matmul vector matrix", lambda xp, x, y: xp.matmul(x, y), (V, M.T.copy())),
    ("matmul batch", lambda xp, x, y: xp.matmul(x, y), (X, M.T.copy())),
    ("matmul batches broadcast", lambda xp, x, y: xp.matmul(x, y), (X[:, None], X[:1].swapaxes(1, 2).copy())),
    ("tensordot", lambda xp, x, y: xp.tensordot(x, y, axes=((1, 2), (0, 1))), (X, M)),
    ("tensordot 1", lambda xp, x, y: xp.tensordot(x, y, axes=1), (X, M.T.copy())),
    ("vecdot", lambda xp, x, y: xp.vecdot(x, y), (X, M)),
    ("outer", lambda xp, x, y: xp.linalg.outer(x, y), (V, V[:3])),
    ("trace", lambda xp, x: xp.linalg.trace(x, offset=1), (X,)),
    ("diagonal", lambda xp, x: xp.linalg.diagonal(x, offset=-1), (X,)),
    ("vector_norm", lambda xp, x: xp.linalg.vector_norm(x, axis=-1), (X,)),
    ("vector_norm 3", lambda xp, x: xp.linalg.vector_norm(x, axis=(0, 1), ord=3), (X,)),
    ("getitem", lambda xp, x: x[1, ..., ::2] * x[0, ..., 1::2], (X,)),
    ("getitem backwards", lambda xp, x: x[:, ::-2, None, 1:3], (X,)),
    ("take", lambda xp, x: xp.take(x, xp.argsort(x[0, 0, :]) // 2, axis=2), (X,)),
    ("take_along_axis", lambda xp, x: xp.take_along_axis(x, xp.argsort(x, axis=1), axis=1), (X,)),
]


def _turned(xp: Any, x: Any) -> Any:
    """Return a complex array made of a real one: not all libraries transform real signals."""
    return xp.astype(x, xp.complex64 if x.dtype == xp.float32 else xp.complex128) * (0.8 + 0.6j)


def _mixed(xp: Any, z: Any) -> Any:
    """Return a real array of which every part of ``z`` has a share, with a second derivative."""
    return xp.real(z) * (xp.real(z) - 2 * xp.imag(z)) if xp.isdtype(z.dtype, "complex floating") else z * z


def _fourier(name: str, note: str, x: np.ndarray[Any, Any], turned: bool, **static: Any) -> Case:
    def function(xp: Any, x: Any) -> Any:
        return _mixed(xp, getattr(xp.fft, name)(_turned(xp, x) if turned else x, **static))

    return Case(f"{name} {note}".strip(), function, (x,))


_FOURIER = [
    _fourier("fft", "padded", X, True, n=5, axis=1, norm="ortho"),
    _fourier("ifft", "cropped", M, True, n=3, norm="forward"),
    _fourier("fftn", "padded and cropped", X, True, s=(3, 3), axes=(-1, 0), norm="forward"),
    _fourier("ifftn", "", X, True, axes=(2, 0), norm="ortho"),
    _fourier("rfft", "odd", X, False, axis=1, norm="ortho"),
    _fourier("rfft", "padded", M, False, n=6, norm="forward"),
    _fourier("irfft", "even", M, True),
    _fourier("irfft", "odd", X, True, n=5, axis=1, norm="ortho"),
    _fourier("rfftn", "padded and cropped", X, False, s=(3, 2), axes=(2, 1), norm="ortho"),
    _fourier("irfftn", "odd", X, True, s=(2, 5), axes=(2, 1), norm="forward"),
    _fourier("hfft", "odd", X, True, n=7, axis=1, norm="ortho"),
    _fourier("ihfft", "even", M, False, norm="forward"),
    _fourier("fftshift", "", X, True),
    _fourier("ifftshift", "axes", X, False, axes=(1, -1)),
]

CASES = [*_unary(), *_binary(), *(Case(*other) for other in (*_OTHERS, *cases_linalg.REAL)), *_FOURIER]


def complex_cases() -> list[Case]:
    """Return functions of complex operands; those of two operands also run with a real first one."""
    z = _draw((3, 4), -0.9, 0.9, 7) + 1j * _draw((3, 4), 0.2, 0.9, 8)
    w = _draw((3, 4), 0.4, 0.9, 9) + 1j * _draw((3, 4), -0.9, 0.9, 10)
    unary = (
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "cos",
        "cosh",
        "exp",
        "expm1",
        "log",
        "log10",
        "log1p",
        "log2",
        "negative",
    )
    unary += ("reciprocal", "sin", "sinh", "sqrt", "square", "tan", "tanh", "conj", "real", "imag", "abs", "sign")
    cases = [Case(name, lambda xp, x, name=name: getattr(xp, name)(x), (z,)) for name in unary]
    for name in ("add", "divide", "multiply", "pow", "subtract"):
        cases.append(Case(name, lambda xp, x, y, name=name: getattr(xp, name)(x, y), (z, w)))
        cases.append(
            Case(f"{name}, real and complex", lambda xp, x, y, name=name: getattr(xp, name)(x, y), (w.real.copy(), z))
        )
    cases.append(Case("matmul", lambda xp, x, y: xp.matmul(x, y), (z, w.T.copy())))
    cases.append(Case("matmul, real and complex", lambda xp, x, y: xp.matmul(x, y), (w.real.copy(), z.T.copy())))
    cases.append(Case("vecdot", lambda xp, x, y: xp.vecdot(x, y), (z, w)))
    cases.append(Case("var", lambda xp, x: xp.var(x, axis=0), (z,)))
    cases.append(Case("sum", lambda xp, x: xp.sum(x, axis=0), (z,)))
    cases.append(Case("prod", lambda xp, x: xp.prod(x, axis=0), (z,)))
    cases.append(Case("cumulative_prod", lambda xp, x: xp.cumulative_prod(x, axis=1), (z,)))
    cases.append(Case("cumulative_sum", lambda xp, x: xp.cumulative_sum(x, axis=1), (z,)))
    of_real = ("rfft", "rfftn", "ihfft")
    cases += [
        Case(name, lambda xp, x, name=name: getattr(xp.fft, name)(x), (z.real.copy() if name in of_real else z,))
        for name in ("fft", "ifft", "fftn", "ifftn", "irfft", "irfftn", "hfft", "fftshift", "ifftshift", *of_real)
    ]
    return [*cases, *(Case(*row) for row in cases_linalg.COMPLEX)]
