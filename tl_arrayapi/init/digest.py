"""SHA-256 of named parameters: of what they are called, their dtype, their shapes and their values.

Hashed are, for each parameter in order: its name, the name of the dtype, its shape and its values. A name is its length
in bytes and its UTF-8 bytes; a shape is its rank and its dimensions; values are their length in bytes and the elements
in row-major order. Every length and dimension is 8 bytes; all numbers are little-endian, and a bfloat16 is the upper 2
bytes of the float32 of its value. Arrays are read in blocks, so that a parameter is never on the host as a whole.
"""

import hashlib
import math
import struct
from collections.abc import Iterable
from typing import Any

__all__ = ["digest_of"]


def digest_of(parameters: Iterable[tuple[str, Any]], backend: Any, dtype: str) -> str:
    """Return the digest of (name, array) pairs, arrays of ``backend`` whose dtype is called ``dtype``.

    Each array is asked for when the one before it is done with.

    >>> from tl_arrayapi import backends, init
    >>> plan = init.Plan([(2,)], [init.ones()], ["w"])
    >>> digest_of([("w", plan.fill()[0])], backends.get(None), "float32") == plan.digest()
    True
    """
    state = hashlib.sha256()
    for name, array in parameters:
        shape = tuple(array.shape)
        for text in (name.encode(), dtype.encode()):
            state.update(struct.pack("<Q", len(text)) + text)
        size = math.prod(shape) * _width(dtype)
        state.update(struct.pack(f"<Q{len(shape)}QQ", len(shape), *shape, size))
        for block in backend.host_blocks(array):
            state.update(_bytes(block, dtype))
    return state.hexdigest()


def _width(dtype: str) -> int:
    """Return the bytes of an element."""
    return int(dtype.lstrip("abcdefghijklmnopqrstuvwxyz")) // 8


def _bytes(block: Any, dtype: str) -> Any:
    little = block.astype(block.dtype.newbyteorder("<"), copy=False)
    return (little.view("<u4") >> 16).astype("<u2") if dtype == "bfloat16" else little
