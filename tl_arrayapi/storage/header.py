"""The header of a safetensors file: what it may say, checked in full before any of the payload is read.

A file is eight bytes (the header's length, little-endian), the header (a JSON object that gives each tensor a dtype, a
shape and a range of the payload), and the payload. The format is https://huggingface.co/docs/safetensors; this reader
is stricter than that library, which takes duplicate names, unknown keys, and names like ``../../etc/passwd``. Nothing
here opens a file or knows an array.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage.scan import Scanner, short

__all__ = [
    "DTYPES",
    "MAX_HEADER",
    "MAX_METADATA",
    "MAX_METADATA_SIZE",
    "MAX_TENSORS",
    "PREFIX",
    "Entry",
    "Header",
    "check_name",
    "decode",
    "encode",
    "kind_of_file",
    "layout",
    "nbytes",
]

MAX_HEADER = 100_000_000
MAX_TENSORS = 100_000
MAX_METADATA = 1_000
MAX_METADATA_SIZE = 16_000_000
_MAX_DIMENSIONS = 64
_MAX_NAME = 1024

PREFIX = "tl_arrayapi."
"""What the names of the metadata begin with that belong to this package."""

DTYPES = {
    "BOOL": ("bool", 1),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
    "U16": ("uint16", 2),
    "I16": ("int16", 2),
    "F16": ("float16", 2),
    "U32": ("uint32", 4),
    "I32": ("int32", 4),
    "F32": ("float32", 4),
    "U64": ("uint64", 8),
    "I64": ("int64", 8),
    "F64": ("float64", 8),
    "C64": ("complex64", 8),
    "BF16": ("bfloat16", 2),
}
"""The format's dtypes that array libraries have: the dtype's name, and the bytes of an element."""

_CODES = {code: code for code in DTYPES}
_UNREAD = frozenset({"F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4"})

_FIELDS = {"dtype", "shape", "data_offsets"}

# A part between slashes that is empty, or dots.
_ELSEWHERE = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)")

_KINDS = {
    b"PK\x03\x04": "a zip archive, as torch.save (.pt) and numpy.savez write",
    b"\x93NUMPY": "a .npy file",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
}


class Entry(NamedTuple):
    """Say where in the payload one tensor is, and what it is.

    >>> Entry("w", "F32", (2, 3), 0, 24).name
    'w'
    """

    name: str
    code: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """Hold what a header says: its tensors, in its order, and its metadata.

    >>> Header((), {"made by": "hand"}).text()
    '{"__metadata__":{"made by":"hand"}}'
    """

    entries: tuple[Entry, ...]
    metadata: Mapping[str, str]

    def text(self) -> str:
        """Return the header as compact JSON, in ASCII: equal headers give equal texts."""
        tensors: dict[str, Any] = {"__metadata__": dict(self.metadata)} if self.metadata else {}
        for e in self.entries:
            tensors[e.name] = {"dtype": e.code, "shape": list(e.shape), "data_offsets": [e.start, e.end]}
        return json.dumps(tensors, separators=(",", ":"))


def nbytes(code: str, shape: Sequence[int]) -> int:
    """Return the bytes of a tensor of the format's dtype ``code``.

    >>> nbytes("F32", (2, 3))
    24
    """
    return math.prod(shape) * DTYPES[code][1]


def layout(tensors: Sequence[tuple[str, str, tuple[int, ...]]], metadata: Mapping[str, str]) -> Header:
    """Return the header of tensors given as (name, dtype code, shape), wide elements first in the payload, so that all
    align.

    >>> [(e.name, e.start) for e in layout([("a", "U8", (3,)), ("b", "F64", (2,))], {}).entries]
    [('a', 16), ('b', 0)]
    """
    starts, position = {}, 0
    for name, code, shape in sorted(tensors, key=lambda tensor: -DTYPES[tensor[1]][1]):
        starts[name] = position
        position += nbytes(code, shape)
    entries = (Entry(n, code, shape, starts[n], starts[n] + nbytes(code, shape)) for n, code, shape in tensors)
    return Header(tuple(entries), metadata)


def encode(header: Header) -> bytes:
    """Return the bytes of the file that come before the payload, a multiple of eight of them.

    >>> encode(Header((), {}))[8:]
    b'{}      '
    """
    text = header.text().encode("ascii")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def kind_of_file(start: bytes) -> str:
    """Say what a file that begins with ``start`` seems to be, for a message: "" where nothing is known.

    >>> kind_of_file(b"PK" + bytes([3, 4]))
    '; it looks like a zip archive, as torch.save (.pt) and numpy.savez write, which is never unpacked here'
    """
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            return f"; it looks like {kind}, which is never unpacked here"
    return ""


def check_name(name: str) -> None:
    """Raise CheckpointError unless ``name`` may be the name of a tensor: printable, and no path that leads elsewhere.

    >>> check_name("../w")
    Traceback (most recent call last):
    tl_arrayapi.errors.CheckpointError: tensor name '../w' has an empty part, or one of dots: name it otherwise
    """
    if not name or len(name) > _MAX_NAME:
        raise CheckpointError(f"a tensor's name has {len(name)} characters: from 1 to {_MAX_NAME} are expected")
    if not name.isprintable() or "\\" in name:
        raise CheckpointError(f"tensor name {name!r} has a control character or a backslash: name it otherwise")
    if _ELSEWHERE.search(name):
        raise CheckpointError(f"tensor name {name!r} has an empty part, or one of dots: name it otherwise")
    if name == "__metadata__":
        raise CheckpointError(
            "a tensor cannot be named '__metadata__', which the format uses itself: name it otherwise"
        )


def decode(raw: bytes | bytearray, payload: int) -> Header:
    """Return what the header ``raw`` says of a payload of so many bytes, or raise CheckpointError where anything is
    wrong.

    >>> decode(b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8).entries[0].shape
    (2,)
    """
    if not raw.startswith(b"{"):
        raise CheckpointError("the header is not a JSON object: it does not begin with '{'")
    scanner = Scanner(raw, "header")
    entries: list[Entry] = []
    metadata: dict[str, str] = {}
    for name in scanner.members(MAX_TENSORS + 1, "tensors"):
        if name == "__metadata__":
            metadata = _metadata(scanner)
        else:
            entries.append(_entry(name, scanner))
    scanner.end()
    if len(entries) > MAX_TENSORS:
        raise CheckpointError(f"there are {len(entries)} tensors, and at most {MAX_TENSORS} are read")
    _check_ranges(entries, payload)
    return Header(tuple(entries), metadata)


def _metadata(scanner: Scanner) -> dict[str, str]:
    found: dict[str, str] = {}
    size = 0
    if not scanner.at_object():
        raise CheckpointError("__metadata__ must map names to strings, and is something else")
    for key in scanner.members(MAX_METADATA, "entries of metadata"):
        if not scanner.at_string():
            raise CheckpointError(f"__metadata__ must map names to strings, and {short(key)} is something else")
        found[key] = scanner.string(MAX_METADATA_SIZE)
        size += len(key) + len(found[key])
        if size > MAX_METADATA_SIZE:
            raise CheckpointError(f"__metadata__ has more than {MAX_METADATA_SIZE} characters")
    return found


def _entry(name: str, scanner: Scanner) -> Entry:
    check_name(name)
    if not scanner.at_object():
        raise CheckpointError(f"tensor {name!r} is described by no object: exactly {sorted(_FIELDS)} are expected")
    pairs = scanner.flat()
    fields = dict(pairs)
    if len(pairs) != 3 or fields.keys() != _FIELDS:
        got = [short(key) for key, _ in pairs[:10]]
        raise CheckpointError(f"tensor {name!r} is described by {got}: exactly {sorted(_FIELDS)} are expected, once")
    code = _code(name, fields["dtype"])
    shape = _shape(name, code, fields["shape"])
    start, end = _offsets(name, fields["data_offsets"])
    if end - start != nbytes(code, shape):
        raise CheckpointError(
            f"tensor {name!r} has {end - start} bytes, and {code} of shape {short(shape)} takes {nbytes(code, shape)}"
        )
    return Entry(name, code, shape, start, end)


def _code(name: str, code: Any) -> str:
    if isinstance(code, str) and code in DTYPES:
        return _CODES[code]
    unread = isinstance(code, str) and code in _UNREAD
    advice = "no array library here has it: convert the file" if unread else f"one of {', '.join(DTYPES)} is expected"
    raise CheckpointError(f"tensor {name!r} has dtype {short(code)}: {advice}")


def _shape(name: str, code: str, shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise CheckpointError(
            f"tensor {name!r} has shape {short(shape)}: whole numbers from 0 to 2^63 - 1 are expected"
        )
    if len(shape) > _MAX_DIMENSIONS:
        raise CheckpointError(f"tensor {name!r} has {len(shape)} dimensions: at most {_MAX_DIMENSIONS} are read")
    # A library multiplies the dimensions that are not 0 even where one is.
    if nbytes(code, [n for n in shape if n]) >= 2**63:
        raise CheckpointError(f"tensor {name!r} has shape {short(shape)}: its size overflows 64 bits")
    return tuple(shape)


def _offsets(name: str, offsets: Any) -> tuple[int, int]:
    if not isinstance(offsets, list) or [type(n) for n in offsets] != [int, int]:
        raise CheckpointError(f"tensor {name!r} has data_offsets {short(offsets)}: two whole numbers are expected")
    start, end = offsets
    if not 0 <= start <= end < 2**63:
        raise CheckpointError(
            f"tensor {name!r} has data_offsets {short(offsets)}: 0 <= start <= end < 2^63 is expected"
        )
    return start, end


def _check_ranges(entries: Sequence[Entry], payload: int) -> None:
    position = 0
    for e in sorted(entries, key=lambda e: (e.start, e.end)):
        if e.start != position:
            fault = "overlaps the tensor before it" if e.start < position else "leaves a hole before it"
            raise CheckpointError(
                f"tensor {e.name!r} begins at byte {e.start} of the payload, and {fault}, which ends at {position}"
            )
        position = e.end
    if position != payload:
        fault = "is cut short" if position > payload else "has trailing bytes"
        raise CheckpointError(f"the payload {fault}: it has {payload} bytes, and its tensors need {position}")
