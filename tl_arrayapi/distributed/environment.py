"""What a process has that may change the bits of a loss, apart from parameters and samples: threads, settings,
versions.

BLAS adds up in another order with another number of threads, and a worker of Dask has other numbers than the process
that asks. Here a block of work is held to one thread, wherever it runs, the asker's settings are taken along, and what
cannot be made equal is described by a fingerprint, so that it can be compared.
"""

import ctypes
import functools
import importlib.util
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from tl_arrayapi.backends.base import Backend

__all__ = ["Settings", "fingerprint", "keep_freed_memory", "one_thread", "own_scheduler"]


# The number of BLAS threads and Dask's scheduler belong to the whole process: blocks of several threads that overlapped
# would restore them under one another. So they take turns.
_TURN = threading.RLock()


def _controller() -> Any:
    return _controller_of(len(sys.modules))


# Looking for the loaded libraries takes a millisecond; they change when a module is imported.
@functools.lru_cache(maxsize=1)
def _controller_of(modules: int) -> Any:
    if importlib.util.find_spec("threadpoolctl") is None:
        return None
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread, where threadpoolctl is installed; one block at a time runs in a process.

    >>> with one_thread():
    ...     (numpy.ones((3, 3)) @ numpy.ones(3)).tolist()
    [3.0, 3.0, 3.0]
    """
    with _TURN:
        controller = _controller()
        with nullcontext() if controller is None else controller.limit(limits=1):
            yield


@contextmanager
def own_scheduler() -> Iterator[None]:
    """Compute Dask collections in this thread: within a task they would otherwise become tasks of the same cluster.

    >>> import dask
    >>> with own_scheduler():
    ...     dask.config.get("scheduler")
    'synchronous'
    """
    import dask

    with _TURN, dask.config.set(scheduler="synchronous"):
        yield


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # the names of malloc.h


def keep_freed_memory() -> None:
    """Let this process keep up to 64 MiB that it has freed, where Dask's nanny has told it to keep none.

    Dask sets MALLOC_TRIM_THRESHOLD_ to 64 KiB for its workers, so that they look as small as they are. Every array
    above that then goes back to the system and is faulted in again: losses of samples take two to four times as long.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if "MALLOC_TRIM_THRESHOLD_" in os.environ else None
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, 32 << 20)
        set_option(_TRIM_THRESHOLD, 64 << 20)


# ---- settings of libraries that change values, and that a fresh process does not have
@dataclass(frozen=True)
class _Setting:
    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]


_SETTINGS = {
    "JAX's 64-bit types": _Setting(
        "jax",
        lambda jax: bool(jax.config.jax_enable_x64),
        lambda jax, value: jax.config.update("jax_enable_x64", value),
    ),
    "JAX's precision of products": _Setting(
        "jax",
        lambda jax: jax.config.jax_default_matmul_precision,
        lambda jax, value: jax.config.update("jax_default_matmul_precision", value),
    ),
    "PyTorch's default dtype": _Setting(
        "torch",
        lambda torch: str(torch.get_default_dtype()).removeprefix("torch."),
        lambda torch, value: torch.set_default_dtype(getattr(torch, value)),
    ),
    "PyTorch's precision of products": _Setting(
        "torch",
        lambda torch: torch.get_float32_matmul_precision(),
        lambda torch, value: torch.set_float32_matmul_precision(value),
    ),
}


@dataclass(frozen=True)
class Settings:
    """Carry the settings of one library to another process.

    >>> from tl_arrayapi import backends
    >>> Settings.of(backends.get(None))
    Settings(values=())
    """

    values: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, backend: Backend) -> "Settings":
        """Read the settings of the library of ``backend`` in this process."""
        library = backend.namespace.__name__.removeprefix("array_api_compat.").partition(".")[0]
        own = {name: setting for name, setting in _SETTINGS.items() if setting.module == library}
        return cls(tuple((name, setting.read(sys.modules[library])) for name, setting in own.items()))

    def apply(self) -> None:
        """Make the settings of this process these; what is so already is not touched."""
        for name, value in self.values:
            setting = _SETTINGS[name]
            module = importlib.import_module(setting.module)
            if setting.read(module) != value:
                setting.write(module, value)


def fingerprint(backend: Backend) -> str:
    """Describe what may change the bits of a loss on ``backend`` between two processes: versions, processor, BLAS.

    >>> from tl_arrayapi import backends
    >>> "numpy" in fingerprint(backends.get(None))
    True
    """
    parts = [
        f"Python {platform.python_version()}",
        f"{platform.system()} {platform.machine()}",
        f"numpy {numpy.__version__}",
        f"{backend.namespace.__name__} {backend.version()}",
        # Some libraries switch the processor to flush what is this small.
        f"subnormals {'kept' if sys.float_info.min * 0.5 else 'flushed'}",
    ]
    controller = _controller()
    found = controller.select(user_api="blas").info() if controller is not None else []
    library = backend.namespace.__name__.removeprefix("array_api_compat.").partition(".")[0]
    # Others may have brought one of their own, which takes no part.
    libraries = [x for x in found if _bundled_by(x["filepath"]) in (None, "numpy", library)]
    blas = {
        f"{x['internal_api']} {x['version']} for {x.get('architecture', 'any')}, threads {x['num_threads']}"
        for x in libraries
    }
    return ", ".join([*parts, *sorted(blas)])


def _bundled_by(path: str) -> str | None:
    """Return the package whose wheel brought a library's file, None where none did."""
    folders = Path(path).parent.parts
    wheels = [name.removesuffix(".libs") for name in folders if name.endswith(".libs")]
    inside = folders[folders.index("site-packages") + 1 :] if "site-packages" in folders else ()
    return next(iter((*wheels, *inside)), None)
