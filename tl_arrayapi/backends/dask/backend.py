"""The Dask backend."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dask
import dask.array
import numpy

from tl_arrayapi.backends.dask import functions
from tl_arrayapi.backends.dask.partition import DaskProgram
from tl_arrayapi.backends.dask.slabs import slabs
from tl_arrayapi.backends.dask.special import special
from tl_arrayapi.backends.host import HostBackend
from tl_arrayapi.backends.program import Program, Runtime
from tl_arrayapi.errors import BackendError, ShapeError
from tl_arrayapi.graph.graph import Graph
from tl_arrayapi.init.formats import float_format
from tl_arrayapi.init.recipes import Payload, Whole
from tl_arrayapi.init.schemes import as_scheme

__all__ = ["DaskBackend"]


class DaskBackend(HostBackend):
    """Describe dask.array, whose chunks are NumPy's or CuPy's.

    >>> import dask.array, tl_arrayapi as tl
    >>> tl.backends.get(dask.array).to_host(dask.array.ones(3, chunks=2))
    array([1., 1., 1.])
    """

    name = "dask"
    lazy = True

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """What Dask does otherwise than the standard."""
        return functions.FUNCTIONS

    def special(self, name: str) -> Callable[..., Any] | None:
        """Return the function that the library of the chunks has, applied to each of them."""
        return special(name)

    def scatter_add(self, shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
        """Return zeros of ``shape`` plus ``updates`` added along ``axis`` at ``indices``; chunks elsewhere stay."""
        return functions.scatter_add(shape, indices, updates, axis)

    def check(self, array: Any, where: str) -> None:
        """Refuse arrays of unknown shape."""
        if any(math.isnan(n) for n in array.shape):
            raise ShapeError(
                f"{where} has unknown chunk sizes, shape {array.shape}: call its compute_chunk_sizes() first"
            )

    def result(self, array: Any) -> Any:
        """Return ``array``: Dask's arrays are immutable."""
        return array

    def fill(self, scheme: Any, shape: tuple[int, ...], dtype: str, device: Any, chunks: Any = None) -> Any:
        """Fill chunk by chunk, each from its own place in the stream, where it is computed."""
        self.device(device)
        kind = self.dtype(dtype)
        if not shape or 0 in shape:
            return self.from_host(functions.fill_box(scheme, shape, [(0, n) for n in shape], dtype), dtype)
        sizes = functions.chunk_sizes(shape, chunks, kind)
        recipe = as_scheme(scheme).recipe(float_format(dtype))
        if isinstance(recipe, Payload):
            # The values are the client's: chunks of them go out, and not all of them with each task.
            values = numpy.asarray(recipe.values, kind).reshape(shape)
            return dask.array.from_array(values, chunks=sizes, name=False)
        is_one = isinstance(recipe, Whole) and not recipe.has_parts
        made_in = tuple((n,) for n in shape) if is_one else sizes
        meta = numpy.empty((0,) * len(shape), kind)
        made = dask.array.map_blocks(
            functions.fill_block, scheme, shape, dtype, chunks=made_in, dtype=kind, meta=meta, name=None
        )
        return made.rechunk(sizes)

    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Compute ``array``."""
        computed = array.compute() if isinstance(array, dask.array.Array) else array
        if isinstance(computed, dask.array.Array):
            raise BackendError("a Dask array computed to another one: call compute() on it first")
        from tl_arrayapi.backends.registry import backend_of

        return backend_of(computed).to_host(computed)

    def host_blocks(self, array: Any) -> Iterator[numpy.ndarray[Any, Any]]:
        """Compute ``array`` slab by slab, each of them when it is asked for."""
        for slab in slabs(array):
            yield self.to_host(slab).reshape(-1)

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Copy ``array`` into chunks of Dask's automatic size."""
        self.device(device)
        host = numpy.array(array, dtype=self.dtype(array.dtype.name if dtype is None else dtype), order="C")
        # Without a name Dask would hash all of the data for one.
        return dask.array.from_array(host, name=False)

    def take_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Return an array over the memory of ``array``."""
        self.device(device)
        host = numpy.asarray(array, dtype=self.dtype(array.dtype.name if dtype is None else dtype), order="C")
        return dask.array.from_array(host, name=False)

    def hold(self, array: Any) -> Callable[[], bool] | None:
        """Compare the name, which a write changes."""
        name = array.name
        return lambda: bool(array.name == name)

    def lower(self, graph: Graph, runtime: Runtime) -> Program:
        """Return ``graph`` as a program that runs in one task a chunk, where it can be shared out among the chunks.

        That adds up in another order than Dask does, and is left alone where ``runtime`` wants eager's.
        """
        portable = self.portable(graph, runtime)
        if runtime.elsewhere is None or not runtime.fast:
            return portable
        return DaskProgram(graph, portable, runtime.elsewhere)

    def persist(self, arrays: list[Any]) -> list[Any]:
        """Compute all ``arrays`` at once, and keep their chunks where they were computed."""
        return list(dask.persist(*arrays)) if arrays else arrays

    def version(self) -> str:
        """Return Dask's version."""
        return str(dask.__version__)
