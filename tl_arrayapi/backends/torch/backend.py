"""The PyTorch backend."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from array_api_compat import torch as compat

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.backends.program import Program, Runtime
from tl_arrayapi.backends.registry import get
from tl_arrayapi.backends.special import on_the_host
from tl_arrayapi.backends.torch.program import TorchProgram
from tl_arrayapi.errors import ArgumentError, BackendError, DTypeError, WatchedError
from tl_arrayapi.graph.graph import Graph
from tl_arrayapi.init.fills import draw

__all__ = ["TorchBackend"]


# Names of torch.special that are not SciPy's.
_SPECIAL = {
    **{name: f"bessel_{name}" for name in ("j0", "j1", "y0", "y1")},
    **{name: f"modified_bessel_{name}" for name in ("k0", "k1")},
    **{f"{name}e": f"scaled_modified_bessel_{name}" for name in ("k0", "k1")},
}

# How many elements a device computes at once: its launches take longer than what few elements do.
_DEVICE_BLOCK = 2**22


def _eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Any:
    """Return the standard's ``eye``. compat's writes ones to a diagonal, which torch.compile gets wrong where the array
    is used twice.
    """
    rows = torch.arange(n_rows, device=device)[:, None] + k
    columns = torch.arange(n_rows if n_cols is None else n_cols, device=device)
    return (rows == columns).to(torch.get_default_dtype() if dtype is None else dtype)


def _sign(x: Any, /) -> Any:
    # compat's writes NaN to where x has it, which makes a copy for a compiler.
    signs = torch.sgn(x)
    return torch.where(torch.isnan(x), x, signs) if x.is_floating_point() or x.is_complex() else signs


def _embed_add(total: Any, key: tuple[Any, ...], x: Any, /) -> None:
    total[key] += x


def _embed(x: Any, /, shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    out = torch.zeros(shape, dtype=x.dtype, device=x.device)
    out[key] = x
    return out


def _roll(x: Any, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Any:
    if isinstance(shift, int) and isinstance(axis, tuple):
        shift = (shift,) * len(axis)
    return torch.roll(x, shift, axis)


def _isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Any:
    # torch has no kernel for the wider unsigned integers; of one dtype, they are equal where their bits are.
    wide = (torch.uint16, torch.uint32, torch.uint64)
    x1, x2 = (x.to(torch.int64) if x.dtype in wide else x for x in (x1, x2))
    return torch.isin(x1, x2, invert=invert)


def _count_nonzero(x: Any, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    # Along no axes torch counts along all of them.
    return (x != 0).to(torch.int64) if axis == () else compat.count_nonzero(x, axis=axis, keepdims=keepdims)


def _cumulative(function: Callable[..., Any], start: float) -> Callable[..., Any]:
    # compat's own asks at each call whose array it is, which torch.compile does not trace without a warning.
    def cumulative(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
        if axis is None and x.ndim > 1:
            raise ArgumentError(f"an array of {x.ndim} axes is accumulated along one of them: give it as axis")
        axis = axis or 0
        out = function(x, axis, dtype=dtype)
        if not include_initial:
            return out
        shape = list(x.shape)
        shape[axis] = 1
        return torch.cat([torch.full(shape, start, dtype=out.dtype, device=out.device), out], axis)

    return cumulative


def _unique_all(x: Any, /) -> tuple[Any, ...]:
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    places = torch.arange(x.numel(), device=x.device)
    first = torch.full(values.shape, x.numel(), device=x.device).scatter_reduce(0, inverse.reshape(-1), places, "amin")
    return values, first, inverse, counts


class TorchBackend(Backend):
    """Describe PyTorch; a device is ``"cpu"``, ``"cuda:0"`` or another that torch.device takes.

    >>> import torch, tl_arrayapi as tl
    >>> tl.backends.get(torch).device("cpu")
    device(type='cpu')
    """

    name = "torch"

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The adjoint of a slice by assignment, relu in one kernel, and what torch has in a narrower form or not."""
        return {
            "count_nonzero": _count_nonzero,
            "cumulative_prod": _cumulative(torch.cumprod, 1),
            "cumulative_sum": _cumulative(torch.cumsum, 0),
            "embed": _embed,
            "embed_add": _embed_add,
            "eye": _eye,
            "isin": _isin,
            "relu": torch.relu,
            "roll": _roll,
            "sign": _sign,
            "unique_all": _unique_all,
        }

    def special(self, name: str) -> Callable[..., Any] | None:
        """Return the function of torch.special, or SciPy's by way of the host."""
        if name == "polygamma":
            return self._polygamma
        return getattr(torch.special, _SPECIAL.get(name, name), None) or on_the_host(self, name)

    def _polygamma(self, n: Any, x: Any) -> Any:
        """Return torch's function of one order, which it takes as a number, or SciPy's of several."""
        if getattr(n, "ndim", 0) == 0 and x.is_floating_point():
            return torch.special.polygamma(int(n), x)
        function = on_the_host(self, "polygamma")
        if function is None:
            raise BackendError("torch has polygamma of one order n alone: give it a number, or install SciPy")
        return function(n, x)

    def scatter_add(self, shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
        """Return zeros of ``shape`` plus ``updates`` added along ``axis`` at ``indices``."""
        indices = torch.where(indices < 0, indices + shape[axis], indices)
        return torch.zeros(shape, dtype=updates.dtype, device=updates.device).index_add(axis, indices, updates)

    def check(self, array: Any, where: str) -> None:
        """Refuse tensors that require grad: torch's own tape would record as well."""
        if array.requires_grad:
            raise WatchedError(
                f"{where} is a tensor with requires_grad=True, which torch itself would record: pass it .detach()"
            )

    def result(self, array: Any) -> Any:
        """Return ``array``, or a contiguous copy where it is not, or is a part of another tensor."""
        whole = array.untyped_storage().nbytes() == array.numel() * array.element_size()
        if whole and array.is_contiguous() and not array.is_conj() and not array.is_neg():
            return array
        return array.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)

    def descend(self, param: Any, grad: Any, rate: Any) -> Any:
        """Return ``param - rate * grad`` in the memory of ``grad``."""
        return torch.sub(param, grad.mul_(rate), out=grad)

    def memory(self, array: Any) -> Hashable:
        """Return the address of the storage, which views share."""
        return array.untyped_storage().data_ptr() or id(array)

    def hold(self, array: Any) -> Callable[[], bool] | None:
        """Compare the number of writes that PyTorch has counted."""
        if array.is_inference():
            return None
        version = array._version
        return lambda: array._version == version

    def draw(self, recipe: Any, shape: tuple[int, ...], dtype: str, device: Any) -> Any:
        """Fill the host's memory as NumPy's; elsewhere, compute on the device."""
        device = torch.empty(0, device=device).device
        if device.type != "cpu":
            return draw(recipe, shape, self.namespace, dtype, device, _DEVICE_BLOCK)
        out = torch.empty(shape, dtype=self.dtype(dtype), device=device)
        flat = out.view(-1)
        host: Any = get(None)
        bits = flat.view(torch.uint16) if dtype == "bfloat16" else flat
        host.fill_into(bits.numpy(), recipe, torch.get_num_threads())
        return out

    @contextmanager
    def precision(self, name: str) -> Iterator[None]:
        """Hold PyTorch's own setting, which is one for the whole process."""
        before = torch.get_float32_matmul_precision()
        if name != "default":
            torch.set_float32_matmul_precision(name)
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)

    def lower(self, graph: Graph, runtime: Runtime) -> Program:
        """Return ``graph`` as straight code for torch.compile, or as it is where the runtime is not to be fast."""
        if not runtime.fast:
            return self.portable(graph, runtime)
        return TorchProgram(graph, runtime, self.ownership)

    def devices(self) -> list[Any]:
        """List the host and the accelerators."""
        found = [torch.device("cpu")]
        if torch.accelerator.is_available():
            kind = torch.accelerator.current_accelerator().type
            found += [torch.device(kind, place) for place in range(torch.accelerator.device_count())]
        return found

    def device(self, name: Any) -> Any:
        """Turn a device's name into a device, and refuse one that is not there or holds no data."""
        if name is None:
            return None
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError, ValueError) as error:
            raise self.no_device(name) from error
        if device.type == "meta":
            raise self.no_device(name)
        return device

    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Copy to the host where it is elsewhere."""
        if array.dtype == torch.bfloat16:
            raise DTypeError("the host has no bfloat16: convert the tensor to float32 first")
        host: numpy.ndarray[Any, Any] = array.detach().cpu().resolve_conj().resolve_neg().numpy()
        return host

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Copy ``array`` to ``device``."""
        name = array.dtype.name if dtype is None else dtype
        wanted = self.dtype(name)
        host = numpy.array(array, dtype="float32" if name == "bfloat16" else name, order="C")
        return torch.from_numpy(host).to(dtype=wanted, device=device)

    def take_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Return a tensor in the memory of ``array``, where dtype and device allow it."""
        wanted = self.dtype(array.dtype.name if dtype is None else dtype)
        return torch.from_numpy(array).to(dtype=wanted, device=device)

    def wait(self, arrays: Sequence[Any]) -> None:
        """Synchronise the accelerators that ``arrays`` are on."""
        for device in {x.device for x in arrays if x.device.type != "cpu"}:
            torch.accelerator.synchronize(device)
