"""The NumPy backend."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy

from tl_arrayapi.backends.host import HostBackend
from tl_arrayapi.backends.numpy import fills
from tl_arrayapi.backends.numpy.functions import FUNCTIONS
from tl_arrayapi.backends.numpy.lowering import NumPyProgram
from tl_arrayapi.backends.program import Program, Runtime
from tl_arrayapi.backends.special import scipy_function
from tl_arrayapi.graph.graph import Graph
from tl_arrayapi.init.fills import fill_box as portable_box

__all__ = ["NumPyBackend"]

# Below this many elements a new array costs less than to name an old one.
_SMALL = 4096

# The stubs know their last argument by keyword alone.
_multiply: Any = numpy.multiply
_subtract: Any = numpy.subtract

# The most that glibc takes for a size worth keeping, less its own header.
_LARGEST_KEPT = (32 << 20) - (64 << 10)


def _keep_freed_memory() -> None:
    """Have glibc keep freed memory, up to 64 MB of it, for the next arrays.

    An array of 128 KiB or more otherwise has new pages from the kernel each time, which often takes longer than what is
    computed with it. glibc raises that limit to the size of the largest array that was freed (mallopt(3),
    M_MMAP_THRESHOLD), and one that is never written to costs nothing. Where the user has set the limit, or the
    C library is another, this changes nothing.
    """
    numpy.empty(_LARGEST_KEPT, numpy.uint8)


class NumPyBackend(HostBackend):
    """Describe NumPy.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.backends.get(numpy).scatter_add((3,), numpy.asarray([0, 0, -1]), numpy.asarray([1.0, 2.0, 4.0]), 0)
    array([3., 0., 4.])
    """

    name = "numpy"

    flat = True

    reassociates = True

    def __init__(self, namespace: Any) -> None:
        super().__init__(namespace)
        _keep_freed_memory()

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Faster forms for small arrays."""
        return FUNCTIONS

    def special(self, name: str) -> Callable[..., Any] | None:
        """Return SciPy's function."""
        return scipy_function(name)

    def scatter_add(self, shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
        """Return zeros of ``shape`` plus ``updates`` added along ``axis`` at ``indices``."""
        out = numpy.zeros(shape, updates.dtype)
        numpy.add.at(out, (*(slice(None),) * axis, indices), updates)
        return out

    def result(self, array: Any) -> Any:
        """Return ``array`` as a writeable ndarray in its own memory, in C order: products round by the order of what
        they multiply, and a file keeps none.
        """
        if type(array) is numpy.ndarray and array.base is None:
            flags = array.flags
            if flags.writeable and flags.c_contiguous:
                return array
        return numpy.array(array, order="C")

    def descend(self, param: Any, grad: Any, rate: Any) -> Any:
        """Return ``param - rate * grad``, large ones in the memory of ``grad``: gradients and new parameters are then
        not
        there at once.
        """
        if grad.size < _SMALL:
            return numpy.asarray(param - rate * grad)
        _multiply(grad, rate, grad)
        return _subtract(param, grad, grad)

    def flat_array(self, size: int, dtype: Any) -> tuple[Any, Any]:
        """Return an array of one axis that starts at a multiple of 64 bytes, a cache line, and another array object of
        its memory, which is what views of that one have as their base.
        """
        space = numpy.zeros(size * dtype.itemsize + 64, numpy.uint8)
        start = -space.ctypes.data % 64
        whole = space[start : start + size * dtype.itemsize].view(dtype)
        return whole, numpy.asarray(memoryview(whole))

    def draw(self, recipe: Any, shape: tuple[int, ...], dtype: str, device: Any) -> Any:
        """Fill new memory, block by block."""
        out = numpy.empty(shape, dtype)
        fills.fill_into(out.reshape(-1), recipe)
        return out

    def fill_into(self, out: Any, recipe: Any, threads: int | None = None) -> None:
        """Write what ``recipe`` draws into an array of one axis, uint16 where its format is bfloat16: see
        `fills.fill_into`. Libraries whose memory NumPy can view fill it so.
        """
        fills.fill_into(out, recipe, threads=threads)

    def fill_box(
        self, scheme: Any, shape: tuple[int, ...], start: Sequence[int], stop: Sequence[int], dtype: str
    ) -> numpy.ndarray[Any, Any]:
        """Return a part of the array that `fill` makes, computed in this thread: other parts have theirs."""

        def drawn(recipe: Any, shape: tuple[int, ...], start: Sequence[int], stop: Sequence[int], dtype: str) -> Any:
            out = numpy.empty([b - a for a, b in zip(start, stop, strict=True)], dtype)
            fills.fill_box(out, recipe, shape, start)
            return out

        found = portable_box(scheme, shape, start, stop, self.namespace, dtype, drawn=drawn)
        return numpy.asarray(found)

    def lower(self, graph: Graph, runtime: Runtime) -> Program:
        """Return ``graph`` as calls on memory that is allocated beforehand; not ``fast``, as the functions of eager."""
        return NumPyProgram(graph, runtime) if runtime.fast else super().lower(graph, runtime)

    def memory(self, array: Any) -> Hashable:
        """Return the identity of the array that owns the memory: NumPy's views refer to it directly."""
        return id(array if array.base is None else array.base)

    def hold(self, array: Any) -> Callable[[], bool] | None:
        """Make ``array`` read-only meanwhile. A view is not held, and so copied: its memory can be written to through
        its owner.
        """
        if array.base is not None or not array.flags.writeable:
            return None
        array.flags.writeable = False

        def release() -> bool:
            array.flags.writeable = True
            return True

        return release

    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Return ``array`` itself."""
        return numpy.asarray(array)

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Return a copy of ``array`` as ``dtype``."""
        self.device(device)
        return numpy.array(array, dtype=self.dtype(array.dtype.name if dtype is None else dtype), order="C")
