"""NumPy's functions in the forms that cost least on small arrays: operators, methods, reductions of ufuncs.

Each equals compat's function of that name in value, dtype and shape, but for the rounding of logaddexp, and saves at
least 0.3 us of its overhead.
Operators are as quick as ufuncs on arrays, and twenty times quicker on the scalars that NumPy's reductions return.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy
from array_api_compat import numpy as compat

__all__ = ["FUNCTIONS"]

_Axis = int | tuple[int, ...] | None

# Below this many elements writing a copy is quicker than making a view of zero strides, and working on it is too.
_SMALL = 1 << 14

# Below this many elements one call costs less than six.
_FEW = 64

# Their stubs know keyword arguments alone, and these cost a third of such a call.
_add_reduce: Any = numpy.add.reduce
_multiply_reduce: Any = numpy.multiply.reduce
_maximum_reduce: Any = numpy.maximum.reduce
_minimum_reduce: Any = numpy.minimum.reduce
_and_reduce: Any = numpy.logical_and.reduce
_or_reduce: Any = numpy.logical_or.reduce


def _sum(x: Any, /, *, axis: _Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    return _add_reduce(x, axis, dtype, None, keepdims)


def _prod(x: Any, /, *, axis: _Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    return _multiply_reduce(x, axis, dtype, None, keepdims)


def _max(x: Any, /, *, axis: _Axis = None, keepdims: bool = False) -> Any:
    return _maximum_reduce(x, axis, None, None, keepdims)


def _min(x: Any, /, *, axis: _Axis = None, keepdims: bool = False) -> Any:
    return _minimum_reduce(x, axis, None, None, keepdims)


def _all(x: Any, /, *, axis: _Axis = None, keepdims: bool = False) -> Any:
    return _and_reduce(x, axis, None, None, keepdims)


def _any(x: Any, /, *, axis: _Axis = None, keepdims: bool = False) -> Any:
    return _or_reduce(x, axis, None, None, keepdims)


def _matmul(x1: Any, x2: Any, /) -> Any:
    # For two matrices dot is the same product with half the overhead.
    return x1.dot(x2) if x1.ndim == 2 and x2.ndim == 2 else x1 @ x2


def _asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    if device is None and copy is None:
        return numpy.asarray(obj, dtype)
    return compat.asarray(obj, dtype=dtype, device=device, copy=copy)


def _astype(x: Any, /, dtype: Any, *, copy: bool = True, device: Any = None) -> Any:
    if device is None:
        return x.astype(dtype, copy=copy)
    return compat.astype(x, dtype, copy=copy, device=device)


def _reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    return x.reshape(shape) if copy is None else compat.reshape(x, shape, copy=copy)


def _matrix_transpose(x: Any, /) -> Any:
    return x.mT


def _permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    return x.transpose(axes)


def _moveaxis(x: Any, /, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Any:
    n = x.ndim
    if not (isinstance(source, int) and isinstance(destination, int) and -n <= source < n and -n <= destination < n):
        return compat.moveaxis(x, source, destination)
    axes = list(range(n))
    axes.insert(destination % n, axes.pop(source))
    return x.transpose(axes)


def _squeeze(x: Any, /, axis: int | tuple[int, ...]) -> Any:
    return x.squeeze(axis)


def _expand_dims(x: Any, /, *, axis: int | tuple[int, ...] = 0) -> Any:
    if isinstance(axis, int):
        place = axis if axis >= 0 else axis + x.ndim + 1
        if 0 <= place <= x.ndim:
            return x[(slice(None),) * place + (None,)]
    return compat.expand_dims(x, axis=axis)


def _broadcast_to(x: Any, /, shape: tuple[int, ...]) -> Any:
    if len(shape) < x.ndim or math.prod(shape) > _SMALL:
        return numpy.broadcast_to(x, shape)
    out = numpy.empty(shape, x.dtype)
    out[...] = x
    return out


def _take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    return x.take(indices, axis)


def _zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    if device is None:
        return numpy.zeros(x.shape, x.dtype if dtype is None else dtype)
    return compat.zeros_like(x, dtype=dtype, device=device)


def _ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
    if device is None:
        return numpy.ones(x.shape, x.dtype if dtype is None else dtype)
    return compat.ones_like(x, dtype=dtype, device=device)


def _relu(x: Any, /) -> Any:
    return numpy.maximum(x, 0)


def _embed_add(total: Any, key: tuple[Any, ...], x: Any, /) -> None:
    total[key] += x


def _embed(x: Any, /, shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    out = numpy.zeros(shape, x.dtype)
    out[key] = x
    return out


def _logaddexp(x1: Any, x2: Any, /) -> Any:
    if x1.size < _FEW and x2.size < _FEW:
        return numpy.logaddexp(x1, x2)
    # NumPy has vector instructions for these, and none for the whole: it is three to six times as quick.
    with numpy.errstate(over="ignore", invalid="ignore"):
        apart: Any = x1 - x2
    numpy.abs(apart, out=apart)
    numpy.negative(apart, out=apart)
    numpy.fmin(apart, 0, out=apart)  # of two equal infinities it was NaN
    numpy.exp(apart, out=apart)
    numpy.log1p(apart, out=apart)
    return numpy.add(apart, numpy.maximum(x1, x2), out=apart)


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
    "all": _all,
    "any": _any,
    "asarray": _asarray,
    "astype": _astype,
    "reshape": _reshape,
    "matrix_transpose": _matrix_transpose,
    "permute_dims": _permute_dims,
    "moveaxis": _moveaxis,
    "squeeze": _squeeze,
    "expand_dims": _expand_dims,
    "broadcast_to": _broadcast_to,
    "take": _take,
    "zeros_like": _zeros_like,
    "ones_like": _ones_like,
    "relu": _relu,
    "logaddexp": _logaddexp,
    "embed": _embed,
    "embed_add": _embed_add,
}
