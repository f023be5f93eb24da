"""When fills go to Numba's kernels: where it is installed, once they have taken NumPy about as long as loading them.

The kernels have the same bits. Loading takes half a second, and some seconds the first time on a machine, when they
are compiled: a few small parameters are filled long before.
"""

import functools
from collections.abc import Callable
from typing import Any

from tl_arrayapi.init.recipes import Drawn

__all__ = ["LOADING", "kernel"]

LOADING = 2**26
"""How many elements NumPy fills in a process before kernels are loaded, or at once; a quarter of a second's work."""


class _Filled:
    """How many elements have been asked for in this process. Threads may lose a few to one another: no harm."""

    def __init__(self) -> None:
        self.count = 0


_FILLED = _Filled()


def kernel(recipe: Drawn, count: int) -> Callable[[Any, int], None] | None:
    """Return what fills an array of one axis, which has ``count`` elements, from an index on, if it is time for it."""
    _FILLED.count += count
    if _FILLED.count < LOADING or count < _SMALL:
        return None
    make = _compiled()
    return None if make is None else make(recipe)


# What calling a kernel costs, NumPy has filled in the meantime.
_SMALL = 2**12


@functools.cache
def _compiled() -> Callable[[Drawn], Callable[[Any, int], None] | None] | None:
    try:
        from tl_arrayapi.backends.numpy.compiled import kernel_of
    except ImportError:  # Numba is not installed, or is of another NumPy's time
        return None
    return kernel_of
