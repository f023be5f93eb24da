"""Tensors on their way into a file: what they are, and their bytes, block by block, when they are asked for.

Arrays are NumPy's. It has no bfloat16: such values are the upper halves of float32 ones, in an array of uint16.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tl_arrayapi import backends
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage.header import DTYPES

__all__ = ["CODES", "Tensor", "check_values", "empty", "host_dtype", "native", "of_array"]

CODES = {name: code for code, (name, _) in DTYPES.items()}
"""The format's name of a dtype."""


@dataclass(frozen=True)
class Tensor:
    """Describe a tensor that is to be written: its dtype, shape, and how to get its values, in C order, one array after
    the other.

    Only one of the arrays is there at a time, where ``blocks`` makes them one by one.
    """

    code: str
    shape: tuple[int, ...]
    blocks: Callable[[], Iterator[Any]]

    def parts(self, size: int) -> Iterator[list[Any]]:
        """Yield the bytes in pieces of ``size``, the last one smaller, each a list of flat arrays of elements."""
        dtype = host_dtype(self.code)
        room = step = size // dtype.itemsize
        held: list[Any] = []
        for block in self.blocks():
            flat = block.astype(dtype.newbyteorder("<"), order="C", copy=False).reshape(-1)
            start = 0
            while start < flat.size:
                held.append(flat[start : start + room])
                start, room = start + held[-1].size, room - held[-1].size
                if not room:
                    yield held
                    held, room = [], step
        if held:
            yield held


def of_array(name: str, x: Any) -> Tensor:
    """Return a NumPy array as a tensor, or raise CheckpointError where the format lacks it.

    >>> import numpy
    >>> of_array("w", numpy.ones(3)).code
    'F64'
    """
    xp = _numpy()
    if not isinstance(x, xp.ndarray):
        raise CheckpointError(f"tensor {name!r} is a {type(x).__name__}: convert it to a NumPy array")
    if x.dtype.name not in CODES:
        raise CheckpointError(f"tensor {name!r} is {x.dtype}, which the format lacks: one of {', '.join(CODES)} is")
    return Tensor(CODES[x.dtype.name], tuple(x.shape), lambda: iter((x,)))


@functools.cache
def _numpy() -> Any:
    # A file may have 100,000 tensors: looking NumPy up would take a third of the time.
    return backends.get(None).namespace


@functools.cache
def host_dtype(code: str) -> Any:
    """Return NumPy's dtype for the format's, uint16 for bfloat16.

    >>> host_dtype("F32")
    dtype('float32')
    """
    return _numpy().dtype("uint16" if code == "BF16" else DTYPES[code][0])


def empty(name: str, code: str, shape: tuple[int, ...]) -> Any:
    """Return an array for what a file holds, its bytes in the file's order, or raise CheckpointError where memory
    cannot hold it.
    """
    try:
        return _numpy().empty(shape, dtype=host_dtype(code).newbyteorder("<"))
    except MemoryError as error:
        raise CheckpointError(f"tensor {name!r} of shape {shape} is more than memory can hold") from error


def check_values(name: str, code: str, x: Any, allow_nonfinite: bool) -> None:
    """Raise CheckpointError where a part of a tensor has NaN or infinite values that are not allowed, or is BOOL and
    has bytes other than 0 and 1.
    """
    xp = _numpy()
    if code == "BOOL":
        if (x.view("u1") > 1).any():
            raise CheckpointError(f"tensor {name!r} is BOOL and has bytes other than 0 and 1")
        return
    if allow_nonfinite or code[0] not in "FCB":
        return
    # A bfloat16 is finite unless all bits of its exponent are set.
    finite = (x & 0x7F80) != 0x7F80 if code == "BF16" else xp.isfinite(x)
    if not finite.all():
        raise CheckpointError(
            f"tensor {name!r} has NaN or infinite values: pass allow_nonfinite=True if they are meant"
        )


def native(x: Any) -> Any:
    """Return an array read from a file in this machine's byte order."""
    return x if sys.byteorder == "little" else x.astype(x.dtype.newbyteorder("="))
