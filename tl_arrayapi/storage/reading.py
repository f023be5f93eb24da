"""Read checkpoints, of one file or of several: all that the headers say is checked before the payload is read.

Tensors come one by one, in the order of the payload; that they are what was written is known when the last one came.
"""

import hashlib
import os
import stat
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage.header import MAX_HEADER, PREFIX, Entry, Header, decode, kind_of_file
from tl_arrayapi.storage.index import MAX_INDEX, Index, decode_index
from tl_arrayapi.storage.pieces import PIECE, begin, digest_of, fill, working
from tl_arrayapi.storage.scan import short
from tl_arrayapi.storage.tensors import check_values, empty, host_dtype, native
from tl_arrayapi.storage.writing import DIGEST, REPLACES, SCHEMA, VERSION, index_digest

__all__ = ["Checkpoint", "opened"]

_OLD = "1"
# How far small tensors are read ahead of the one that is handed on.
_AHEAD = 8 * PIECE
_ATTEMPTS = 5


@dataclass(frozen=True)
class _File:
    """One open safetensors file: its descriptor, its header, where its payload begins, and what it says of itself."""

    name: str
    descriptor: int
    header: Header
    payload: int
    version: str | None
    digest: str


class Checkpoint:
    """A checkpoint that is open: its tensors by name, and the texts that its writer gave with them.

    ``files`` are the names of the files that belong to it besides the one that was opened, or did before it was
    written; ``own`` says whether this package wrote it.
    """

    def __init__(
        self, parts: list[_File], order: Collection[str], metadata: Mapping[str, str], threads: ThreadPoolExecutor
    ) -> None:
        found = {e.name: e for part in parts for e in part.header.entries}
        self._parts = parts
        self._threads = threads
        self.entries: dict[str, Entry] = {name: found[name] for name in order}
        self.metadata = {key: value for key, value in metadata.items() if not key.startswith(PREFIX)}
        self.own = SCHEMA in metadata
        replaced = metadata.get(REPLACES, "").split("/")
        self.files = [name for name in [*(part.name for part in parts), *replaced] if name]

    def tensors(self, wanted: Collection[str], *, allow_nonfinite: bool = False) -> Iterator[tuple[str, Any]]:
        """Yield the tensors that are ``wanted`` by name, as NumPy arrays (bfloat16 as uint16), in the payload's order.

        All are read where there is a digest. Nothing that was yielded is to be believed before the last one came: then
        CheckpointError is raised where a file was changed or damaged after it was written.
        """
        for part in self._parts:
            yield from _tensors(part, wanted, self._threads, allow_nonfinite)


@contextmanager
def opened(where: str) -> Iterator[Checkpoint]:
    """Open the checkpoint at a path, which is one safetensors file or the index of several."""
    for attempt in range(_ATTEMPTS):
        with ExitStack() as stack:
            descriptor = _descriptor(where, stack)
            if not _is_index(descriptor):
                part = _file("", descriptor)
                names = [e.name for e in part.header.entries]
                yield Checkpoint([part], names, part.header.metadata, stack.enter_context(working()))
                return
            index = _index(descriptor)
            try:
                parts = [_shard(where, name, stack) for name in index.files]
            except FileNotFoundError as error:
                # Whoever writes a checkpoint removes the shards of the one before: the new one is read then.
                if attempt + 1 < _ATTEMPTS and not os.path.samestat(os.stat(where), os.fstat(descriptor)):
                    continue
                raise CheckpointError(f"the index names the file {error.filename}, which is missing") from error
            _check_index(index, parts)
            yield Checkpoint(parts, index.weight_map, index.metadata, stack.enter_context(working()))
            return


# ---------------------------------------------------------------- files
def _descriptor(where: str, stack: ExitStack) -> int:
    # Opening a FIFO would wait for a writer for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(where, flags)
    stack.callback(os.close, descriptor)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise CheckpointError("not a regular file: give the path of a checkpoint")
    return descriptor


def _shard(where: str, name: str, stack: ExitStack) -> _File:
    folder = os.path.dirname(os.path.realpath(where))
    path = os.path.realpath(os.path.join(folder, name))
    if os.path.dirname(path) != folder:
        raise CheckpointError(f"the file {name!r}, which the index names, is a link that leads out of the folder")
    descriptor = _descriptor(path, stack)
    try:
        return _file(name, descriptor)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from error.__cause__


def _is_index(descriptor: int) -> bool:
    """Say whether a file begins as a JSON object does: as the length of a header, that is far beyond the limit."""
    start = bytes(_bytes(descriptor, 0, min(8, os.fstat(descriptor).st_size)))
    return len(start) == 8 and start.lstrip().startswith(b"{") and int.from_bytes(start, "little") > MAX_HEADER


def _index(descriptor: int) -> Index:
    size = os.fstat(descriptor).st_size
    if size > MAX_INDEX:
        raise CheckpointError(f"the index has {size} bytes, and at most {MAX_INDEX} are read")
    return decode_index(_bytes(descriptor, 0, size))


