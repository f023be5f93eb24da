"""Casts of initial values: from host float64 numbers to the scalars of a module, one by one or all at once."""

from collections.abc import Callable, Iterable
from typing import Any

from tl_arrayapi import backends
from tl_arrayapi.errors import ArgumentError, DTypeError, ShapeError

__all__ = ["cast_tensor", "cast_tlist", "cast_to", "host_values"]

_Cast = Callable[[Any], Any]


def host_values(values: Any, what: str = "the values") -> Any:
    """Return ``values``, nested lists or a host array, as a float64 (or complex128) array of the host's library, in
    its own memory.

    >>> host_values([1, 2]).dtype
    dtype('float64')
    """
    xp = backends.get(None).namespace
    try:
        array = xp.asarray(values)
        wide = xp.complex128 if xp.isdtype(array.dtype, "complex floating") else xp.float64
        return xp.asarray(array, dtype=wide, copy=True)
    except (TypeError, ValueError) as error:
        raise DTypeError(f"{what} must be numbers, in nested lists or a host array of one shape ({error})") from error


def _cast(cast: _Cast, values: Any) -> tuple[Any, str | None]:
    """Return the cast values, and the name of the dtype that the cast chose (None: it returned Python's own
    numbers).
    """
    host = backends.get(None)
    xp = host.namespace
    if not callable(cast):
        raise ArgumentError(f"a cast is a function of one number; got a {type(cast).__name__}")
    vectorized = getattr(cast, "vectorized", None)
    if vectorized is not None:
        made = xp.asarray(vectorized(values))
        if made.shape != values.shape:
            raise ShapeError(f"cast.vectorized must keep the shape {values.shape}; it returned {made.shape}")
        return made, host.dtype_name(made.dtype)
    scalars = [cast(v) for v in xp.reshape(values, (-1,)).tolist()]
    if not scalars:
        return values, None
    for scalar in scalars:
        if isinstance(scalar, bool) or not (
            type(scalar) in (int, float, complex) or getattr(scalar, "shape", None) == ()
        ):
            raise DTypeError(f"a cast must return one floating number for each number it is given; got {scalar!r}")
    made = xp.reshape(xp.asarray(scalars), values.shape)
    python = all(type(scalar) in (int, float, complex) for scalar in scalars)
    if python and xp.isdtype(made.dtype, "integral"):
        made = xp.astype(made, xp.float64)
    return made, None if python else host.dtype_name(made.dtype)


def cast_tensor(cast: _Cast, tensor: Any) -> Any:
    """Map a scalar cast over one host array of float64 values; shape and order are kept.

    ``cast`` takes one Python float and returns one scalar, and is called once an element; a cast with a function
    ``vectorized`` is given the whole array at once. Raises `DTypeError` where it returns anything but one number for
    each.

    >>> cast_tensor(lambda v: v / 2, [[1.0, 2.0]])
    array([[0.5, 1. ]])
    """
    return _cast(cast, host_values(tensor))[0]


def cast_tlist(cast: _Cast, tensors: Iterable[Any]) -> list[Any]:
    """Map a scalar cast over a list of host arrays; length, order and shapes are kept.

    >>> cast_tlist(lambda v: v + 1, [[1.0], [2.0, 3.0]])
    [array([2.]), array([3., 4.])]
    """
    return [cast_tensor(cast, tensor) for tensor in tensors]


def cast_to(cast: _Cast, tensor: Any, dtype: str, place: int) -> Any:
    """Map a cast over the initial values of the parameter at ``place``; raise `DTypeError` where its scalars are not
    of ``dtype``.

    >>> import numpy
    >>> cast_to(numpy.float32, host_values([1.0]), "float32", 0)
    array([1.], dtype=float32)
    """
    values, chosen = _cast(cast, tensor)
    if chosen is not None and chosen != dtype:
        raise DTypeError(
            f"the cast gives {chosen} scalars for parameter {place}, and the options ask for {dtype}: make them agree"
        )
    return values
