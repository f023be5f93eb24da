"""Safetensors files for fuzzing: sound ones to begin with, and what is made of them."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import tl_arrayapi as tl
from tests.hostile import truth
from tests.hostile.mutation import Members, Mutator, Pair, parsed, written
from tl_arrayapi import storage


def joined(header: bytes, payload: bytes, length: int | None = None) -> bytes:
    """Return a file of a header and a payload; ``length`` is what it says of the header's."""
    return (len(header) if length is None else length).to_bytes(8, "little") + header + payload


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Return header and payload of a sound file."""
    end = 8 + int.from_bytes(raw[:8], "little")
    return raw[8:end], raw[end:]


def module() -> tl.ScalarModule:
    """Return a module of two parameters."""

    def loss(w, b, x):
        return tl.array_namespace(w, b, x).sum((w @ x + b) ** 2)

    definition = tl.ScalarModuleDef(loss, init_params=[[[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0]], param_names=["w", "b"])
    return definition.instantiate()


@cache
def checkpoint() -> bytes:
    """Return a checkpoint of `module`, after a step of Adam."""
    made, adam = module(), tl.optim.adam()
    with TemporaryDirectory() as folder:
        state = made.step_with(adam, made.init_optim(adam), (np.ones(2, np.float32),))
        made.save(f"{folder}/m", state, 1)
        return Path(folder, "m").read_bytes()


@cache
def sound_files() -> tuple[bytes, ...]:
    """Return files of this package and of other writers: every dtype, scalars, nothing at all."""
    kinds = [np.dtype(dtype) for dtype in truth.DTYPES.values()]
    many = {f"a/{kind.name}": np.arange(1, 4).astype(kind).reshape(1, 3) for kind in kinds}
    plain = {"w": np.arange(4.0, dtype="float32").reshape(2, 2), "b": np.asarray(True), "empty": np.zeros((0, 3))}
    files = [checkpoint()]
    with TemporaryDirectory() as folder:
        for tensors, metadata in ((many, {}), (plain, {"step": "3", "ü": "\n"}), ({}, {}), ({"x": np.ones(3)}, {})):
            storage.save(f"{folder}/m", tensors, metadata)
            files.append(Path(folder, "m").read_bytes())
            files.append(_of_version_1(files[-1]))
            Path(folder, "m").unlink()
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    other = {"__metadata__": {"format": "pt"}, "w": entry, "v": entry | {"data_offsets": [8, 16]}}
    files.append(joined(json.dumps(other).encode(), b"\0" * 16))
    files.append(joined(b"{}", b""))
    return tuple(files)


def _of_version_1(raw: bytes) -> bytes:
    header, payload = split(raw)
    text = header.decode().replace(f'"{truth.OWN}schema":"2"', f'"{truth.OWN}schema":"1"')
    return joined(signed(text, payload).encode(), payload)


def mutated(seed: int) -> bytes:
    """Return the hostile file of a seed: a part of a sound one is changed, and the rest often made to fit it."""
    m = Mutator(f"safetensors {seed}")
    raw, other = m.one(sound_files()), m.one(sound_files())
    header, payload = split(raw)
    other_header, other_payload = split(other)
    kind = m.random.random()
    if kind < 0.15:
        return m.bytes(raw, other)
    if kind < 0.25:
        return joined(m.bytes(header, other_header), payload)
    if kind < 0.35:
        return joined(header, payload, _length(m, len(header), len(payload)))
    if kind < 0.40:
        return joined(m.one((header, other_header)), m.one((payload, other_payload)))
    document = parsed(header)
    if kind < 0.50:
        payload = m.bytes(payload, other_payload)
    elif kind < 0.65:
        lie(m, document)
    else:
        document = m.document(document, parsed(other_header))
    text = written(document, m.one((",", " , ", ",\n")), m.one((":", ": ")))
    return joined((signed(text, payload) if m.chance(0.7) else text).encode("utf-8", "surrogatepass"), payload)


def reformatted(seed: int) -> bytes:
    """Return a file that says what a sound one says, otherwise written."""
    m = Mutator(f"reformatted {seed}")
    header, payload = split(m.one(sound_files()))
    document = parsed(header)
    for _, fields in document:
        if isinstance(fields, Members):
            m.random.shuffle(fields)
    if m.chance(0.5):
        m.random.shuffle(document)
    text = written(document, m.one((",", " , ", ",\n\t")), m.one((":", ": ", "\r\n:")))
    return joined((signed(text, payload) + " " * m.random.randrange(9)).encode(), payload)


def lie(m: Mutator, document: Members) -> None:
    """Change what a header says of one tensor into something of the same form."""
    described = [pair for pair in document if pair[0] != "__metadata__"]
    if not described:
        return
    tensor, other = m.one(described), m.one(described)
    fields, others = dict(tensor[1]), dict(other[1])
    start, end = fields["data_offsets"]
    shape = fields["shape"]
    by = m.one((-8, -4, -1, 1, 4, 8, 2**31, 2**63))
    lies = [
        {"data_offsets": [start + by, end + by]},
        {"data_offsets": [end, start]},
        {"data_offsets": others["data_offsets"]},
        {"data_offsets": [start, end + by], "shape": [end + by - start], "dtype": "U8"},
        {"dtype": m.one(list(truth.DTYPES))},
        {"dtype": "U8", "shape": [end - start]},
        {"dtype": "BOOL", "shape": [end - start]},
        {"shape": shape[::-1]},
        {"shape": [1, *shape, 1]},
        {"shape": shape + [1] * m.one((60, 64, 65))},
        {"shape": [*shape, m.one((0, 2**31, 2**62, 2**63 - 1, 2**64)), 0], "data_offsets": [start, start]},
        {"shape": [m.one((2, 4)) * 2 ** m.one((31, 60, 61, 62)), *shape]},
    ]
    tensor[1] = Members(Pair(item) for item in (fields | m.one(lies)).items())
    if m.chance(0.1):
        document.append(Pair([m.one(("again", "w", "../w")), tensor[1]]))
    if m.chance(0.1):
        document.remove(other)


def signed(text: str, payload: bytes) -> str:
    """Return a header with the digest that belongs to it, where it has one and makes sense."""
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__")
        return text.replace(metadata[truth.DIGEST], truth.digest(header, metadata, payload))
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError):
        return text


def _length(m: Mutator, header: int, payload: int) -> int:
    length = m.one((0, 1, header - 1, header + 1, header + payload, 100_000_000, 100_000_001, 2**63, 2**64 - 1))
    return length if m.chance(0.8) else m.random.getrandbits(64)


def mutated_checkpoint(seed: int) -> bytes:
    """Return a hostile checkpoint of `module`: its digest is right more often than not, and what it says is not."""
    m = Mutator(f"module {seed}")
    header, payload = split(checkpoint())
    document = parsed(header)
    notes = dict(document)["__metadata__"]
    kind = m.random.random()
    if kind < 0.4:
        document = m.document(document, parsed(header))
    elif kind < 0.7:
        m.document(notes, document)
    else:
        state = next(pair for pair in notes if pair[0] == "optimizer")
        state[1] = written(m.document(parsed(state[1]), notes))
    text = written(document)
    return joined((signed(text, payload) if m.chance(0.9) else text).encode("utf-8", "surrogatepass"), payload)
