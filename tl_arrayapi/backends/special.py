"""SciPy's special functions, for the libraries that have none of their own: on NumPy's arrays, and by way of the host
on any library's.

SciPy is optional. It is imported when the first of its functions is called.
"""

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy

__all__ = ["on_the_host", "scipy_function"]


@cache
def _is_installed() -> bool:
    return importlib.util.find_spec("scipy") is not None


@cache
def _found(name: str) -> Callable[..., Any]:
    import scipy.special

    function: Callable[..., Any] = getattr(scipy.special, name)
    return function


def _dtype(operands: tuple[Any, ...]) -> Any:
    """Return the dtype of the floating ones among ``operands``; None where there is none."""
    dtypes = [x.dtype for x in operands if hasattr(x, "shape") and x.dtype.kind in "fc"]
    return numpy.result_type(*dtypes) if dtypes else None


def scipy_function(name: str) -> Callable[..., Any] | None:
    """Return SciPy's special function ``name``, for NumPy's arrays; None where SciPy is not installed.

    The result has the dtype of the floating operands: SciPy itself widens halves, and computes some in float64.

    >>> scipy_function("expit")(numpy.asarray([0.0, numpy.inf]))
    array([0.5, 1. ])
    """
    if not _is_installed():
        return None

    def function(*operands: Any) -> Any:
        out = _found(name)(*operands)
        if out.dtype == getattr(operands[-1], "dtype", None):
            return out
        dtype = _dtype(operands)
        return out if dtype is None else out.astype(dtype, copy=False)

    function.__name__ = name
    return function


def _default_dtype(backend: Any, device: Any) -> str:
    keywords = {} if device is None else {"device": device}
    name: str = backend.dtype_name(backend.namespace.asarray(0.0, **keywords).dtype)
    return name


def on_the_host(backend: Any, name: str) -> Callable[..., Any] | None:
    """Return SciPy's special function ``name`` for the arrays of ``backend``, or None where SciPy is not installed.

    The values go to the host and come back to their device, in their dtype; the result of integers alone has the
    library's default floating one.
    """
    function = scipy_function(name)
    if function is None:
        return None

    def call(*operands: Any) -> Any:
        device = backend.device_of(next(x for x in operands if hasattr(x, "shape")))
        hosts = [backend.to_host(x) if hasattr(x, "shape") else x for x in operands]
        out = numpy.asarray(function(*hosts))
        name = out.dtype.name if _dtype(tuple(hosts)) is not None else _default_dtype(backend, device)
        return backend.from_host(out, name, device=device)

    call.__name__ = name
    return call
