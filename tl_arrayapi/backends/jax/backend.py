"""The JAX backend."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy
import jax.scipy.special
import numpy

from tl_arrayapi.backends.base import Backend, numpy_dtype_name
from tl_arrayapi.backends.jax.fills import filled
from tl_arrayapi.backends.jax.program import JaxProgram
from tl_arrayapi.backends.program import Program, Runtime
from tl_arrayapi.backends.registry import get
from tl_arrayapi.backends.special import on_the_host
from tl_arrayapi.errors import DeviceError, DTypeError
from tl_arrayapi.graph.graph import Graph

__all__ = ["JaxBackend"]


def _embed(x: Any, /, shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    return jax.numpy.zeros(shape, x.dtype, device=_device(x)).at[key].set(x)


def _device(array: Any) -> Any:
    """Return the one device of ``array``; None for what is traced, or spread over several."""
    if isinstance(array, jax.core.Tracer):
        return None
    devices = array.devices()
    return next(iter(devices)) if len(devices) == 1 else None


def _of_whole_order(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` taking its order in any dtype: JAX wants integers, and numbers here have their neighbour's
    dtype.
    """
    return lambda n, x: function(jax.numpy.asarray(n).astype(int), x)


# Functions of jax.scipy.special that have another name there, or take their arguments otherwise.
_SPECIAL: dict[str, Callable[..., Any]] = {
    "expn": _of_whole_order(jax.scipy.special.expn),
    "polygamma": _of_whole_order(jax.scipy.special.polygamma),
    "psi": jax.scipy.special.digamma,
}


class JaxBackend(Backend):
    """Describe JAX; a device is one of ``jax.devices()``, or its platform and number, ``"cpu:0"``.

    >>> import jax.numpy, tl_arrayapi as tl
    >>> tl.backends.get(jax.numpy).device("cpu:0").platform
    'cpu'
    """

    name = "jax"
    # Under jax.jit and its relatives even a constant is traced.
    keep_scalars = False

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The adjoint of a slice by functional assignment."""
        return {"embed": _embed}

    def special(self, name: str) -> Callable[..., Any] | None:
        """Return the function of jax.scipy.special or jax.numpy, or SciPy's by way of the host, which JAX cannot
        trace.
        """
        if name in _SPECIAL:
            return _SPECIAL[name]
        for module in (jax.scipy.special, jax.numpy):
            if hasattr(module, name):
                found: Callable[..., Any] = getattr(module, name)
                return found
        return on_the_host(self, name)

    def scatter_add(self, shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
        """Return zeros of ``shape`` plus ``updates`` added along ``axis`` at ``indices``."""
        zeros = jax.numpy.zeros(shape, updates.dtype, device=_device(updates))
        return zeros.at[(*(slice(None),) * axis, indices)].add(updates)

    def result(self, array: Any) -> Any:
        """Return ``array``: JAX's arrays are immutable."""
        return array

    def draw(self, recipe: Any, shape: tuple[int, ...], dtype: str, device: Any) -> Any:
        """Fill in one compiled function, on the device or over a sharding's; numbers that XLA would flush to zero come
        from the host.
        """
        if recipe.is_tiny:
            return self.from_host(get(None).draw(recipe, shape, recipe.format.compute, None), dtype, device)
        return filled(recipe, shape, self.dtype(dtype), device)

    def precision(self, name: str) -> AbstractContextManager[None]:
        """Hold JAX's own setting."""
        held: AbstractContextManager[None] = jax.default_matmul_precision(name)
        return held

    def device_of(self, array: Any) -> Any:
        """Return the device of ``array``; None for what is traced, or spread over several."""
        return _device(array)

    def number(self, value: float, dtype: Any, device: Any) -> Any:
        """Return a number on the host, from where a compiled program takes it in a tenth of the time."""
        return numpy.asarray(value, dtype)

    def lower(self, graph: Graph, runtime: Runtime) -> Program:
        """Return ``graph`` as straight code for jax.jit, or as it is where the runtime is not to be fast."""
        if not runtime.fast:
            return self.portable(graph, runtime)
        return JaxProgram(graph, runtime, self.ownership)

    def devices(self) -> list[Any]:
        """List the devices of the default platform, and the host's."""
        found = jax.devices()
        return found if found[0].platform == "cpu" else [*found, *jax.devices("cpu")]

    def device(self, name: Any) -> Any:
        """Turn "cpu", "gpu:1" or a device's own text into a device."""
        if name is None or isinstance(name, (jax.Device, jax.sharding.Sharding)):
            return name
        platform, _, place = str(name).partition(":")
        for device in self.devices():
            kinds = {device.platform, device.client.platform}
            if name == str(device) or (platform in kinds and (place or "0") == str(device.id)):
                return device
        raise self.no_device(name)

    def no_device(self, name: Any) -> DeviceError:
        """Return the error that lists devices as `device` takes them."""
        listed = ", ".join(f"{device.platform}:{device.id}" for device in self.devices())
        return DeviceError(f"jax has no device {name!r} here: it has {listed}")

    def dtype(self, name: str) -> Any:
        """Return the dtype object of that name; 64-bit ones exist only with JAX_ENABLE_X64."""
        found = numpy.dtype(super().dtype(name))
        if jax.dtypes.canonicalize_dtype(found) != found:
            raise DTypeError(
                f"jax has no {name} unless 64-bit numbers are switched on: set JAX_ENABLE_X64=1, or choose a "
                "smaller dtype"
            )
        return found

    def dtype_name(self, dtype: Any) -> str:
        """Return the dtype's name."""
        return numpy_dtype_name(dtype, self.name)

    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Copy to the host."""
        if self.dtype_name(array.dtype) == "bfloat16":
            raise DTypeError("the host has no bfloat16: convert the array to float32 first")
        return numpy.asarray(array)

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Copy ``array`` to ``device``."""
        wanted = self.dtype(array.dtype.name if dtype is None else dtype)
        return jax.device_put(jax.numpy.array(array, dtype=wanted), device)

    def wait(self, arrays: Sequence[Any]) -> None:
        """Block until all ``arrays`` are there."""
        jax.block_until_ready(list(arrays))
