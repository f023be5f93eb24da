"""Write and read checkpoints: whole or not at all, and nothing of a file is believed before it is checked.

What is written is flushed to the disk, read back, checked, and only then renamed. A checkpoint is one safetensors file,
or an index and several of them, its shards; either is at one path, and replaced by one rename. Arrays are NumPy's.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.init.messages import place
from tl_arrayapi.storage.header import MAX_TENSORS, PREFIX, nbytes
from tl_arrayapi.storage.index import MAX_SHARDS, Index, decode_index
from tl_arrayapi.storage.pieces import working
from tl_arrayapi.storage.places import Draft, replacing
from tl_arrayapi.storage.reading import Checkpoint, opened
from tl_arrayapi.storage.tensors import Tensor, of_array
from tl_arrayapi.storage.writing import DIGEST, REPLACES, SCHEMA, VERSION, index_digest, write

__all__ = ["load", "open_checkpoint", "save", "save_tensors"]

_Path = str | os.PathLike[str]


def save(
    path: _Path,
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    *,
    shard_size: int | None = None,
    allow_nonfinite: bool = False,
) -> None:
    """Write NumPy arrays, by name, and strings to a safetensors file; an older file at ``path`` stays until this one
    is whole.

    With ``shard_size``, bytes, the tensors go to files of that size, beside ``path``, which becomes their index; a
    tensor larger than that has a file of its own. The file carries a SHA-256 of all it says. Raises CheckpointError for
    names, dtypes and values that `load` would not take back (NaN and infinities unless ``allow_nonfinite``), and where
    the disk fails; then ``path`` is as it was.

    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/w.safetensors", {"w": np.eye(2)}, {"step": "3"})
    ...     load(f"{folder}/w.safetensors")
    ({'w': array([[1., 0.],
           [0., 1.]])}, {'step': '3'})
    """
    with _at(_text(path)):
        described = {name: of_array(name, x) for name, x in tensors.items()}
    save_tensors(path, described, metadata or {}, shard_size=shard_size, allow_nonfinite=allow_nonfinite)


def save_tensors(
    path: _Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    *,
    shard_size: int | None = None,
    allow_nonfinite: bool = False,
) -> None:
    """Write tensors that give their values block by block, as `save` does arrays.

    >>> import numpy as np, tempfile
    >>> halves = Tensor("F32", (4,), lambda: iter([np.zeros(2, "float32"), np.ones(2, "float32")]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_tensors(f"{folder}/w", {"w": halves}, {})
    ...     load(f"{folder}/w")[0]
    {'w': array([0., 0., 1., 1.], dtype=float32)}
    """
    where = _text(path)
    with _at(where):
        _check_metadata(metadata)
        shards = _shards(tensors, shard_size)
        # A link stays one: the file that it leads to is replaced.
        place = os.path.realpath(where) if os.path.exists(where) else os.path.abspath(where)
        with replacing(place) as draft, working() as threads:
            if old := draft.own(_belongings(place)):
                metadata = {**metadata, REPLACES: "/".join(old)}
            if shard_size is None:
                write(draft.descriptor, tensors, metadata, threads, allow_nonfinite=allow_nonfinite)
            else:
                _write_shards(draft, shards, metadata, threads, allow_nonfinite)
            with opened(draft.path):
                pass  # what a reader will refuse is not published
            draft.publish(place, lambda: _belongings(place))


def load(path: _Path, *, allow_nonfinite: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors of a checkpoint, of one file or of several, as NumPy arrays by name, and its metadata.

    The headers are checked in full before the payload is read. Raises CheckpointError where a file cannot be read, is
    not in the format, was changed after it was written, or holds NaN or infinities (unless ``allow_nonfinite``).
    Nothing in a file is ever executed. Files of other writers are taken, too; they have no digest to check.

    >>> load("no such file")
    Traceback (most recent call last):
    tl_arrayapi.errors.CheckpointError: no such file: No such file or directory
    """
    with open_checkpoint(path) as checkpoint:
        for name, entry in checkpoint.entries.items():
            if entry.code == "BF16":
                raise CheckpointError(f"tensor {name!r} has dtype 'BF16': NumPy does not have it: convert the file")
        found = dict(checkpoint.tensors(checkpoint.entries, allow_nonfinite=allow_nonfinite))
        return {name: found[name] for name in checkpoint.entries}, checkpoint.metadata


@contextmanager
def open_checkpoint(path: _Path) -> Iterator[Checkpoint]:
    """Open a checkpoint, of one file or of several, once all that its headers say is found to be right.

    >>> with open_checkpoint("no such file") as checkpoint:
    ...     pass
    Traceback (most recent call last):
    tl_arrayapi.errors.CheckpointError: no such file: No such file or directory
    """
    where = _text(path)
    with _at(where), opened(where) as checkpoint:
        yield checkpoint


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Put the path before every message, and let nothing but CheckpointError out for what the disk or a file does."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{place(where)}: {error}") from error.__cause__
    except OSError as error:
        raise CheckpointError(f"{place(where)}: {error.strerror or error}") from error


def _text(path: _Path) -> str:
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise CheckpointError(f"a path is expected; got {type(path).__name__}") from None
    if not text or "\0" in text:
        raise CheckpointError(f"a path is expected; got {text!r}")
    return text


def _check_metadata(metadata: Mapping[Any, Any]) -> None:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise CheckpointError(f"metadata maps strings to strings; got {key!r}: {type(value).__name__}")
        if key.startswith(PREFIX) or key == "total_size":
            raise CheckpointError(f"metadata {key!r} is a reserved name, as all with {PREFIX!r} are: name it otherwise")
        if not _encodable(key) or not _encodable(value):
            raise CheckpointError(f"metadata {key!r} has half of a surrogate pair, which UTF-8 cannot hold")


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _shards(tensors: Mapping[str, Tensor], size: int | None) -> list[dict[str, Tensor]]:
    """Share out the tensors, in their order, over files of ``size`` bytes; a larger tensor has one of its own."""
    if size is not None and (type(size) is not int or size < 1):
        raise CheckpointError(f"shard_size is a number of bytes, 1 or more, or None for one file; got {size!r}")
    if len(tensors) > MAX_TENSORS:
        raise CheckpointError(f"there are {len(tensors)} tensors, and at most {MAX_TENSORS} are written")
    for name in tensors:
        if not isinstance(name, str):
            raise CheckpointError(f"a tensor's name is a string; got {name!r}")
    shards: list[dict[str, Tensor]] = []
    held = 0
    for name, tensor in tensors.items():
        length = nbytes(tensor.code, tensor.shape)
        if not shards or (size is not None and held + length > size):
            shards.append({})
            held = 0
        shards[-1][name] = tensor
        held += length
    if len(shards) > MAX_SHARDS:
        raise CheckpointError(f"a shard_size of {size} makes {len(shards)} files, and at most {MAX_SHARDS} are read")
    return shards


def _write_shards(
    draft: Draft,
    shards: list[dict[str, Tensor]],
    metadata: Mapping[str, str],
    threads: ThreadPoolExecutor,
    allow_nonfinite: bool,
) -> None:
    weight_map, digests, total = {}, [], 0
    for i, tensors in enumerate(shards):
        name = draft.shard(i, len(shards))
        descriptor = draft.create(os.path.join(draft.folder, name))
        try:
            digests.append(write(descriptor, tensors, {}, threads, allow_nonfinite=allow_nonfinite))
        finally:
            os.close(descriptor)
        weight_map.update(dict.fromkeys(tensors, name))
        total += sum(nbytes(t.code, t.shape) for t in tensors.values())
    plain = Index(weight_map, {**metadata, SCHEMA: VERSION}, total)
    signed = Index(weight_map, {**plain.metadata, DIGEST: index_digest(plain, digests)}, total)
    text = signed.text().encode("ascii")
    decode_index(text)
    with open(draft.descriptor, "wb", closefd=False) as file:
        file.write(text)
        file.flush()
        os.fsync(draft.descriptor)


def _belongings(where: str) -> list[str]:
    """Return the names of the shards that belong to what this package wrote at ``where``."""
    try:
        with opened(where) as checkpoint:
            return checkpoint.files if checkpoint.own else []
    except (CheckpointError, OSError):
        return []  # nothing is there, or nothing of ours
