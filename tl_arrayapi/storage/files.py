"""Write and read checkpoint files: whole or not at all, and nothing of a file is believed before it is checked.

A file is written beside its place, flushed to the disk, read back, compared, and only then renamed. Arrays are NumPy's.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from tl_arrayapi import backends
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage.header import (
    DTYPES,
    MAX_HEADER,
    MAX_TENSORS,
    PREFIX,
    Entry,
    Header,
    check_name,
    decode,
    encode,
    kind_of_file,
    layout,
)

__all__ = ["load", "save"]

_SCHEMA, _DIGEST = f"{PREFIX}schema", f"{PREFIX}sha256"
_VERSION = "1"
_CODES = {name: code for code, (name, _) in DTYPES.items()}
_BLOCK = 1 << 20

_Path = str | os.PathLike[str]


def save(
    path: _Path,
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    *,
    allow_nonfinite: bool = False,
) -> None:
    """Write NumPy arrays, by name, and strings to a safetensors file; an older file at ``path`` stays until this one
    is whole.

    The file carries a SHA-256 of all it says. Raises CheckpointError for names, dtypes and values that `load` would
    not take back (NaN and infinities unless ``allow_nonfinite``), and where the disk fails; then ``path`` is as it
    was.

    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/w.safetensors", {"w": np.eye(2)}, {"step": "3"})
    ...     load(f"{folder}/w.safetensors")
    ({'w': array([[1., 0.],
           [0., 1.]])}, {'step': '3'})
    """
    where = _text(path)
    with _at(where):
        metadata = _user_metadata(metadata or {})
        arrays = _checked_arrays(tensors, allow_nonfinite)
        plain = layout([(n, _CODES[x.dtype.name], x.shape) for n, x in arrays.items()], {**metadata, _SCHEMA: _VERSION})
        blobs = [_bytes_of(arrays[e.name]) for e in sorted(plain.entries, key=lambda e: (e.start, e.end))]
        header = Header(plain.entries, {**plain.metadata, _DIGEST: _digest(plain, blobs)})
        _write_whole(where, [encode(header), *blobs])


def load(path: _Path, *, allow_nonfinite: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors of a safetensors file, as NumPy arrays by name, and its metadata.

    The header is checked in full before the payload is read. Raises CheckpointError where the file cannot be read, is
    not in the format, was changed after it was written, or holds NaN or infinities (unless ``allow_nonfinite``).
    Nothing in a file is ever executed. Files of other writers are taken, too; they have no digest to check.

    >>> load("no such file")
    Traceback (most recent call last):
    tl_arrayapi.errors.CheckpointError: no such file: No such file or directory
    """
    where = _text(path)
    with _at(where), _opened(where) as file:
        header = _read_header(file)
        tensors, blobs = {}, []
        for entry in sorted(header.entries, key=lambda e: (e.start, e.end)):
            blobs.append(_read(file, entry))
            tensors[entry.name] = _array(entry, blobs[-1], allow_nonfinite)
        metadata = _checked_metadata(header, blobs)
        return {e.name: tensors[e.name] for e in header.entries}, metadata


