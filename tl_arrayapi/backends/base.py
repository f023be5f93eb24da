"""The Backend protocol: what one library needs beyond the standard, with a portable default for every method.

A subclass overrides what its library does better or differently; a library that nobody has heard of works with this
class as it is. Nothing here may know a library by name, NumPy as the host's library excepted, nor anything of
differentiation.
"""

import importlib
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import array_api_compat
import numpy

from tl_arrayapi.backends.portable import scatter_add
from tl_arrayapi.backends.program import Ownership, PortableProgram, Program, Runtime
from tl_arrayapi.backends.special import on_the_host
from tl_arrayapi.errors import BackendError, DeviceError, DTypeError
from tl_arrayapi.graph.graph import Graph

__all__ = ["API_VERSION", "DTYPES", "GROUP", "Backend", "numpy_dtype_name"]

API_VERSION = 1

GROUP = "tl_arrayapi.backends"
"""The entry-point group through which another package adds or replaces a backend."""

DTYPES = (
    *("float32", "float64", "float16", "bfloat16", "complex64", "complex128", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
"""The names that a dtype may go by here: the standard's, and two halves."""


def numpy_dtype_name(dtype: Any, library: str) -> str:
    """Return the name of a dtype of a library whose dtypes are NumPy's; raises `DTypeError` for what is none of them.

    >>> numpy_dtype_name(numpy.float32, "numpy")
    'float32'
    """
    try:
        # NumPy takes None for float64.
        name = "none" if dtype is None else str(numpy.dtype(dtype).name)
    except TypeError as error:
        raise DTypeError(f"{dtype!r} is not a dtype of {library}") from error
    if name not in DTYPES:
        raise DTypeError(f"{dtype!r} is not a dtype of {library}")
    return name


_HOST_BLOCK = 2**20  # elements
_NOT_THROUGH_DLPACK = (AttributeError, TypeError, BufferError, NotImplementedError, RuntimeError, ValueError)


class Backend:
    """Describe one array library to the rest of the package.

    ``namespace`` is the library's Array API namespace (compat's, where compat has one). A plug-in derives from this
    class, sets ``name``, and says in `matches` which namespaces it describes; `docs/adding-a-library.md` has an
    example.

    >>> import array_api_strict
    >>> Backend(array_api_strict).dtype_name(array_api_strict.float32)
    'float32'
    """

    api_version: ClassVar[int] = API_VERSION
    """The version of this protocol that a plug-in was written for."""

    name: str = ""
    """The library's name as a user writes it, which a plug-in's namespace must be importable by; empty where a library
    has no backend of its own, and goes by its namespace's."""

    replaces: ClassVar[tuple[str, ...]] = ()
    """The names of backends that this one, of a plug-in, is used instead of."""

    lazy: ClassVar[bool] = False
    """Whether reading a value computes it: a lazy array is never read unasked."""

    one_device: ClassVar[bool] = False
    """Whether all arrays live in one place, so that a new constant need not ask where its neighbours are."""

    flat: ClassVar[bool] = False
    """Whether compiled steps keep parameters one after another in a `flat_array`, which they write to in place."""

    reassociates: ClassVar[bool] = False
    """Whether programs gain from rewrites that change the order of sums and products; elsewhere bits are kept."""

    keep_scalars: ClassVar[bool] = True
    """False where the library may itself be tracing: a constant made meanwhile must not outlive that trace."""

    def __init__(self, namespace: Any) -> None:
        self.namespace = namespace
        if not self.name:
            self.name = getattr(namespace, "__name__", type(namespace).__name__)

    @classmethod
    def matches(cls, namespace: Any) -> bool:
        """Say whether this class describes ``namespace``."""
        return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.name}>"

    # ---- what engine and module ask for
    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Faster, or corrected, forms of functions of the standard, by their names.

        One of an extension goes by ``"linalg.cholesky"``. Besides the standard's, ``embed``, ``getitem``, ``relu`` and
        ``scatter_add`` may be given: see `tl_arrayapi.autograd.ground`.
        """
        return {}

    def special(self, name: str) -> Callable[..., Any] | None:
        """Return the elementwise special function that SciPy calls ``name``, or None where there is none.

        It is the namespace's own, in ``special``, or else SciPy's: then the values go to the host and back.
        """
        own: Callable[..., Any] | None = getattr(getattr(self.namespace, "special", None), name, None)
        return on_the_host(self, name) if own is None else own

    def scatter_add(self, shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
        """Return zeros of ``shape`` plus ``updates``, added along ``axis`` at the 1-d integer ``indices``.

        Equal indices add up, negative ones count from the end. The standard has no such function.
        """
        return scatter_add(self.namespace, shape, indices, updates, axis, self.device_of(updates))

    def check(self, array: Any, where: str) -> None:
        """Raise where ``array``, met at ``where``, is one that the library makes but the engine cannot take."""

    def result(self, array: Any) -> Any:
        """Return ``array`` as a caller may keep it: an array, never a scalar, and no view of what others hold.

        Whether an array is a view is nothing that the standard tells: one that can be written to is copied.
        """
        if hasattr(type(array), "__setitem__"):
            return self.namespace.asarray(array, copy=True)
        return self.namespace.asarray(array)

    def number(self, value: float, dtype: Any, device: Any) -> Any:
        """Return a number as a program is given it: a 0-d array of ``dtype``, by default."""
        return self.namespace.asarray(value, dtype=dtype, **({} if device is None else {"device": device}))

    def descend(self, param: Any, grad: Any, rate: Any) -> Any:
        """Return ``param - rate * grad``, ``rate`` being a 0-d array; ``grad`` is given away and may be written to."""
        return param - rate * grad

    def flat_array(self, size: int, dtype: Any) -> tuple[Any, Any]:
        """Return a new array of one axis, and another array object of the same memory, which views of it refer to.

        Only a backend that is ``flat`` is asked.
        """
        raise BackendError(f"{self.name} has no flat arrays: its compiled steps return new arrays")

    def memory(self, array: Any) -> Hashable:
        """Return a key that two arrays share if a write to one would show in the other."""
        return id(array)

    def hold(self, array: Any) -> Callable[[], bool] | None:
        """Refuse writes to ``array``, or notice them, until the function returned is called, which says whether the
        values are still the same. None where the library can do neither: an array that can be written to is then
        copied.
        """
        return None

    def fill(self, scheme: Any, shape: tuple[int, ...], dtype: str, device: Any, chunks: Any = None) -> Any:
        """Return an array of ``shape`` filled by an initialiser, where it will live; ``chunks`` are for lazy ones."""
        from tl_arrayapi.init.fills import fill

        def drawn(recipe: Any, shape: tuple[int, ...], dtype: str) -> Any:
            return self.draw(recipe, shape, dtype, device)

        return fill(scheme, shape, self.namespace, dtype, device, drawn=drawn)

    def draw(self, recipe: Any, shape: tuple[int, ...], dtype: str, device: Any) -> Any:
        """Return an array of ``shape`` of what ``recipe`` draws: the part of `fill` that takes time.

        Bits must be those of `tl_arrayapi.init.fills.draw`, which does it with the functions of the standard.
        """
        from tl_arrayapi.init.fills import BLOCK, draw

        return draw(recipe, shape, self.namespace, dtype, device, None if self.lazy else BLOCK)

    def precision(self, name: str) -> AbstractContextManager[None]:
        """Hold the precision of float32 products ("default", "high" or "highest") while the context lasts.

        Nothing is held here: most libraries have one precision.
        """
        return nullcontext()

    # ---- programs
    def lower(self, graph: Graph, runtime: Runtime) -> Program:
        """Return ``graph`` as a program: straight code of the library's own functions, unless the backend knows a
        faster way.
        """
        return self.portable(graph, runtime)

    def portable(self, graph: Graph, runtime: Runtime) -> PortableProgram:
        """Return ``graph`` as straight code of the library's own functions."""
        return PortableProgram(graph, runtime, self.ownership, inside=not self.keep_scalars)

    @property
    def ownership(self) -> Ownership:
        """How a program's results become the caller's own."""
        return Ownership(self.result, self.memory, lambda array: self.namespace.asarray(array, copy=True))

    # ---- devices and dtypes
    def device_of(self, array: Any) -> Any:
        """Return the device of ``array``, in the form that the library's own functions take; None where it has none."""
        return array_api_compat.device(array) if hasattr(array, "device") else None

    def to_device(self, array: Any, device: Any) -> Any:
        """Return ``array`` on ``device``."""
        return array_api_compat.to_device(array, device)

    def devices(self) -> list[Any]:
        """List the devices that the library can use here; empty where it does not say."""
        info = getattr(self.namespace, "__array_namespace_info__", None)
        return [device for device in info().devices() if device is not None] if info is not None else []

    def device(self, name: Any) -> Any:
        """Turn what a user wrote into a device of the library: a device, its text, or the name that its text quotes.

        None stays None. Raises `DeviceError` where the library has no such device.
        """
        if name is None:
            return None
        known = self.devices()
        for device in known:
            if device == name or name == str(device) or f"'{name}'" in str(device):
                return device
        if not known and not isinstance(name, str):
            return name
        raise self.no_device(name)

    def no_device(self, name: Any) -> DeviceError:
        """Return the error that says that there is no device ``name``, and which ones there are."""
        listed = ", ".join(str(device) for device in self.devices()) or "none that it lists"
        return DeviceError(f"{self.name} has no device {name!r} here: it has {listed}")

    def dtype(self, name: str) -> Any:
        """Turn a dtype's name into a dtype of the library; raises `DTypeError` where there is none."""
        if name not in DTYPES or not hasattr(self.namespace, name):
            raise DTypeError(f"{self.name} has no dtype {name!r}: choose another")
        return getattr(self.namespace, name)

    def dtype_name(self, dtype: Any) -> str:
        """Return the name that the standard gives to ``dtype``, such as ``"float32"``."""
        for name in DTYPES:
            if hasattr(self.namespace, name) and getattr(self.namespace, name) == dtype:
                return name
        raise DTypeError(f"{dtype!r} is not a dtype of {self.name}")

    # ---- host
    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Return the values of ``array`` as a NumPy array of the same dtype, to be read only; a lazy array is computed.

        The values come through DLPack. Where the library has none, each element is indexed and read by float(), int(),
        bool() or complex(), which every array of the standard has: slow, and right.
        """
        try:
            return numpy.from_dlpack(array, device="cpu", copy=None)
        except _NOT_THROUGH_DLPACK:
            return self._read(array)

    def _read(self, array: Any) -> numpy.ndarray[Any, Any]:
        name = self.dtype_name(array.dtype)
        if name == "bfloat16":
            raise DTypeError(f"the host has no bfloat16: convert the array of {self.name} to float32 first")
        convert = {"b": bool, "i": int, "u": int, "f": float, "c": complex}[name[0]]
        flat = self.namespace.reshape(array, (-1,))
        try:
            values = [convert(flat[i]) for i in range(math.prod(array.shape))]
        except (TypeError, ValueError) as error:
            raise BackendError(
                f"arrays of {self.name} cannot be read on the host ({error}): give the library a backend with a to_host"
            ) from error
        return numpy.asarray(values, dtype=name).reshape(array.shape)

    def host_blocks(self, array: Any) -> Iterator[numpy.ndarray[Any, Any]]:
        """Yield the values of ``array`` in row-major order, in NumPy arrays of one axis and some megabytes, to be read.

        What the host lacks, bfloat16, comes as float32, which holds it exactly.
        """
        xp = self.namespace
        count = math.prod(array.shape)
        flat, wide = xp.reshape(array, (count,)), self.dtype_name(array.dtype) == "bfloat16"
        for start in range(0, count, _HOST_BLOCK):
            block = flat[start : min(start + _HOST_BLOCK, count)]
            yield self.to_host(xp.astype(block, xp.float32) if wide else block)

    def silenced(self) -> AbstractContextManager[Any]:
        """Return what keeps NumPy, and libraries on top of it, from warning of overflow and of invalid values."""
        return numpy.errstate(all="ignore")

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Copy a NumPy array to the library, as ``dtype`` (its own where None), on ``device``.

        The values go through DLPack. Where the library has none, they go as nested lists of Python numbers.
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
            # An empty list, or one of empty lists, does not tell its shape.
            made = made if 0 not in host.shape else xp.reshape(made, host.shape)
        return made if made.dtype == wanted else xp.astype(made, wanted)

    def take_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Return what `from_host` does, of an array that nobody else holds: its memory may be the result's."""
        return self.from_host(array, dtype, device)

    # ---- computing behind the caller's back
    def wait(self, arrays: Sequence[Any]) -> None:
        """Block until ``arrays`` are computed, where the library does not wait by itself."""

    def persist(self, arrays: list[Any]) -> list[Any]:
        """Return ``arrays`` with their values computed and kept, where the library is lazy."""
        return arrays

    # ---- information
    def version(self) -> str:
        """Return the library's version, or ``"unknown"``."""
        top = getattr(self.namespace, "__name__", "").removeprefix("array_api_compat.").partition(".")[0]
        try:
            module = importlib.import_module(top)
        except (ImportError, ValueError):  # a namespace object, whose name is nothing to import
            module = self.namespace
        return str(getattr(module, "__version__", "unknown"))
