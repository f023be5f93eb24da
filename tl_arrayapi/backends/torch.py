"""The PyTorch backend."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy
import torch

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.errors import DeviceError, DTypeError, WatchedError

__all__ = ["TorchBackend"]


def _embed(x: Any, /, shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    out = torch.zeros(shape, dtype=x.dtype, device=x.device)
    out[key] = x
    return out


class TorchBackend(Backend):
    """Describe PyTorch; a device is ``"cpu"``, ``"cuda:0"`` or another that torch.device takes."""

    name = "torch"

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The adjoint of a slice by assignment."""
        return {"embed": _embed, "relu": torch.relu}

    def scatter_add(self, shape: tuple[int, ...], indices: Any, updates: Any, axis: int) -> Any:
        """Return zeros of ``shape`` plus ``updates`` added along ``axis`` at ``indices``."""
        indices = torch.where(indices < 0, indices + shape[axis], indices)
        return torch.zeros(shape, dtype=updates.dtype, device=updates.device).index_add(axis, indices, updates)

    def check(self, array: Any, where: str) -> None:
        """Refuse tensors that require grad: torch's own tape would record as well."""
        if array.requires_grad:
            raise WatchedError(f"{where} is a tensor with requires_grad=True, which torch itself would record: pass it .detach()")

    def result(self, array: Any) -> Any:
        """Return ``array``, or a copy of it where it is a part of another tensor, or spread over fewer elements than it shows."""
        whole = array.untyped_storage().nbytes() == array.numel() * array.element_size()
        return array if whole and not array.is_conj() and not array.is_neg() else array.resolve_conj().resolve_neg().clone()

    def memory(self, array: Any) -> Hashable:
        """Return the address of the first element."""
        return array.data_ptr() or id(array)

    def devices(self) -> list[Any]:
        """List the host and the GPUs."""
        names = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        return [torch.device(name) for name in names]

    def device(self, name: Any) -> Any:
        """Turn a device's name into a device, and refuse one that is not there."""
        if name is None or not isinstance(name, str):
            return name
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            listed = ", ".join(map(str, self.devices()))
            raise DeviceError(f"torch has no device {name!r} here: it has {listed}") from error
        return device

    def to_host(self, array: Any) -> numpy.ndarray[Any, Any]:
        """Copy to the host where it is elsewhere."""
        if array.dtype == torch.bfloat16:
            raise DTypeError("the host's library has no bfloat16: convert the tensor to float32 first")
        host: numpy.ndarray[Any, Any] = array.detach().cpu().resolve_conj().resolve_neg().numpy()
        return host

    def from_host(self, array: Any, dtype: str | None = None, device: Any = None) -> Any:
        """Copy ``array`` to ``device``."""
        wanted = None if dtype is None else self.dtype(dtype)
        host = numpy.array(array, dtype="float32" if dtype == "bfloat16" else dtype, order="C")
        return torch.from_numpy(host).to(dtype=wanted, device=device)

    def wait(self, arrays: Sequence[Any]) -> None:
        """Synchronise the GPUs that ``arrays`` are on."""
        for device in {x.device for x in arrays if x.device.type == "cuda"}:
            torch.cuda.synchronize(device)
