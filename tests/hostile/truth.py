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
        assert metadata[OWN + "schema"] == "1"
        assert metadata[OWN + "sha256"] == digest(header, metadata, payload)
    return tensors, metadata


def digest(header: dict[str, Any], metadata: dict[str, str], payload: bytes) -> str:
    """Return the digest of what a file says: its header as compact JSON without the digest, and its payload."""
    said = {"__metadata__": {key: value for key, value in metadata.items() if key != OWN + "sha256"}}
    for name, fields in header.items():
        said[name] = {key: fields[key] for key in ("dtype", "shape", "data_offsets")}
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode() + payload).hexdigest()


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object none of whose keys is there twice."""
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def refuse(word: str) -> Any:
    """Fail, for what no JSON number is."""
    raise AssertionError(word)
