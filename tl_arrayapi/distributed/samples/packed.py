"""One array on its way: on the host in C order, or on the device where it was made and will be used.

What a loss computes may depend on how its inputs lie in memory, so that all of them lie alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy

from tl_arrayapi import backends
from tl_arrayapi.autograd.namespace import array_namespace, namespace_of_type
from tl_arrayapi.backends.base import Backend
from tl_arrayapi.errors import NamespaceError
from tl_arrayapi.module import ScalarModule

__all__ = ["Packed", "itemsize"]


def itemsize(dtype: str) -> int:
    """Return the bytes of one element of the dtype of that name.

    >>> itemsize("bfloat16"), itemsize("float64")
    (2, 8)
    """
    return 2 if dtype == "bfloat16" else numpy.dtype(dtype).itemsize


@dataclass(frozen=True)
class Packed:
    """Hold one array, and the name of the dtype that it has on the library (NumPy lacks some).

    >>> packed = Packed.of(backends.get(None), numpy.ones((3, 2)).T)
    >>> packed.values.flags.c_contiguous, packed.dtype
    (True, 'float64')
    """

    values: Any
    dtype: str

    @classmethod
    def of(cls, backend: Backend, x: Any) -> "Packed":
        """Take an array of the library of ``backend`` to the host."""
        dtype = backend.dtype_name(x.dtype)
        if dtype == "bfloat16":
            # The host lacks it, and float32 holds it exactly.
            x = backend.namespace.astype(x, backend.dtype("float32"))
        return cls(_in_order(backend.to_host(x)), dtype)

    @classmethod
    def stacked(cls, backend: Backend, xs: Sequence[Any]) -> "Packed":
        """Take arrays of one shape and dtype of the library of ``backend`` to the host, stacked along a new first axis.

        >>> Packed.stacked(backends.get(None), [numpy.ones(2), numpy.ones(2)]).shape
        (2, 2)
        """
        dtype = backend.dtype_name(xs[0].dtype)
        if backend.lazy or dtype == "bfloat16":
            return cls.of(backend, backend.namespace.stack(list(xs)))
        return cls(_in_order(numpy.stack([backend.to_host(x) for x in xs])), dtype)

    @classmethod
    def read(cls, x: Any, home: str | None = None) -> "Packed":
        """Take an array of any library: to the host, but where its library is the one called ``home``.

        Raises NamespaceError for what is no array.
        """
        if isinstance(x, numpy.generic):
            x = numpy.asarray(x)
        found = namespace_of_type(x)
        if found is None:
            raise NamespaceError(f"a {type(x).__name__} is no array: arrays are expected")
        backend = found.backend
        if backend is backends.get(None) or backend.name != home or backend.lazy:
            return cls.of(backend, x)
        xp = backend.namespace
        return cls(xp.reshape(xp.reshape(x, (-1,)), tuple(x.shape)), backend.dtype_name(x.dtype))

    def cast(self, dtype: str) -> "Packed":
        """Return the array, which is on the host, rounded to ``dtype`` where it is of another floating one.

        >>> Packed.read(numpy.ones(2)).cast("float32").dtype
        'float32'
        """
        if self.dtype == dtype or not self.dtype.startswith(("float", "bfloat")):
            return self
        return Packed(self.values.astype("float32" if dtype == "bfloat16" else dtype), dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(self.values.shape)

    @property
    def nbytes(self) -> int:
        """The array's bytes."""
        return math.prod(self.shape) * itemsize(self.dtype)

    def __getitem__(self, rows: Any) -> "Packed":
        """Return the rows of a slice, or those at an array of places on the host."""
        if isinstance(rows, slice) or isinstance(self.values, numpy.ndarray):
            return Packed(self.values[rows, ...], self.dtype)
        xp, device = array_namespace(self.values), array_api_compat.device(self.values)
        return Packed(xp.take(self.values, xp.asarray(rows, device=device), axis=0), self.dtype)

    def on(self, module: ScalarModule) -> Any:
        """Return the array in the library of ``module`` on its device; the same memory where it is there already.

        It is to be read: NumPy holds a loss to that, which would otherwise write to the caller's samples.
        """
        own = namespace_of_type(self.values)
        if own is None or own.backend is not module.backend:
            return module.backend.from_host(self.values, self.dtype, module.options.device)
        if isinstance(self.values, numpy.ndarray):
            # Compiled functions know NumPy's own dtype objects at a glance, and not those that were pickled.
            values = self.values.view(numpy.dtype(self.dtype))
            values.flags.writeable = False
            return values
        device = module.options.device
        return self.values if device is None else module.backend.to_device(self.values, module.backend.device(device))


def _in_order(x: Any) -> numpy.ndarray[Any, Any]:
    return numpy.asarray(x, dtype=x.dtype.newbyteorder("="), order="C").view(numpy.ndarray)
