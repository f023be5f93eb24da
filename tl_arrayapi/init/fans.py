"""Shapes: how many elements they have, and how many inputs and outputs a weight of that shape connects."""

import math
import operator
from collections.abc import Iterable
from typing import SupportsIndex

from tl_arrayapi.errors import ShapeError

__all__ = ["MAX_DIMENSIONS", "MAX_ELEMENTS", "as_shape", "dims_product", "element_count", "infer_fans", "shown_integer"]

MAX_ELEMENTS = 2**53
"""No array is asked to be longer, and no fan larger: up to here a count is exact as a float64, too."""

MAX_DIMENSIONS = 64
"""No array has more: it is NumPy's limit."""


def as_shape(dims: Iterable[SupportsIndex] | SupportsIndex) -> tuple[int, ...]:
    """Return ``dims`` as a tuple of Python integers; raise ShapeError where one is negative or no integer, and where
    there are more than 64.

    A single integer is a vector's shape, as in the standard.
    """
    if isinstance(dims, str | bytes) or not isinstance(dims, Iterable):
        dims = (dims,)  # type: ignore[assignment]
    found = []
    for dim in dims:  # type: ignore[union-attr]
        if isinstance(dim, bool) or not hasattr(dim, "__index__"):
            raise ShapeError(f"a shape is made of integers, got {dim!r} of type {type(dim).__name__}: write (2, 3)")
        length = operator.index(dim)
        if not 0 <= length < 2**63:
            raise ShapeError(f"a shape is made of integers from 0 to 2**63 - 1, got {shown_integer(length)}")
        found.append(length)
    if len(found) > MAX_DIMENSIONS:
        raise ShapeError(f"a shape of {len(found)} dimensions is given: arrays have at most {MAX_DIMENSIONS}")
    return tuple(found)


def dims_product(dims: Iterable[SupportsIndex]) -> int:
    """Multiply dimensions exactly; the product of none is 1.

    >>> dims_product([2, 3, 4]), dims_product([])
    (24, 1)
    """
    return math.prod(as_shape(dims))


def element_count(shape: Iterable[SupportsIndex] | SupportsIndex, limit: int | None = None) -> int:
    """Count the elements of an array of ``shape``, before anything is allocated.

    Raise ShapeError where there are more than ``limit`` (2**53 where it is None).

    >>> element_count((2, 3)), element_count(()), element_count((4, 0))
    (6, 1, 0)
    """
    dims = as_shape(shape)
    count = math.prod(dims)
    most = MAX_ELEMENTS if limit is None else limit
    if count > most:
        raise ShapeError(
            f"shape {dims} has {shown_integer(count)} elements, more than the limit of {most}: make the array smaller"
        )
    return count


def infer_fans(shape: Iterable[SupportsIndex]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight of ``shape``, laid out as ``(out, in)`` or ``(out, in, k1, ..., kd)``.

    A convolution's fans count its kernel: ``(in * k1 * ... * kd, out * k1 * ... * kd)``, the convention of
    ``torch.nn.init``. Raise ShapeError for a scalar or a vector, which has no fans, and where a fan is 0 or above
    2**53.

    >>> infer_fans((7, 3)), infer_fans((8, 4, 3, 3))
    ((3, 7), (36, 72))
    """
    dims = as_shape(shape)
    if len(dims) < 2:
        raise ShapeError(
            f"shape {dims} has no fans: a weight is (out, in), or (out, in, k1, ..., kd); "
            "fill a vector or a scalar with zeros(), ones() or uniform(lo, hi)"
        )
    kernel = math.prod(dims[2:])
    fan_in, fan_out = dims[1] * kernel, dims[0] * kernel
    if not fan_in or not fan_out:
        raise ShapeError(f"shape {dims} has the fans ({fan_in}, {fan_out}), and no bound follows from 0: use zeros()")
    if max(fan_in, fan_out) > MAX_ELEMENTS:
        fans = f"({shown_integer(fan_in)}, {shown_integer(fan_out)})"
        raise ShapeError(f"shape {dims} has the fans {fans}, above the limit of {MAX_ELEMENTS}: make the array smaller")
    return fan_in, fan_out


def shown_integer(value: int) -> str:
    """Write an integer for an error message; Python refuses to write very long ones."""
    return str(value) if abs(value) < 10**20 else f"{'-' * (value < 0)}2**{abs(value).bit_length() - 1} or more"
