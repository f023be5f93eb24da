"""The names that every program knows: of NumPy, and of a few functions around it."""

from math import inf, nan
from typing import Any

import numpy

__all__ = ["NAMES"]


def _plain(x: Any, dtype: Any) -> Any:
    """Return ``x`` as an array of NumPy's own type and byte order, in C order."""
    return numpy.asarray(x, dtype, order="C")


def _own(result: Any, *operands: Any) -> Any:
    """Return what a function made as an array in C order that is no view of an operand."""
    array = numpy.asarray(result, order="C")
    return array if array.base is None and all(array is not x for x in operands) else array.copy()


def _own_each(results: Any, *operands: Any) -> list[Any]:
    return [_own(x, *operands) for x in results]


def _cut(x: Any, by: int) -> list[Any]:
    """Return views of ``x``, of so many elements of the first axis each."""
    return [x[i : i + by] for i in range(0, len(x), by)]


def _again(x: Any, count: int, last: int) -> list[Any]:
    """Return ``x`` so many times, the last time cut to its first elements."""
    return [x] * (count - 1) + [x[:last]]


def _each(x: Any) -> list[Any]:
    """Return views of the entries of ``x``."""
    return [x[i, ...] for i in range(len(x))]


_DTYPES = (
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)

NAMES: dict[str, Any] = {
    **{name: numpy.dtype(name) for name in _DTYPES},
    **{f"{name}_reduce": getattr(numpy, name).reduce for name in ("add", "multiply", "maximum", "minimum")},
    **{f"{name}_reduce": getattr(numpy, name).reduce for name in ("logical_and", "logical_or")},
    "add_at": numpy.add.at,
    "again": _again,
    "array": numpy.ndarray,
    "concatenate": numpy.concatenate,
    "copyto": numpy.copyto,
    "cut": _cut,
    "each": _each,
    "empty": numpy.empty,
    "everything": slice(None),
    "inf": inf,
    "matmul": numpy.matmul,
    "multiply": numpy.multiply,
    "nan": nan,
    "own": _own,
    "own_each": _own_each,
    "plain": _plain,
}