def _file(name: str, descriptor: int) -> _File:
    size = os.fstat(descriptor).st_size
    start = bytes(_bytes(descriptor, 0, min(8, size)))
    seems = kind_of_file(start)
    advice = f"not a safetensors file{seems}: give a checkpoint that this package saved"
    if size < 8:
        raise CheckpointError(f"the file has {size} bytes, and the format begins with 8: {advice}")
    length = int.from_bytes(start, "little")
    if length > MAX_HEADER or length > size - 8:
        limit = min(MAX_HEADER, size - 8)
        raise CheckpointError(f"the header is said to have {length} bytes, and {limit} are possible: {advice}")
    try:
        header = decode(_bytes(descriptor, 8, length), size - 8 - length)
    except CheckpointError as error:
        raise CheckpointError(f"{error}: {advice}" if seems else str(error)) from error.__cause__
    version = _version(header.metadata)
    return _File(name, descriptor, header, 8 + length, version, header.metadata.get(DIGEST, ""))


def _version(metadata: Mapping[str, str]) -> str | None:
    """Return the version of the schema that metadata of this package name, None where another one wrote them."""
    own = sorted(key for key in metadata if key.startswith(PREFIX))
    if not own:
        return None
    version = metadata.get(SCHEMA)
    if version not in (_OLD, VERSION):
        raise CheckpointError(
            f"the schema version is {short(version)}, and {_OLD!r} and {VERSION!r} are read here: "
            "take the version of this package that wrote the file"
        )
    unknown = [key for key in own if key not in (SCHEMA, DIGEST, REPLACES)]
    if unknown:
        raise CheckpointError(f"the metadata have {short(unknown)}, which this package does not write")
    return version


def _check_index(index: Index, parts: list[_File]) -> None:
    named_in: dict[str, set[str]] = {part.name: set() for part in parts}
    for name, file in index.weight_map.items():
        named_in[file].add(name)
    for part in parts:
        held, named = {e.name for e in part.header.entries}, named_in[part.name]
        for names, fault in ((named - held, "does not have"), (held - named, "has, and the index does not name there")):
            if names:
                raise CheckpointError(f"{part.name} {fault} {short(sorted(names))}")
    if _version(index.metadata) is None:
        return
    plain = Index(index.weight_map, {k: v for k, v in index.metadata.items() if k != DIGEST}, index.total_size)
    if index.metadata.get(DIGEST) != index_digest(plain, [part.digest for part in parts]):
        raise CheckpointError("the digest does not match: the index, or a shard, is not the one that was written")


# ---------------------------------------------------------------- tensors
def _tensors(
    part: _File, wanted: Collection[str], threads: ThreadPoolExecutor, allow_nonfinite: bool
) -> Iterator[tuple[str, Any]]:
    plain = Header(part.header.entries, {k: v for k, v in part.header.metadata.items() if k != DIGEST})
    digest = hashlib.sha256(plain.text().encode("ascii"))
    read = [e for e in part.header.entries if e.name in wanted or part.version is not None]
    entries = deque(sorted(read, key=lambda e: (e.start, e.end)))
    ahead: deque[tuple[Entry, Any, list[Future[bytes]]]] = deque()
    size = 0
    while entries or ahead:
        while entries and (not ahead or size + entries[0].end - entries[0].start <= _AHEAD):
            entry = entries.popleft()
            x = empty(entry.name, entry.code, entry.shape) if entry.name in wanted else None
            ahead.append((entry, x, _begun(part, entry, x, threads, allow_nonfinite)))
            size += entry.end - entry.start
        entry, x, pieces = ahead.popleft()
        size -= entry.end - entry.start
        for piece in pieces:
            digest.update(piece.result())
        if x is not None:
            yield entry.name, native(x)
        # Not held while the next one is read.
        del x, pieces
    if part.version is not None and digest.hexdigest() != part.digest:
        raise CheckpointError(
            f"the digest does not match: {part.name or 'the file'} was changed or damaged after it was written"
        )


def _begun(
    part: _File, entry: Entry, x: Any, threads: ThreadPoolExecutor, allow_nonfinite: bool
) -> list[Future[bytes]]:
    """Begin to read a tensor's pieces, into ``x`` where it is wanted."""
    dtype = host_dtype(entry.code).newbyteorder("<")
    step, count = PIECE // dtype.itemsize, (entry.end - entry.start) // dtype.itemsize
    flat = None if x is None else x.reshape(-1)
    pieces = []
    for start in range(0, count, step):
        length = min(step, count - start)
        into = None if flat is None else flat[start : start + length]
        place = part.payload + entry.start + start * dtype.itemsize
        pieces.append(begin(threads, length * dtype.itemsize, _read, part, entry, place, length, into, allow_nonfinite))
    return pieces


def _read(part: _File, entry: Entry, place: int, length: int, into: Any, allow_nonfinite: bool) -> Any:
    """Read and check a piece; return what the digest of the file is over: version 1 has its bytes there."""
    x = empty(entry.name, entry.code, (length,)) if into is None else into
    fill(part.descriptor, place, x.view("u1"))
    check_values(entry.name, entry.code, x, allow_nonfinite)
    if part.version is None:
        return b""
    return digest_of([x]) if part.version == VERSION else x.view("u1")


def _bytes(descriptor: int, place: int, length: int) -> bytearray:
    found = bytearray(length)
    fill(descriptor, place, found)
    return found
