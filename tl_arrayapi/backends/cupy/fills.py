"""Launch the kernels of fills.cu, which fill arrays with what recipes draw."""

import functools
from importlib import resources
from typing import Any

import cupy
import numpy

from tl_arrayapi.backends.kernels import Arguments, segments

__all__ = ["THREADS", "launch"]

THREADS = 256
"""How many threads a block has."""

# Blocks a multiprocessor: enough to hide what memory takes; each thread then fills several elements.
_BLOCKS = 32


def launch(out: Any, name: str, arguments: Arguments, base: numpy.uint64) -> None:
    """Fill ``out``, an array without gaps on the current device, by the kernel of that name."""
    if not out.size:
        return
    device = cupy.cuda.Device()
    kernel = _kernel(f"{name}_{out.dtype.name}", device.id)
    blocks = min(-(-out.size // THREADS), _BLOCKS * device.attributes["MultiProcessorCount"])
    table = (_table(device.id),) if name == "gaussian" else ()
    kernel((blocks,), (THREADS,), (out, numpy.uint64(out.size), base, *table, *arguments))


@functools.cache
def _kernel(name: str, device: int) -> Any:
    return _module(device).get_function(name)


@functools.cache
def _module(device: int) -> Any:
    """Compile for one device, which is the current one, with nothing contracted."""
    source = resources.files("tl_arrayapi").joinpath("backends", "cupy", "fills.cu").read_text()
    return cupy.RawModule(code=source, options=("-std=c++17", "--fmad=false"))


@functools.cache
def _table(device: int) -> Any:
    return cupy.asarray(segments())
