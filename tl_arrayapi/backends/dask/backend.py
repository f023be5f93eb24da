"""The Dask backend."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import dask
import dask.array
import numpy

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.errors import BackendError, DeviceError, ShapeError

__all__ = ["DaskBackend"]


def _reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    try:
        return dask.array.reshape(x, shape)
    except (NotImplementedError, ValueError):
        # Dask merges and splits axes evenly only; through one axis, every reshape is a merge and a split.
        if any(math.isnan(n) for n in x.shape):
            raise
        return dask.array.reshape(dask.array.reshape(x.rechunk(-1), (-1,)), shape)


def _cholesky(x: Any, /, *, upper: bool = False) -> Any:
    # Dask gives the upper factor unless told otherwise, and the standard the lower one.
    return dask.array.linalg.cholesky(x, lower=not upper)


def _fill_block(scheme: Any, shape: tuple[int, ...], dtype: str, block_info: Any = None) -> Any:
    from tl_arrayapi.init.fills import fill_box

    box = block_info[None]["array-location"]
    return fill_box(scheme, shape, [start for start, _ in box], [stop for _, stop in box], _host(), dtype)


def _host() -> Any:
    """Return the namespace of the chunks that are filled."""
    from tl_arrayapi.backends.registry import get

    return get(None).namespace


class DaskBackend(Backend):
    """Describe dask.array, whose chunks are NumPy's or CuPy's."""

    name = "dask"
    lazy = True
    one_device = True

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """What Dask does otherwise than the standard."""
        return {"reshape": _reshape, "linalg.cholesky": _cholesky}

    def check(self, array: Any, where: str) -> None:
        """Refuse arrays of unknown shape."""
        if any(math.isnan(n) for n in array.shape):
            raise ShapeError(f"{where} has unknown chunk sizes, shape {array.shape}: call its compute_chunk_sizes() first")

    def result(self, array: Any) -> Any:
        """Return ``array``: Dask's arrays are immutable."""
        return array

    def fill(self, scheme: Any, shape: tuple[int, ...], dtype: str, device: Any, chunks: Any = None) -> Any:
        """Fill chunk by chunk, each from its own place in the stream, where it is computed."""
        self.device(device)
        if not shape or 0 in shape:
            return self.from_host(numpy.asarray(_host_fill(scheme, shape, dtype)), dtype)
        sizes = dask.array.core.normalize_chunks("auto" if chunks is None else chunks, shape, dtype=numpy.dtype(dtype))
        return dask.array.map_blocks(
            _fill_block, scheme, shape, dtype, chunks=sizes, dtype=numpy.dtype(dtype), meta=numpy.empty((0,) * len(shape), dtype)
        )

    def device_of(self, array: Any) -> Any:
        """Return the host's one device."""
        return "cpu"

    def to_device(self, array: Any, device: Any) -> Any:
        """Return ``array``: there is one device."""
        self.device(device)
        return array

    def devices(self) -> list[Any]:
        """List the host's one device."""
        return ["cpu"]

    def device(self, name: Any) -> Any:
        """Return None for the one device, and refuse all others."""
        if name not in (None, "cpu"):
            raise DeviceError(f"dask has no device {name!r}: it has 'cpu'")
        return None

    def dtype(self, name: str) -> Any:
        """Return the dtype object of that name, which is NumPy's."""
        return numpy.dtype(super().dtype(name))

    def dtype_name(self, dtype: Any) -> str:
        """Return the dtype's name."""
        return str(numpy.dtype(dtype).name)

    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Compute ``array``."""
        computed = array.compute() if isinstance(array, dask.array.Array) else array
        if isinstance(computed, dask.array.Array):
            raise BackendError("a Dask array computed to another one: call compute() on it first")
        from tl_arrayapi.backends.registry import backend_of

        return backend_of(computed).to_host(computed)

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Copy ``array`` into chunks of Dask's automatic size."""
        self.device(device)
        host = numpy.array(array, dtype=dtype, order="C")
        # Without a name Dask would hash all of the data for one.
        return dask.array.from_array(host, name=False)

    def persist(self, arrays: list[Any]) -> list[Any]:
        """Compute all ``arrays`` at once, and keep their chunks where they were computed."""
        return list(dask.persist(*arrays)) if arrays else arrays

    def version(self) -> str:
        """Return Dask's version."""
        return str(dask.__version__)


def _host_fill(scheme: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """Return what the host's library fills: a shape without elements, or without axes, has no chunks to fill."""
    from tl_arrayapi.init.fills import fill

    return fill(scheme, shape, _host(), dtype)


