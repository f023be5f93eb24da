"""Special functions of Dask's arrays: those of the library of their chunks, chunk by chunk."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dask.array
import numpy

from tl_arrayapi.backends.special import scipy_function

__all__ = ["special"]


def special(name: str) -> Callable[..., Any] | None:
    """Return the special function that SciPy calls ``name``; None where SciPy is not installed.

    The chunks may be another library's than NumPy's, and have functions of their own; whether they are is not known
    before they are computed.
    """
    if scipy_function(name) is None:
        return None

    def function(*operands: Any) -> Any:
        dtypes = [x.dtype for x in operands if hasattr(x, "dtype") and x.dtype.kind in "fc"]
        dtype = numpy.result_type(*dtypes) if dtypes else numpy.dtype("float64")
        return dask.array.core.elemwise(partial(_chunk, name), *operands, dtype=dtype)

    function.__name__ = name
    return function


def _chunk(name: str, *operands: Any) -> Any:
    from tl_arrayapi.backends.registry import backend_of

    # A 0-d result of NumPy's is a scalar, whatever the other chunks are.
    array = max((x for x in operands if hasattr(x, "shape")), key=lambda x: not isinstance(x, numpy.generic))
    found = backend_of(array).special(name)
    assert found is not None
    return found(*operands)
