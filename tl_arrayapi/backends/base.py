"""The Backend protocol: what one library needs beyond the standard, with a portable default for every method.

A subclass overrides what its library does better or differently; a library that nobody has heard of works with this class as it is.
Nothing here may know a library by name, NumPy as the host's library excepted, nor anything of differentiation.
"""

import importlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar

import array_api_compat
import numpy

from tl_arrayapi.errors import BackendError, DeviceError, DTypeError

__all__ = ["API_VERSION", "Backend"]

API_VERSION = 1

_NOT_THROUGH_DLPACK = (AttributeError, TypeError, BufferError, NotImplementedError, RuntimeError, ValueError)


class Backend:
    """Describe one array library to the rest of the package.

    ``namespace`` is the library's Array API namespace (compat's, where compat has one). A plug-in derives from this class, sets ``name``, and says in
    `matches` which namespaces it describes; `docs/adding-a-library.md` has an example.

    >>> import array_api_strict
    >>> Backend(array_api_strict).dtype_name(array_api_strict.float32)
    'float32'
    """

    api_version: ClassVar[int] = API_VERSION
    """The version of this protocol that a plug-in was written for."""

    name: ClassVar[str] = ""
    """The library's name, as a user writes it; empty for a library without a backend of its own."""

    replaces: ClassVar[tuple[str, ...]] = ()
    """The names of backends that this one, of a plug-in, is used instead of."""

    lazy: ClassVar[bool] = False
    """Whether reading a value computes it: a lazy array is never read unasked."""

    one_device: ClassVar[bool] = False
    """Whether all arrays live in one place, so that a new constant need not ask where its neighbours are."""

    keep_scalars: ClassVar[bool] = True
    """False where the library may itself be tracing: a constant made meanwhile must not outlive that trace."""

    def __init__(self, namespace: Any) -> None:
        self.namespace = namespace
        if not self.name:
            self.name = namespace.__name__  # type: ignore[misc]

    @classmethod
    def matches(cls, namespace: Any) -> bool:
        """Say whether this class describes ``namespace``."""
        return False

    def __repr__(self) -> str:
        return f"<Backend {self.name} over {self.namespace.__name__}>"

    # ---- what engine and module ask for
    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Faster, or corrected, forms of functions of the standard, by their names (``"linalg.cholesky"`` for one of an extension).

        Besides these, ``embed``, ``getitem``, ``relu`` and ``scatter_add`` may be given: see `tl_arrayapi.autograd.ground`.
        """
        return {}

    def scatter_add(self, shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
        """Return zeros of ``shape`` plus ``updates``, added along ``axis`` at the 1-d ``indices``; equal indices add up, negative ones count from the end.

        The standard has no such function: this one is a product with the one-hot matrix of the indices.
        """
        xp = self.namespace
        count = shape[axis]
        indices = xp.where(indices < 0, indices + count, indices)
        positions = xp.arange(count, dtype=indices.dtype, device=self.device_of(indices))
        one_hot = xp.astype(xp.expand_dims(positions, axis=1) == xp.expand_dims(indices, axis=0), updates.dtype)
        return xp.moveaxis(xp.tensordot(one_hot, updates, axes=((1,), (axis,))), 0, axis)

    def check(self, array: Any, where: str) -> None:
        """Raise where ``array``, met at ``where``, is one that this library's arrays can be but the engine cannot take."""

    def result(self, array: Any) -> Any:
        """Return ``array`` as a caller may keep it: an array, never a scalar, and no view of what others hold."""
        return self.namespace.asarray(array)

    def memory(self, array: Any) -> Hashable:
        """Return a key that two arrays share if a write to one would show in the other."""
        return id(array)

    def fill(self, scheme: Any, shape: tuple[int, ...], dtype: str, device: Any, chunks: Any = None) -> Any:
        """Return an array of ``shape`` filled by an initialiser, where it will live."""
        from tl_arrayapi.init.fills import fill

        return fill(scheme, shape, self.namespace, dtype, device)

    # ---- devices and dtypes
    def device_of(self, array: Any) -> Any:
        """Return the device of ``array``, in the form that the library's own functions take."""
        return array_api_compat.device(array)

    def to_device(self, array: Any, device: Any) -> Any:
        """Return ``array`` on ``device``."""
        return array_api_compat.to_device(array, device)

    def devices(self) -> list[Any]:
        """List the devices that the library can use here."""
        info = getattr(self.namespace, "__array_namespace_info__", None)
        return [device for device in info().devices() if device is not None] if info is not None else []

    def device(self, name: Any) -> Any:
        """Turn what a user wrote (None, a string, a device) into a device of the library; None stays None."""
        if name is None or not isinstance(name, str):
            return name
        for device in self.devices():
            if name in (str(device), getattr(device, "_device", None)):
                return device
        raise DeviceError(
            f"{self.name} has no device {name!r} here: it has {', '.join(sorted(map(str, self.devices()))) or 'none'}"
        )

    def dtype(self, name: str) -> Any:
        """Turn a dtype's name into a dtype of the library."""
        found = getattr(self.namespace, name, None)
        if found is None:
            raise DTypeError(f"{self.name} has no dtype {name!r}: choose another")
        return found

    def dtype_name(self, dtype: Any) -> str:
        """Return the name that the standard gives to ``dtype``, such as ``"float32"``."""
        return str(dtype).rpartition(".")[2]

    # ---- host
    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Return the values of ``array`` as a NumPy array of the same dtype; a lazy array is computed.

        Without DLPack, each element is read by itself.
        """
        try:
            return numpy.from_dlpack(array, device="cpu", copy=None)
        except _NOT_THROUGH_DLPACK:
            return self._read(array)

    def _read(self, array: Any) -> numpy.ndarray[Any, Any]:
        xp = self.namespace
        name = self.dtype_name(array.dtype)
        kinds = {"bool": bool, "integral": int, "real floating": float, "complex floating": complex}
        convert = next((python for kind, python in kinds.items() if xp.isdtype(array.dtype, kind)), None)
        if convert is None or name == "bfloat16":
            raise DTypeError(f"{name} values of {self.name} cannot be read on the host: convert them to float32 first")
        flat = xp.reshape(array, (-1,))
        try:
            values = [convert(flat[i]) for i in range(flat.shape[0])]
        except (TypeError, ValueError) as error:
            raise BackendError(
                f"arrays of {self.name} cannot be read on the host ({error}): give the library a backend with a to_host"
            ) from error
        return numpy.asarray(values, dtype=name).reshape(array.shape)

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Copy a NumPy array to the library, as ``dtype`` (its own where None), on ``device``.

        Without DLPack, it goes as nested lists.
        """
        xp = self.namespace
        name = array.dtype.name if dtype is None else dtype
        wanted = self.dtype(name)
        host = numpy.array(array, dtype="float32" if name == "bfloat16" else name, order="C")
        keywords = {} if device is None else {"device": device}
        try:
            made = xp.from_dlpack(host, **keywords)
        except _NOT_THROUGH_DLPACK:
            made = xp.asarray(host.tolist(), dtype=self.dtype(host.dtype.name), **keywords)
        return made if made.dtype == wanted else xp.astype(made, wanted)

    # ---- computing behind the caller's back
    def wait(self, arrays: Sequence[Any]) -> None:
        """Block until ``arrays`` are computed, where the library does not wait by itself."""

    def persist(self, arrays: list[Any]) -> list[Any]:
        """Return ``arrays`` with their values computed and kept, where the library is lazy."""
        return arrays

    # ---- information
    def version(self) -> str:
        """Return the library's version."""
        module = importlib.import_module(self.namespace.__name__.removeprefix("array_api_compat.").partition(".")[0])
        return str(getattr(module, "__version__", "unknown"))
