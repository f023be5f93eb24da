"""What a safetensors file truthfully says: a second reader, small enough to be believed, that shares nothing with the
package. It raises AssertionError for a file that should have been refused.
"""

import hashlib
import json
from typing import Any

import numpy as np

DTYPES = {"BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "U32": "<u4", "I32": "<i4"}
DTYPES |= {"F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8", "C64": "<c8"}
OWN = "tl_arrayapi."
DIGEST = OWN + "sha256"


def read(raw: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a file's tensors and all of its metadata."""
    length = int.from_bytes(raw[:8], "little")
    assert 8 + length <= len(raw)
    assert length <= 100_000_000
    assert raw[8:9] == b"{"
    header = json.loads(raw[8 : 8 + length].decode(), object_pairs_hook=distinct, parse_constant=refuse)
    payload = raw[8 + length :]
    metadata = header.pop("__metadata__", {})
    assert all(type(value) is str for value in metadata.values())
    tensors, ranges = {}, []
    for name, fields in header.items():
        assert 0 < len(name) <= 1024
        assert name.isprintable()
        assert "\\" not in name
        assert not {"", ".", ".."} & set(name.split("/"))
        assert sorted(fields) == ["data_offsets", "dtype", "shape"]
        shape, (start, end) = fields["shape"], fields["data_offsets"]
        assert all(type(n) is int and n >= 0 for n in [*shape, start, end])
        assert len(shape) <= 64
        x = np.frombuffer(payload[start:end], DTYPES[fields["dtype"]]).reshape(shape)
        assert x.nbytes == end - start
        assert x.dtype != bool or not set(payload[start:end]) - {0, 1}
        tensors[name] = x
        ranges.append((start, end))
    ends = [0, *(end for _, end in sorted(ranges))]
    assert [start for start, _ in sorted(ranges)] == ends[:-1]
    assert ends[-1] == len(payload)
    if any(key.startswith(OWN) for key in metadata):
        assert metadata[DIGEST] == digest(header, metadata, payload)
    return tensors, metadata


def read_index(files: dict[str, bytes], index: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors and the texts in the metadata of an index of files in one folder."""
    said = json.loads(files[index].decode(), object_pairs_hook=distinct, parse_constant=refuse)
    assert {"weight_map"} <= said.keys() <= {"weight_map", "metadata"}
    found = {name: read(files[name])[0] for name in dict.fromkeys(said["weight_map"].values())}
    assert sum(map(len, found.values())) == len(said["weight_map"])
    metadata = said.get("metadata", {})
    assert all(type(value) is str for key, value in metadata.items() if key.startswith(OWN))
    if any(key.startswith(OWN) for key in metadata):
        assert metadata[DIGEST] == index_digest(said, files)
    texts = {key: value for key, value in metadata.items() if type(value) is str and key != "total_size"}
    return {name: found[file][name] for name, file in said["weight_map"].items()}, texts


def digest(header: dict[str, Any], metadata: dict[str, str], payload: bytes) -> str:
    """Return the digest of what a file says: its header as compact JSON without the digest, and its payload; of that,
    in version 2, the digests of pieces of a mebibyte, which begin anew with every tensor.
    """
    said = {"__metadata__": {key: value for key, value in metadata.items() if key != DIGEST}}
    for name, fields in header.items():
        said[name] = {key: fields[key] for key in ("dtype", "shape", "data_offsets")}
    text = json.dumps(said, separators=(",", ":")).encode()
    if metadata[OWN + "schema"] == "1":
        return hashlib.sha256(text + payload).hexdigest()
    assert metadata[OWN + "schema"] == "2"
    for start, end in sorted(fields["data_offsets"] for fields in header.values()):
        pieces = [payload[at : min(at + 2**20, end)] for at in range(max(start, 0), min(end, len(payload)), 2**20)]
        text += b"".join(hashlib.sha256(piece).digest() for piece in pieces)
    return hashlib.sha256(text).hexdigest()


def index_digest(said: dict[str, Any], files: dict[str, bytes]) -> str:
    """Return the digest of an index: its text without one, and the digests that its files carry."""
    metadata = {key: value for key, value in said["metadata"].items() if key != DIGEST and type(value) is str}
    total = said["metadata"].get("total_size", 0)
    total = int(total) if type(total) is not str and np.isfinite(total) else 0
    canonical = {"metadata": {"total_size": total, **metadata}, "weight_map": said["weight_map"]}
    text = json.dumps(canonical, indent=2) + "\n"
    for name in dict.fromkeys(said["weight_map"].values()):
        header = files[name][8 : 8 + int.from_bytes(files[name][:8], "little")]
        text += json.loads(header)["__metadata__"][DIGEST]
    return hashlib.sha256(text.encode()).hexdigest()


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object none of whose keys is there twice."""
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def refuse(word: str) -> Any:
    """Fail, for what no JSON number is."""
    raise AssertionError(word)
