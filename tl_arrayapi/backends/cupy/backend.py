"""The CuPy backend."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import cupy
import cupyx
import cupyx.scipy.special
import numpy

from tl_arrayapi.backends.base import Backend, numpy_dtype_name
from tl_arrayapi.backends.cupy.fills import launch
from tl_arrayapi.backends.kernels import base_of, described
from tl_arrayapi.backends.special import on_the_host
from tl_arrayapi.errors import DeviceError, DTypeError

__all__ = ["CuPyBackend"]


def _embed_add(total: Any, key: tuple[Any, ...], x: Any, /) -> None:
    total[key] += x


def _embed(x: Any, /, shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    with x.device:
        out = cupy.zeros(shape, x.dtype)
        out[key] = x
    return out


class CuPyBackend(Backend):
    """Describe CuPy; a device is one GPU, ``"cuda:0"``."""

    name = "cupy"

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The adjoint of a slice by assignment."""
        return {"embed": _embed, "embed_add": _embed_add}

    def special(self, name: str) -> Callable[..., Any] | None:
        """Return the function of cupyx.scipy.special, or SciPy's by way of the host."""
        return getattr(cupyx.scipy.special, name, None) or on_the_host(self, name)

    def scatter_add(self, shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
        """Return zeros of ``shape`` plus ``updates`` added along ``axis`` at ``indices``, in no fixed order."""
        with updates.device:
            out = cupy.zeros(shape, updates.dtype)
            cupyx.scatter_add(out, (*(slice(None),) * axis, indices), updates)
        return out

    def result(self, array: Any) -> Any:
        """Return ``array``, or a copy of it in C order where it is in another, or views another array."""
        array = cupy.asarray(array)
        return array if array.base is None and array.flags.c_contiguous else array.copy(order="C")

    def descend(self, param: Any, grad: Any, rate: Any) -> Any:
        """Return ``param - rate * grad`` in the memory of ``grad``."""
        cupy.multiply(grad, rate, out=grad)
        return cupy.subtract(param, grad, out=grad)

    def memory(self, array: Any) -> Hashable:
        """Return the address of the allocation, which views share; an array of no elements has none."""
        return int(array.data.mem.ptr) or id(array)

    def devices(self) -> list[Any]:
        """List the GPUs; none where there is no driver."""
        return [cupy.cuda.Device(place) for place in range(self._count())]

    def _count(self) -> int:
        try:
            return int(cupy.cuda.runtime.getDeviceCount())
        except cupy.cuda.runtime.CUDARuntimeError:
            return 0

    def device(self, name: Any) -> Any:
        """Turn "cuda", "cuda:1" or a number into a device."""
        if name is None and not self._count():
            raise DeviceError("cupy finds no GPU here: it takes one of NVIDIA's, and its driver")
        if name is None or isinstance(name, cupy.cuda.Device):
            return name
        place = str(name).removeprefix("cuda").removeprefix(":") or "0"
        if not place.isdecimal() or int(place) >= self._count():
            raise self.no_device(name)
        return cupy.cuda.Device(int(place))

    def no_device(self, name: Any) -> DeviceError:
        """Return the error that lists devices as `device` takes them."""
        listed = ", ".join(f"cuda:{place}" for place in range(self._count())) or "none"
        return DeviceError(f"cupy has no device {name!r} here: it has {listed}")

    def fill(self, scheme: Any, shape: tuple[int, ...], dtype: str, device: Any, chunks: Any = None) -> Any:
        """Fill on ``device``, which CuPy takes from the context and not from an argument."""
        with cupy.cuda.Device() if device is None else device:
            return super().fill(scheme, shape, dtype, None, chunks)

    def draw(self, recipe: Any, shape: tuple[int, ...], dtype: str, device: Any) -> Any:
        """Fill new memory of the current device in one kernel, where there is one for the kind of recipe."""
        kernel = described(recipe)
        if kernel is None:
            return super().draw(recipe, shape, dtype, device)
        out = cupy.empty(shape, self.dtype(dtype))
        launch(out, *kernel, base_of(recipe))
        return out

    def dtype(self, name: str) -> Any:
        """Return CuPy's dtype object of that name, which is NumPy's."""
        if name == "bfloat16":
            raise DTypeError("cupy has no bfloat16: choose float16 or float32, or another library")
        return numpy.dtype(super().dtype(name))

    def dtype_name(self, dtype: Any) -> str:
        """Return the dtype's name."""
        return numpy_dtype_name(dtype, self.name)

    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Copy to the host."""
        return numpy.asarray(cupy.asnumpy(array))

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Copy to ``device``."""
        wanted = self.dtype(array.dtype.name if dtype is None else dtype)
        with cupy.cuda.Device() if device is None else device:
            return cupy.array(array, dtype=wanted, order="C")

    def wait(self, arrays: Sequence[Any]) -> None:
        """Synchronise the devices that ``arrays`` are on."""
        for device in {int(x.device.id): x.device for x in arrays}.values():
            device.synchronize()
