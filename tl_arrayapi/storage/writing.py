"""Write one safetensors file, tensor by tensor: never more of one on the host than its block and some pieces."""

import hashlib
import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage.header import PREFIX, Header, decode, encode, layout
from tl_arrayapi.storage.index import Index
from tl_arrayapi.storage.pieces import PIECE, THREADS, begin, digest_of
from tl_arrayapi.storage.tensors import Tensor, check_values

__all__ = ["DIGEST", "REPLACES", "SCHEMA", "VERSION", "index_digest", "write"]

SCHEMA, DIGEST, REPLACES = f"{PREFIX}schema", f"{PREFIX}sha256", f"{PREFIX}replaces"
VERSION = "2"

_UNKNOWN = "0" * 64
_BUFFER = 1 << 16
# The disk begins with what it has while more is computed; one request takes some milliseconds.
_FLUSHED = 64 << 20
# Enough for every thread, and little beside a tensor.
_UNDER_WAY = 2 * THREADS
_sync = getattr(os, "fdatasync", os.fsync)


def write(
    descriptor: int,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    threads: ThreadPoolExecutor,
    *,
    allow_nonfinite: bool,
) -> str:
    """Write tensors and metadata to an open, empty file, and return its digest; all is on the disk then.

    Raises CheckpointError for what a reader would not take back.
    """
    described = [(name, t.code, t.shape) for name, t in tensors.items()]
    plain = layout(described, {**metadata, SCHEMA: VERSION})
    head = encode(_signed(plain, _UNKNOWN))
    decode(head[8:], sum(e.end - e.start for e in plain.entries))
    digest = hashlib.sha256(plain.text().encode("ascii"))
    pieces: deque[Future[bytes]] = deque()
    # A thread of its own: the others have work while the disk has.
    with open(descriptor, "wb", _BUFFER, closefd=False) as file, ThreadPoolExecutor(1) as flusher:
        flushed: list[Future[None]] = []
        file.write(head)
        since = 0
        for entry in sorted(plain.entries, key=lambda e: (e.start, e.end)):
            size = 0
            for parts in tensors[entry.name].parts(PIECE):
                length = sum(part.nbytes for part in parts)
                pieces.append(begin(threads, length, _examined, entry.name, entry.code, parts, allow_nonfinite))
                for part in parts:
                    file.write(part.view("u1"))
                while len(pieces) > _UNDER_WAY:
                    digest.update(pieces.popleft().result())
                size, since = size + length, since + length
                if since >= _FLUSHED and all(one.done() for one in flushed):
                    flushed.append(flusher.submit(_sync, descriptor))
                    since = 0
            if size != entry.end - entry.start:
                raise CheckpointError(f"tensor {entry.name!r} gave {size} bytes, and said {entry.end - entry.start}")
        for piece in pieces:
            digest.update(piece.result())
        for one in flushed:
            one.result()
        file.seek(0)
        file.write(encode(_signed(plain, digest.hexdigest())))
        file.flush()
        os.fsync(descriptor)
    return digest.hexdigest()


def index_digest(index: Index, shards: Sequence[str]) -> str:
    """Return the digest of an index that has none yet, and of the digests of its shards.

    >>> index_digest(Index({}, {}, 0), [])[:8]
    'ac9c3104'
    """
    return hashlib.sha256("".join([index.text(), *shards]).encode("utf-8")).hexdigest()


def _signed(header: Header, digest: str) -> Header:
    return Header(header.entries, {**header.metadata, DIGEST: digest})


def _examined(name: str, code: str, parts: list[Any], allow_nonfinite: bool) -> bytes:
    for part in parts:
        check_values(name, code, part, allow_nonfinite)
    return digest_of(parts)
