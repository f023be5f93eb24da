"""The library variants that tests run over: how each one is imported, makes arrays and gives their values back.

This is deliberately independent of `tl_arrayapi.backends`, so that a wrong backend cannot hide itself from the tests.
"""

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

__all__ = ["VARIANTS", "Library", "Variant", "installed", "load", "mode"]

# Read by JAX when it is imported, whoever imports it first.
os.environ.setdefault("JAX_ENABLE_X64", "1")


@dataclass(frozen=True)
class Variant:
    """One way to run the tests: a library, and what is special about its arrays or its settings."""

    name: str
    module: str
    extra: str | None
    namespace: str
    device: str | None = None
    marks: tuple[pytest.MarkDecorator, ...] = ()


VARIANTS = {
    variant.name: variant
    for variant in [
        Variant("numpy", "numpy", None, "array_api_compat.numpy"),
        Variant("numpy-readonly", "numpy", None, "array_api_compat.numpy"),
        Variant("torch", "torch", "torch", "array_api_compat.torch"),
        Variant("jax", "jax", "jax", "jax.numpy"),
        Variant("dask", "dask.array", "dask", "array_api_compat.dask.array"),
        Variant("array_api_strict", "array_api_strict", "test", "array_api_strict"),
        # No boolean masks, no shapes that depend on data, as in a compiling library.
        Variant("strict-flags", "array_api_strict", "test", "array_api_strict"),
        # A device that is not the default one: whoever forgets `device=` mixes devices, and strict raises.
        Variant("strict-device1", "array_api_strict", "test", "array_api_strict", device="device1"),
        # A device without float64 and complex128, such as Apple's.
        Variant("strict-float32", "array_api_strict", "test", "array_api_strict", device="no_float64"),
        Variant("cupy", "cupy", "cuda12", "array_api_compat.cupy", marks=(pytest.mark.gpu,)),
    ]
}


def installed(module: str) -> bool:
    """Say whether ``module`` can be imported, without importing it (the packages that contain it excepted)."""
    top = module.partition(".")[0]
    return importlib.util.find_spec(top) is not None and importlib.util.find_spec(module) is not None


class Library:
    """One library variant, as the `xp` fixture gives it; attributes that it lacks are the namespace's."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.name = variant.name
        self.namespace = importlib.import_module(variant.namespace)
        self.device = self.namespace.Device(variant.device) if variant.device is not None else None

    def __repr__(self) -> str:
        return f"<xp {self.name}>"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.namespace, name)

    @property
    def real(self) -> str:
        """The name of the widest real floating dtype that the variant has: ``"float64"`` or ``"float32"``."""
        return "float64" if self.has("float64") else "float32"

    @property
    def tolerance(self) -> float:
        """A relative tolerance that a few operations in the dtype `real` should keep."""
        return 1e-12 if self.real == "float64" else 1e-5

    def has(self, dtype: str) -> bool:
        """Say whether the variant has the dtype of that name (on its device)."""
        if self.device is not None:
            return dtype in self.namespace.__array_namespace_info__().dtypes(device=self.device)
        return hasattr(self.namespace, dtype)

    def asarray(self, values: Any, dtype: str | None = None) -> Any:
        """Make an array of ``values`` on the variant's device.

        Where ``dtype`` is None, NumPy's is kept, or narrowed where the variant has no float64. A ``dtype`` asked for
        that the variant lacks skips the test.
        """
        host = np.asarray(values)
        if dtype is None:
            narrowed = {"float64": "float32", "complex128": "complex64"} if self.real == "float32" else {}
            dtype = narrowed.get(host.dtype.name, host.dtype.name)
        if not self.has(dtype):
            pytest.skip(f"{self.name} has no {dtype}")
        if dtype == "bfloat16":  # NumPy has none
            return self.namespace.astype(self.asarray(host, "float32"), self.namespace.bfloat16)
        host = host.astype(dtype)
        if self.variant.module == "numpy":
            host.flags.writeable = self.name != "numpy-readonly"
            return host
        if self.variant.module == "dask.array":
            # Two chunks along each axis that can have them: what needs one chunk shows.
            return importlib.import_module("dask.array").from_array(host, chunks=tuple(-(-n // 2) for n in host.shape))
        return self.namespace.asarray(host, dtype=getattr(self.namespace, dtype), device=self.device)

    def to_numpy(self, x: Any) -> np.ndarray[Any, Any]:
        """Return the values of ``x`` (an array of the variant, or a Python scalar) as a NumPy array."""
        module = self.variant.module
        if isinstance(x, bool | int | float | complex | np.generic | np.ndarray):
            return np.asarray(x)
        if module == "array_api_strict":
            return np.asarray(x.to_device(self.namespace.Device("CPU_DEVICE")))
        if module == "torch":
            return np.asarray(x.cpu().resolve_conj().resolve_neg())
        return np.asarray(x.get() if module == "cupy" else x)


_LOADED: dict[str, Library] = {}


def load(name: str) -> Library:
    """Return the variant of that name, imported on first use; skip the test where the library is not installed."""
    variant = VARIANTS[name]
    if not installed(variant.module):
        pytest.skip(f"{variant.module} is not installed: pip install 'tl-arrayapi[{variant.extra}]'")
    if name not in _LOADED:
        _LOADED[name] = Library(variant)
    return _LOADED[name]


@contextlib.contextmanager
def mode(name: str) -> Iterator[None]:
    """Hold the library's global settings as the variant wants them, for the time of one test."""
    if not installed(VARIANTS[name].module):
        yield
    elif name == "dask":
        import dask

        with dask.config.set(scheduler="synchronous"):
            yield
    elif name == "strict-flags":
        import array_api_strict

        with array_api_strict.ArrayAPIStrictFlags(boolean_indexing=False, data_dependent_shapes=False):
            yield
    else:
        yield
