"""Write one safetensors file, tensor by tensor: never more of one on the host than its block and some pieces."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, BinaryIO

from tl_arrayapi import backends
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage.header import PREFIX, Header, decode, encode, layout
from tl_arrayapi.storage.index import Index
from tl_arrayapi.storage.pieces import PIECE, THREADS, begin, digest_of, fill
from tl_arrayapi.storage.tensors import Tensor, check_values

__all__ = ["DIGEST", "REPLACES", "SCHEMA", "VERSION", "index_digest", "write"]

SCHEMA, DIGEST, REPLACES = f"{PREFIX}schema", f"{PREFIX}sha256", f"{PREFIX}replaces"
VERSION = "2"

_UNKNOWN = "0" * 64
_BUFFER = 1 << 16
# The disk has this much to do while as much is made ready. All that is under way is kept to be compared, so that it is
# little; but a request takes milliseconds.
_FLUSHED = 16 << 20
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
    """Write tensors and metadata to an open, empty file, and return its digest; all is on the disk then, and was read
    back.

    Raises CheckpointError for what a reader would not take back, and where the disk gives back something else.
    """
    described = [(name, t.code, t.shape) for name, t in tensors.items()]
    plain = layout(described, {**metadata, SCHEMA: VERSION})
    head = encode(_signed(plain, _UNKNOWN))
    decode(head[8:], sum(e.end - e.start for e in plain.entries))
    digest = hashlib.sha256(plain.text().encode("ascii"))
    with open(descriptor, "wb", _BUFFER, closefd=False) as file, ThreadPoolExecutor(1) as flusher:
        file.write(head)
        payload = _Payload(file, len(head), threads, flusher, digest.update)
        for entry in sorted(plain.entries, key=lambda e: (e.start, e.end)):
            examined = partial(_examined, entry.name, entry.code, allow_nonfinite)
            for parts in tensors[entry.name].parts(PIECE):
                payload.add(parts, examined)
            if payload.place != len(head) + entry.end:
                raise CheckpointError(f"tensor {entry.name!r} gave other bytes than its shape and dtype say")
        payload.finish()
        head = encode(_signed(plain, digest.hexdigest()))
        file.seek(0)
        file.write(head)
        file.flush()
        os.fsync(descriptor)
    _read_back(descriptor, 0, [backends.get(None).namespace.frombuffer(head, "u1")])
    return digest.hexdigest()


class _Payload:
    """The payload on its way: pieces are written and hashed, flushed to the disk meanwhile, and read back once they
    are there.
    """

    def __init__(
        self,
        file: BinaryIO,
        place: int,
        threads: ThreadPoolExecutor,
        flusher: ThreadPoolExecutor,
        take: Callable[[bytes], None],
    ) -> None:
        self.place = place
        self._file = file
        self._threads = threads
        # A thread of its own: the others have work while the disk has.
        self._flusher = flusher
        self._take = take
        self._hashing: deque[Future[bytes]] = deque()
        self._unread: deque[tuple[int, int, list[Any]]] = deque()
        self._reading: deque[Future[None]] = deque()
        self._flush: Future[int] | None = None
        self._flushed = place

    def add(self, parts: list[Any], examined: Callable[[list[Any]], bytes]) -> None:
        """Write a piece, whose digest ``examined`` returns once it has found nothing wrong."""
        size = sum(part.nbytes for part in parts)
        self._hashing.append(begin(self._threads, size, examined, parts))
        self._unread.append((self.place, size, parts))
        for part in parts:
            self._file.write(part.view("u1"))
        self.place += size
        while len(self._hashing) > _UNDER_WAY:
            self._take(self._hashing.popleft().result())
        if self.place - self._flushed >= _FLUSHED:
            self._begin_flush()

    def finish(self) -> None:
        """Wait until all is on the disk, and was read back."""
        for digest in self._hashing:
            self._take(digest.result())
        self._begin_flush()
        self._on_disk()
        while self._reading:
            self._reading.popleft().result()

    def _begin_flush(self) -> None:
        self._on_disk()
        self._file.flush()
        self._flushed = self.place
        self._flush = begin(self._flusher, _FLUSHED, _synced, self._file.fileno(), self.place)

    def _on_disk(self) -> None:
        """Wait for the flush that is under way, and begin to read back what it wrote."""
        place = 0 if self._flush is None else self._flush.result()
        while self._unread and self._unread[0][0] < place:
            start, size, parts = self._unread.popleft()
            self._reading.append(begin(self._threads, size, _read_back, self._file.fileno(), start, parts))
        while self._reading and self._reading[0].done():
            self._reading.popleft().result()


def _synced(descriptor: int, place: int) -> int:
    _sync(descriptor)
    return place


def _read_back(descriptor: int, place: int, parts: list[Any]) -> None:
    for part in parts:
        written = part.view("u1")
        found = backends.get(None).namespace.empty(len(written), dtype="u1")
        fill(descriptor, place, found)
        if not (found == written).all():
            raise CheckpointError(
                f"what was read back from byte {place} on is not what was written: the disk may be failing"
            )
        place += len(written)


def index_digest(index: Index, shards: Sequence[str]) -> str:
    """Return the digest of an index that has none yet, and of the digests of its shards.

    >>> index_digest(Index({}, {}, 0), [])[:8]
    'ac9c3104'
    """
    return hashlib.sha256("".join([index.text(), *shards]).encode("utf-8")).hexdigest()


def _signed(header: Header, digest: str) -> Header:
    return Header(header.entries, {**header.metadata, DIGEST: digest})


def _examined(name: str, code: str, allow_nonfinite: bool, parts: list[Any]) -> bytes:
    for part in parts:
        check_values(name, code, part, allow_nonfinite)
    return digest_of(parts)
