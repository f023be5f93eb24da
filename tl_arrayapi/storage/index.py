"""The index of a checkpoint in several files, its shards: which tensor is in which, as Hugging Face writes it.

It is a JSON object with ``weight_map``, from the name of a tensor to the name of a file in the same folder, and
``metadata``, with ``total_size`` and, from this package, what a single file has in its header. Nothing here opens a
file.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage.header import MAX_METADATA, MAX_METADATA_SIZE, MAX_TENSORS, PREFIX, check_name
from tl_arrayapi.storage.scan import Scanner, short

__all__ = ["MAX_INDEX", "MAX_SHARDS", "Index", "decode_index"]

MAX_INDEX = 100_000_000
# All are open at once, and a process may often open 1,024 files.
MAX_SHARDS = 512
_TOTAL = "total_size"


@dataclass(frozen=True)
class Index:
    """Hold what an index says: the file of each tensor, in its order, and the metadata that are texts.

    >>> Index({"w": "m-1.safetensors"}, {"step": "3"}, 8).files
    ('m-1.safetensors',)
    """

    weight_map: Mapping[str, str]
    metadata: Mapping[str, str]
    total_size: int

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the shards, in the order in which they are first named."""
        return tuple(dict.fromkeys(self.weight_map.values()))

    def text(self) -> str:
        """Return the index as JSON, in ASCII: equal ones give equal texts."""
        metadata = {_TOTAL: self.total_size, **self.metadata}
        return json.dumps({"metadata": metadata, "weight_map": dict(self.weight_map)}, indent=2) + "\n"


def decode_index(raw: bytes | bytearray) -> Index:
    """Return what the text of an index says, or raise CheckpointError where anything is wrong.

    >>> decode_index(b'{"weight_map": {"w": "../m.safetensors"}}')
    Traceback (most recent call last):
    tl_arrayapi.errors.CheckpointError: the index names the file '../m.safetensors': one in its own folder is expected
    """
    scanner = Scanner(raw, "index")
    weight_map: dict[str, str] | None = None
    metadata: dict[str, Any] = {}
    for key in scanner.members(2, "keys"):
        if key == "weight_map":
            weight_map = _weight_map(scanner)
        elif key == "metadata":
            metadata = _metadata(scanner)
        else:
            raise CheckpointError(f"the index has the key {short(key)}: weight_map and metadata are expected")
    scanner.end()
    if weight_map is None:
        raise CheckpointError("the index has no weight_map, which says in which file each tensor is")
    total = metadata.pop(_TOTAL, 0)
    texts = {key: value for key, value in metadata.items() if isinstance(value, str)}
    # What is no text is nothing that this package wrote, and a digest must not be dropped for being a number.
    if number := next((key for key in metadata if key.startswith(PREFIX) and key not in texts), None):
        raise CheckpointError(f"the metadata of the index have {short(number)}, which is not a string")
    counts = isinstance(total, int | float) and math.isfinite(total)
    index = Index(weight_map, texts, int(total) if counts else 0)
    if len(index.files) > MAX_SHARDS:
        raise CheckpointError(f"the index names {len(index.files)} files, and at most {MAX_SHARDS} are read")
    return index


def _weight_map(scanner: Scanner) -> dict[str, str]:
    found: dict[str, str] = {}
    shared: dict[str, str] = {}
    for name in scanner.members(MAX_TENSORS, "tensors"):
        check_name(name)
        file = scanner.string()
        if file not in shared:
            _check_file_name(file)
        found[name] = shared.setdefault(file, file)
    return found


def _metadata(scanner: Scanner) -> dict[str, Any]:
    found: dict[str, Any] = {}
    size = 0
    for key in scanner.members(MAX_METADATA, "entries of metadata"):
        value = scanner.string(MAX_METADATA_SIZE) if scanner.at_string() else scanner.number()
        found[key] = value
        size += len(value) if isinstance(value, str) else 0
        if size > MAX_METADATA_SIZE:
            raise CheckpointError(f"the metadata of the index have more than {MAX_METADATA_SIZE} characters")
    return found


def _check_file_name(name: str) -> None:
    plain = name.isprintable() and not any(character in name for character in "/\\:")
    if not plain or name in ("", ".", "..") or len(name) > 255:
        raise CheckpointError(f"the index names the file {short(name)}: one in its own folder is expected")