@contextlib.contextmanager
def _at(where: str) -> Iterator[None]:
    """Put the path before every message, and let nothing but CheckpointError out for what the disk or a file does."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error}") from error.__cause__
    except OSError as error:
        raise CheckpointError(f"{where}: {error.strerror or error}") from error


def _text(path: _Path) -> str:
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise CheckpointError(f"a path is expected; got {type(path).__name__}") from None
    if not text or "\0" in text:
        raise CheckpointError(f"a path is expected; got {text!r}")
    return text


# ---------------------------------------------------------------- writing
def _user_metadata(metadata: Mapping[Any, Any]) -> dict[str, str]:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise CheckpointError(f"metadata maps strings to strings; got {key!r}: {type(value).__name__}")
        if key.startswith(PREFIX):
            raise CheckpointError(f"metadata {key!r} begins with {PREFIX!r}, which is reserved: name it otherwise")
        if not _encodable(key) or not _encodable(value):
            raise CheckpointError(f"metadata {key!r} has half of a surrogate pair, which UTF-8 cannot hold")
    return dict(metadata)


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _checked_arrays(tensors: Mapping[str, Any], allow_nonfinite: bool) -> dict[str, Any]:
    xp = backends.get(None).namespace
    if len(tensors) > MAX_TENSORS:
        raise CheckpointError(f"there are {len(tensors)} tensors, and at most {MAX_TENSORS} are written")
    for name, x in tensors.items():
        if not isinstance(name, str):
            raise CheckpointError(f"a tensor's name is a string; got {name!r}")
        check_name(name)
        if not isinstance(x, xp.ndarray):
            raise CheckpointError(f"tensor {name!r} is a {type(x).__name__}: convert it to a NumPy array")
        if x.dtype.name not in _CODES:
            raise CheckpointError(
                f"tensor {name!r} is {x.dtype}, which the format lacks: one of {', '.join(_CODES)} is"
            )
        if not allow_nonfinite:
            _check_finite(name, x)
    return dict(tensors)


def _check_finite(name: str, x: Any) -> None:
    xp = backends.get(None).namespace
    if xp.isdtype(x.dtype, ("real floating", "complex floating")) and not xp.all(xp.isfinite(x)):
        raise CheckpointError(
            f"tensor {name!r} has NaN or infinite values: pass allow_nonfinite=True if they are meant"
        )


def _bytes_of(x: Any) -> Any:
    """Return the bytes of an array of any layout, in C order and little-endian: a view where it is so already."""
    return x.astype(x.dtype.newbyteorder("<"), order="C", copy=False).reshape(-1).view("u1")


def _digest(header: Header, blobs: Sequence[Any]) -> str:
    """Return the SHA-256 of the header (without this digest) and the payload."""
    digest = hashlib.sha256(header.text().encode("ascii"))
    for blob in blobs:
        digest.update(blob)
    return digest.hexdigest()


def _write_whole(where: str, parts: Sequence[Any]) -> None:
    if os.path.lexists(where) and not os.path.isfile(where):
        raise CheckpointError("a folder, a device or a dangling link stands here: choose another path, or remove it")
    # A link stays one: the file that it leads to is replaced.
    where = os.path.realpath(where)
    folder = os.path.dirname(where)
    # Beside its place, for a rename is whole only within one file system.
    temporary = os.path.join(folder, f".tl_arrayapi-{os.urandom(8).hex()}.tmp")
    try:
        digest = hashlib.sha256()
        with open(temporary, "xb") as file:
            for part in parts:
                file.write(part)
                digest.update(part)
            file.flush()
            os.fsync(file.fileno())
        if _file_digest(temporary) != digest.digest():
            raise CheckpointError("what was read back is not what was written: the disk may be failing")
        if os.path.exists(where):
            os.chmod(temporary, stat.S_IMODE(os.stat(where).st_mode))
        os.replace(temporary, where)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    _sync_folder(folder)


def _file_digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _sync_folder(folder: str) -> None:
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- reading
@contextlib.contextmanager
def _opened(where: str) -> Iterator[BinaryIO]:
    # Opening a FIFO would wait for a writer for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(where, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CheckpointError("not a regular file: give the path of a checkpoint")
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def _read_header(file: BinaryIO) -> Header:
    size = os.fstat(file.fileno()).st_size
    start = file.read(8)
    seems = kind_of_file(start)
    advice = f"not a safetensors file{seems}: give a checkpoint that this package saved"
    if len(start) < 8:
        raise CheckpointError(f"the file has {size} bytes, and the format begins with 8: {advice}")
    length = int.from_bytes(start, "little")
    if length > MAX_HEADER or length > size - 8:
        limit = min(MAX_HEADER, size - 8)
        raise CheckpointError(f"the header is said to have {length} bytes, and {limit} are possible: {advice}")
    try:
        return decode(file.read(length), size - 8 - length)
    except CheckpointError as error:
        raise CheckpointError(f"{error}: {advice}" if seems else str(error)) from error.__cause__


def _read(file: BinaryIO, entry: Entry) -> bytearray:
    size = entry.end - entry.start
    try:
        blob = bytearray(size)
    except MemoryError as error:
        raise CheckpointError(f"tensor {entry.name!r} has {size} bytes, which memory cannot hold") from error
    read = file.readinto(blob)  # type: ignore[attr-defined]
    if read != size:
        raise CheckpointError(f"tensor {entry.name!r} was cut short while it was read: {read} of {size} bytes")
    return blob


def _array(entry: Entry, blob: bytearray, allow_nonfinite: bool) -> Any:
    xp = backends.get(None).namespace
    name, _ = DTYPES[entry.code]
    if entry.code == "BOOL" and not set(blob) <= {0, 1}:
        raise CheckpointError(f"tensor {entry.name!r} is BOOL and has bytes other than 0 and 1")
    dtype = xp.dtype(name)
    x = xp.frombuffer(blob, dtype=dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(entry.shape)
    if not allow_nonfinite:
        _check_finite(entry.name, x)
    return x


def _checked_metadata(header: Header, blobs: Sequence[Any]) -> dict[str, str]:
    """Return the user's part of the metadata, once this package's own part is found to be right."""
    own = {key: value for key, value in header.metadata.items() if key.startswith(PREFIX)}
    users = {key: value for key, value in header.metadata.items() if key not in own}
    if not own:
        return users
    if own.get(_SCHEMA) != _VERSION:
        raise CheckpointError(
            f"the schema version is {own.get(_SCHEMA)!r}, and {_VERSION!r} is read here: "
            "take the version of this package that wrote the file"
        )
    unknown = sorted(own.keys() - {_SCHEMA, _DIGEST})
    if unknown:
        raise CheckpointError(f"the metadata has {unknown}, which this package does not write")
    plain = Header(header.entries, {k: v for k, v in header.metadata.items() if k != _DIGEST})
    if own.get(_DIGEST) != _digest(plain, blobs):
        raise CheckpointError("the digest does not match: the file was changed or damaged after it was written")
    return users
