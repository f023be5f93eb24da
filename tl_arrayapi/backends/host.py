"""What libraries share whose arrays live in the host's memory, and have NumPy's dtypes."""

from typing import Any

import numpy

from tl_arrayapi.backends.base import DTYPES, Backend, numpy_dtype_name
from tl_arrayapi.errors import DTypeError

__all__ = ["HostBackend"]


class HostBackend(Backend):
    """Describe a library with one device, the host, and NumPy's dtypes.

    >>> import numpy
    >>> HostBackend(numpy).devices()
    ['cpu']
    """

    one_device = True

    def device_of(self, array: Any) -> Any:
        """Return the host's one device."""
        return "cpu"

    def to_device(self, array: Any, device: Any) -> Any:
        """Return ``array``: there is one device."""
        self.device(device)
        return array

    def devices(self) -> list[Any]:
        """List the host's one device."""
        return ["cpu"]

    def device(self, name: Any) -> Any:
        """Return None for the one device, and refuse all others."""
        if name is None or name == "cpu":
            return None
        raise self.no_device(name)

    def take_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Return ``array`` itself where it has the dtype and is an array of this library."""
        same = dtype is None or array.dtype.name == dtype
        if not same or type(array) is not getattr(self.namespace, "ndarray", None):
            return self.from_host(array, dtype, device)
        self.device(device)
        return array

    def dtype(self, name: str) -> Any:
        """Return NumPy's dtype object of that name."""
        if name not in DTYPES or name == "bfloat16":
            raise DTypeError(f"{self.name} has no dtype {name!r}: choose another, such as float32")
        return numpy.dtype(name)

    def dtype_name(self, dtype: Any) -> str:
        """Return the dtype's name."""
        return numpy_dtype_name(dtype, self.name)
