"""NumPy's functions in their fastest forms for small arrays: operators, methods and ufunc reductions, where a wrapper
costs more than the work.

Each equals compat's function of that name in value, dtype and shape; tests hold them to it.
"""

import operator
from collections.abc import Callable
from typing import Any

import array_api_compat.numpy
import numpy

__all__ = ["FUNCTIONS"]

Array = Any
Axis = int | tuple[int, ...] | None

# Their stubs know keyword arguments alone, and these cost a third of such a call.
_add_reduce: Any = numpy.add.reduce
_multiply_reduce: Any = numpy.multiply.reduce
_maximum_reduce: Any = numpy.maximum.reduce
_minimum_reduce: Any = numpy.minimum.reduce

# Below this many elements writing a copy is quicker than making a view of zero strides.
_SMALL = 1 << 14


def _sum(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    return _add_reduce(x, axis, dtype, None, keepdims)


def _prod(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    return _multiply_reduce(x, axis, dtype, None, keepdims)


def _max(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return _maximum_reduce(x, axis, None, None, keepdims)


def _min(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return _minimum_reduce(x, axis, None, None, keepdims)


def _matmul(x1: Array, x2: Array, /) -> Array:
    # For two matrices dot is the same product with half the overhead.
    return x1.dot(x2) if x1.ndim == 2 and x2.ndim == 2 else x1 @ x2


def _reshape(x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Array:
    return x.reshape(shape) if copy is None else numpy.reshape(x, shape, copy=copy)


def _matrix_transpose(x: Array, /) -> Array:
    return x.mT


def _permute_dims(x: Array, /, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


def _broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    count = 1
    for n in shape:
        count *= n
    if count > _SMALL or len(shape) < x.ndim:
        return numpy.broadcast_to(x, shape)
    out = numpy.empty(shape, x.dtype)
    out[...] = x
    return out


def _expand_dims(x: Array, /, *, axis: int | tuple[int, ...] = 0) -> Array:
    if axis == -1:
        return x[..., None]
    return x[None] if axis == 0 else numpy.expand_dims(x, axis)


def _astype(x: Array, /, dtype: Any, *, copy: bool = True, device: Any = None) -> Array:
    return (
        x.astype(dtype, copy=copy)
        if device is None
        else array_api_compat.numpy.astype(x, dtype, copy=copy, device=device)
    )


def _zeros_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    return numpy.zeros(x.shape, x.dtype if dtype is None else dtype)


def _ones_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    return numpy.ones(x.shape, x.dtype if dtype is None else dtype)


def _relu(x: Array, /) -> Array:
    return numpy.maximum(x, 0)


def _embed(x: Array, /, shape: tuple[int, ...], key: tuple[Any, ...]) -> Array:
    out = numpy.zeros(shape, x.dtype)
    out[key] = x
    return out


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "matmul": _matmul,
    "sum": _sum,
    "prod": _prod,
    "max": _max,
    "min": _min,
    "reshape": _reshape,
    "matrix_transpose": _matrix_transpose,
    "permute_dims": _permute_dims,
    "astype": _astype,
    "broadcast_to": _broadcast_to,
    "expand_dims": _expand_dims,
    "zeros_like": _zeros_like,
    "ones_like": _ones_like,
    "relu": _relu,
    "embed": _embed,
}
