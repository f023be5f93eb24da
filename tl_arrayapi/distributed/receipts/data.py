"""The digest of samples: the same for any order, chunking or source.

Every sample has a hash of its own, and the digest is the sum of all hashes modulo 2^512 (the multiset hash AdHash of
Bellare and Micciancio, "A new paradigm for collision-free hashing", 1997). It guards against accidents: a sample that
was lost, read twice or changed. It is no proof against a forger, who may look for other samples with the same sum.

Hashed, by BLAKE2b of 64 bytes, are, for each input of the sample in order: its dtype's name, its shape and its values;
and at the end the sample's weight as a float64, 1 where there are none. A name is its length and its ASCII bytes; a
shape is its rank and its dimensions; values are the elements in row-major order. Every length and dimension has 8
bytes; all numbers are little-endian, and a bfloat16 is the upper 2 bytes of the float32 of its value. The sum is that
of the hashes as little-endian integers.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

import numpy

from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.packed import Packed

__all__ = ["MODULUS", "data_digest", "sample_hashes", "sum_of_hashes"]

MODULUS = 1 << 512

_Hashes = numpy.ndarray[Any, numpy.dtype[numpy.uint32]]

_BYTES = 64
# What is laid out for hashing at a time.
_BLOCK = 1 << 18


def data_digest(chunk: Chunk) -> int:
    """Return the digest of the samples of a chunk; those of several chunks add up, modulo 2^512.

    >>> column = Packed(numpy.asarray([[1.0, 2.0], [3.0, 4.0]]), "float64")
    >>> chunk = Chunk("samples 0 to 1", 0, range(2), None, True, (column,))
    >>> data_digest(chunk) == (data_digest(chunk.rows(1, 2)) + data_digest(chunk.rows(0, 1))) % MODULUS
    True
    """
    return sum_of_hashes(sample_hashes(chunk))


def sample_hashes(chunk: Chunk) -> _Hashes:
    """Return the hash of each sample, a row of 16 little-endian digits of 32 bits, in the order of the chunk."""
    weights = numpy.ones(len(chunk)) if chunk.weights is None else chunk.weights
    found = numpy.empty((len(chunk), _BYTES // 4), "<u4")
    if chunk.stacked:
        columns = [_on_host(x) for x in chunk.packed]
        for start, stop in _blocks(chunk):
            found[start:stop] = _hashes([x[start:stop] for x in columns], weights[start:stop])
    else:
        for i, row in enumerate(chunk.packed):
            found[i] = _hashes([Packed(_on_host(x).values[None, ...], x.dtype) for x in row], weights[i : i + 1])
    return found


def sum_of_hashes(hashes: _Hashes) -> int:
    """Return the sum of hashes modulo 2^512."""
    digits: list[int] = hashes.sum(axis=0, dtype=numpy.uint64).tolist()
    return sum(digit << (32 * i) for i, digit in enumerate(digits)) % MODULUS


def _on_host(x: Packed) -> Packed:
    return x if isinstance(x.values, numpy.ndarray) else Packed(Packed.read(x.values).values, x.dtype)


def _blocks(chunk: Chunk) -> list[tuple[int, int]]:
    size = max(_BLOCK * len(chunk) // max(chunk.nbytes, 1), 1)
    return [(start, min(start + size, len(chunk))) for start in range(0, len(chunk), size)]


def _hashes(columns: Sequence[Packed], weights: Any) -> _Hashes:
    """Return the hashes of samples that lie along the first axis of each column."""
    parts = []
    for x in columns:
        parts += [_broadcast(_kind(x), len(weights)), _bytes(x)]
    rows = numpy.concatenate([*parts, _bytes(Packed(weights, "float64"))], axis=1)
    # One object for all rows, and no array for each, is a third faster.
    text, length, blake2b = memoryview(rows.tobytes()), rows.shape[1], hashlib.blake2b
    hashes = b"".join([blake2b(text[i : i + length]).digest() for i in range(0, len(text), length)])
    return numpy.frombuffer(hashes, "<u4").reshape(-1, _BYTES // 4)


def _kind(x: Packed) -> bytes:
    name, shape = x.dtype.encode("ascii"), x.shape[1:]
    return struct.pack("<Q", len(name)) + name + struct.pack(f"<Q{len(shape)}Q", len(shape), *shape)


def _broadcast(text: bytes, count: int) -> Any:
    return numpy.broadcast_to(numpy.frombuffer(text, numpy.uint8), (count, len(text)))


def _bytes(x: Packed) -> Any:
    """Return the bytes of each sample as a row."""
    little = x.values.astype(x.values.dtype.newbyteorder("<"), order="C", copy=False)
    if x.dtype == "bfloat16":
        little = (little.view("<u4") >> 16).astype("<u2")
    return little.reshape(len(little), -1).view(numpy.uint8)
