"""What Dask's functions do otherwise than the standard's, and those that work on one chunk at a time."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import dask.array
import numpy

from tl_arrayapi.backends.dask import fourier, linalg
from tl_arrayapi.errors import BackendError, ShapeError

__all__ = ["FUNCTIONS", "chunk_sizes", "fill_block", "fill_box", "scatter_add"]


def _reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    if 0 in x.shape:  # which Dask reshapes to some shapes only
        return dask.array.zeros_like(x, shape=numpy.empty(x.shape).reshape(shape).shape)
    try:
        return dask.array.reshape(x, shape)
    except (NotImplementedError, ValueError):
        # Dask merges and splits axes evenly only; through one axis, every reshape is a merge and a split.
        if any(math.isnan(n) for n in x.shape):
            raise
        return dask.array.reshape(dask.array.reshape(x.rechunk(-1), (-1,)), shape)


def _roll(x: Any, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Any:
    if 0 in x.shape:
        return x
    if isinstance(shift, int) and isinstance(axis, tuple):
        shift = (shift,) * len(axis)
    return dask.array.roll(x, shift, axis)


def _matmul(x1: Any, x2: Any, /) -> Any:
    # Dask adds up the products of chunks, those of small integers in a wider dtype.
    product = dask.array.matmul(_in_rows(x1), _in_rows(x2))
    dtype = numpy.result_type(x1.dtype, x2.dtype)
    return product if product.dtype == dtype else product.astype(dtype)


def _in_rows(x: Any) -> Any:
    """Have the chunks lie in C order, however they were computed: BLAS may round otherwise where one is transposed."""
    return x.map_blocks(numpy.ascontiguousarray, dtype=x.dtype, meta=x._meta) if type(x._meta) is numpy.ndarray else x


def _searchsorted(x1: Any, x2: Any, /, *, side: str = "left") -> Any:
    # Dask writes into what NumPy returns for a chunk, which for 0-d x2 is a scalar.
    found = dask.array.searchsorted(x1, dask.array.atleast_1d(x2), side=side)
    return found if x2.ndim else found[0]


def _eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Any:
    # Dask's own loses blocks of what is not square once its graph is cut.
    columns = dask.array.arange(n_rows if n_cols is None else n_cols)
    return (dask.array.arange(n_rows)[:, None] + k == columns).astype("float64" if dtype is None else dtype)


def _of_unknown_length(name: str) -> Callable[..., Any]:
    def function(x: Any, /) -> Any:
        raise BackendError(
            f"dask cannot say how many distinct values there are before it computes them: call {name} of the library "
            "of the chunks, on x.compute()"
        )

    return function


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "reshape": _reshape,
    "eye": _eye,
    "matmul": _matmul,
    "roll": _roll,
    "searchsorted": _searchsorted,
    **{name: _of_unknown_length(name) for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values")},
    **fourier.FUNCTIONS,
    **linalg.FUNCTIONS,
}


def scatter_add(shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
    """Return zeros of ``shape`` plus ``updates`` added along ``axis`` at ``indices``; chunks elsewhere stay."""
    labels = tuple(range(len(shape)))
    return dask.array.blockwise(
        _scatter_add_chunk,
        labels,
        updates.rechunk({axis: -1}),
        labels,
        indices.rechunk(-1),
        (axis,),
        axis=axis,
        count=shape[axis],
        adjust_chunks={axis: shape[axis]},
        dtype=updates.dtype,
        meta=updates._meta,
    )


def _scatter_add_chunk(updates: Any, indices: Any, axis: int, count: int) -> Any:
    from tl_arrayapi.backends.registry import backend_of

    shape = (*updates.shape[:axis], count, *updates.shape[axis + 1 :])
    return backend_of(updates).scatter_add(shape, indices, updates, axis)


def chunk_sizes(shape: tuple[int, ...], chunks: Any, dtype: Any) -> tuple[tuple[int, ...], ...]:
    """Return the sizes of the chunks along each axis of ``shape``; raises `ShapeError` where ``chunks`` do not fit."""
    try:
        sizes: tuple[tuple[int, ...], ...] = dask.array.core.normalize_chunks(
            "auto" if chunks is None else chunks, shape, dtype=dtype
        )
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ShapeError(f"chunks={chunks!r} do not fit shape {shape}: {error}") from error
    # Dask lets sizes of 0 and below pass.
    if not all(size > 0 for axis in sizes for size in axis) or tuple(map(sum, sizes)) != shape:
        raise ShapeError(f"chunks={chunks!r} do not fit shape {shape}: along each axis, give sizes of at least 1")
    return sizes


def fill_block(scheme: Any, shape: tuple[int, ...], dtype: str, block_info: Any = None) -> numpy.ndarray[Any, Any]:
    """Return one chunk of an array of ``shape`` that an initialiser fills; map_blocks says which."""
    return fill_box(scheme, shape, block_info[None]["array-location"], dtype)


def fill_box(
    scheme: Any, shape: tuple[int, ...], box: Sequence[tuple[int, int]], dtype: str
) -> numpy.ndarray[Any, Any]:
    """Return the part of an array of ``shape`` that lies in ``box``, a (start, stop) an axis."""
    from tl_arrayapi.backends.registry import get

    host: Any = get(None)
    starts, stops = [start for start, _ in box], [stop for _, stop in box]
    found: numpy.ndarray[Any, Any] = host.fill_box(scheme, shape, starts, stops, dtype)
    return found
