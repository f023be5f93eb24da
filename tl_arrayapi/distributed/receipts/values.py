"""How values enter a digest: each with its kind and its length, so that no two sequences of values read the same."""

import struct
from typing import Any

import numpy

__all__ = ["digest_array", "digest_text"]


def digest_text(state: Any, *texts: str | bytes) -> None:
    """Add texts to a hash."""
    for text in texts:
        data = text.encode() if isinstance(text, str) else text
        state.update(struct.pack("<Q", len(data)) + data)


def digest_array(state: Any, backend: Any, array: Any) -> None:
    """Add an array of the library of ``backend`` to a hash: its dtype's name, its shape and its values."""
    digest_text(state, backend.dtype_name(array.dtype), repr(tuple(array.shape)))
    for block in backend.host_blocks(array):
        state.update(numpy.ascontiguousarray(block.astype(block.dtype.newbyteorder("<"), copy=False)))
