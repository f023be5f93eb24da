"""Linear algebra on Dask's arrays: the chunks' own library does it, on matrices that lie in one chunk each.

Dask has some of these functions for one matrix in even chunks, none for stacks, and the rest not at all. Two of its
forms are kept, for what is too large for one chunk: the Cholesky factor of square chunks, and the decompositions of a
tall matrix in chunks of whole rows.
"""

from collections.abc import Callable
from typing import Any

import dask.array
import numpy

__all__ = ["FUNCTIONS"]


def _on_chunk(*operands: Any, function: str, **static: Any) -> Any:
    """Call the function of that name in the library of one chunk; several results are a plain tuple."""
    from tl_arrayapi.backends.registry import backend_of

    found = getattr(backend_of(operands[0]).namespace.linalg, function)(*operands, **static)
    return tuple(found) if isinstance(found, tuple) else found


def _within(x: Any, limits: Any, function: str) -> Any:
    """Call the function of that name on one chunk, with a limit a matrix."""
    return _on_chunk(x, function=function, rtol=limits[..., 0, 0])


def _whole(
    function: str,
    signature: str,
    *operands: Any,
    sizes: dict[str, int] | None = None,
    run: Callable[..., Any] = _on_chunk,
    **static: Any,
) -> Any:
    """Return ``function`` of matrices with the axes that the signature names, each made one chunk, stacks' chunks kept.

    Matrices of a single element say of which type and dtype the results are.
    """
    whole = [x if x.numblocks[-2:] == (1, 1) else x.rechunk({x.ndim - 2: -1, x.ndim - 1: -1}) for x in operands]
    if len(whole) > 1:
        # Labels counted from the end, the matrices' own left apart: stacks broadcast, and must be cut alike.
        labels = [(*range(2 - x.ndim, 0), f"{i} rows", f"{i} columns") for i, x in enumerate(whole)]
        _, whole = dask.array.core.unify_chunks(*(item for pair in zip(whole, labels, strict=True) for item in pair))
    samples = [numpy.ones_like(x._meta, shape=(1,) * x.ndim) for x in operands]
    sample = run(*samples, function=function, **static)
    meta = tuple(numpy.asanyarray(x) for x in sample) if isinstance(sample, tuple) else numpy.asanyarray(sample)
    return dask.array.apply_gufunc(
        run,
        signature,
        *whole,
        function=function,
        meta=meta,
        output_sizes=sizes,
        **static,
    )


def _square(function: str, results: str) -> Callable[..., Any]:
    def call(x: Any, /, **static: Any) -> Any:
        return _whole(function, f"(i,i)->{results}", x, **static)

    return call


def _rectangular(function: str, results: str) -> Callable[..., Any]:
    def call(x: Any, /, **static: Any) -> Any:
        return _whole(function, f"(m,n)->{results}", x, sizes={"k": min(x.shape[-2:])}, **static)

    return call


def _limited(function: str, results: str) -> Callable[..., Any]:
    def call(x: Any, /, *, rtol: Any = None) -> Any:
        if isinstance(rtol, dask.array.Array):
            return _whole(function, f"(m,n),(p,q)->{results}", x, rtol[..., None, None], run=_within)
        return _rectangular(function, results)(x, **({} if rtol is None else {"rtol": rtol}))

    return call


def _in_rows(x: Any) -> bool:
    """Say whether ``x`` is one tall matrix in several chunks of whole rows, each of them tall."""
    return bool(x.ndim == 2 and x.numblocks[0] > 1 and x.numblocks[1] == 1 and min(x.chunks[0]) >= x.shape[1] > 0)


def _cholesky(x: Any, /, *, upper: bool = False) -> Any:
    if x.ndim == 2 and x.numblocks[0] > 1 and len({*x.chunks[0], *x.chunks[1]}) == 1 and x.dtype.kind == "f":
        # Dask gives the upper factor unless told otherwise, and the standard the lower one.
        return dask.array.linalg.cholesky(x, lower=not upper)
    return _whole("cholesky", "(i,i)->(i,i)", x, upper=upper)


def _solve(x1: Any, x2: Any, /) -> Any:
    return _whole("solve", "(i,i),(i,k)->(i,k)", x1, x2)


def _qr(x: Any, /, *, mode: str = "reduced") -> Any:
    if mode == "reduced" and _in_rows(x):
        return dask.array.linalg.qr(x)
    results = "(m,k),(k,n)" if mode == "reduced" else "(m,m),(m,n)"
    return _rectangular("qr", results)(x, mode=mode)


def _svd(x: Any, /, *, full_matrices: bool = True) -> Any:
    if not full_matrices and _in_rows(x):
        return dask.array.linalg.svd(x, coerce_signs=False)
    results = "(m,m),(k),(n,n)" if full_matrices else "(m,k),(k),(k,n)"
    return _rectangular("svd", results)(x, full_matrices=full_matrices)


def _svdvals(x: Any, /) -> Any:
    return dask.array.linalg.svd(x)[1] if _in_rows(x) else _rectangular("svdvals", "(k)")(x)


_SUPPLIED: dict[str, Callable[..., Any]] = {
    "cholesky": _cholesky,
    "det": _square("det", "()"),
    "eig": _square("eig", "(i),(i,i)"),
    "eigh": _square("eigh", "(i),(i,i)"),
    "eigvals": _square("eigvals", "(i)"),
    "eigvalsh": _square("eigvalsh", "(i)"),
    "inv": _square("inv", "(i,i)"),
    "matrix_rank": _limited("matrix_rank", "()"),
    "pinv": _limited("pinv", "(n,m)"),
    "qr": _qr,
    "slogdet": _square("slogdet", "(),()"),
    "solve": _solve,
    "svd": _svd,
    "svdvals": _svdvals,
}

FUNCTIONS = {f"linalg.{name}": function for name, function in _SUPPLIED.items()}
