"""Checkpoints in several files for fuzzing: sound ones to begin with, and what is made of them."""

import json
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import tl_arrayapi as tl
from tests.hostile import truth
from tests.hostile.mutation import Mutator, parsed, written
from tests.hostile.safetensors_files import joined, lie, module, signed, split

INDEX = "input"

Folder = dict[str, bytes]


@cache
def sound_folders() -> tuple[Folder, ...]:
    """Return checkpoints of `module` in one file for each tensor and in three, and one that another program wrote."""
    made, adam = module(), tl.optim.adam()
    state = made.step_with(adam, made.init_optim(adam), (np.ones(2, np.float32),))
    found = []
    for size in (1, 30):
        with TemporaryDirectory() as folder:
            made.save(f"{folder}/{INDEX}", state, 1, shard_size=size)
            found.append({entry.name: Path(entry.path).read_bytes() for entry in os.scandir(folder)})
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    shards = {f"model-{i}.safetensors": joined(json.dumps({f"w{i}": entry}).encode(), b"\0" * 8) for i in (1, 2)}
    weight_map = {"w1": "model-1.safetensors", "w2": "model-2.safetensors"}
    index = {"metadata": {"total_size": 16}, "weight_map": weight_map}
    found.append({INDEX: json.dumps(index).encode(), **shards})
    return tuple(found)


def mutated(seed: int) -> Folder:
    """Return the hostile folder of a seed: its index is the file `INDEX`."""
    m = Mutator(f"sharded {seed}")
    files = dict(m.one(sound_folders()))
    kind = m.random.random()
    index = files[INDEX]
    if kind < 0.1:
        files[INDEX] = m.bytes(index, m.one(list(files.values())))
        return files
    document = parsed(index)
    if kind < 0.6:
        document = m.document(document, parsed(m.one(sound_folders())[INDEX]))
    else:
        _change_files(m, files)
    text = written(document, m.one((",", ",\n")), m.one((":", ": ")))
    files[INDEX] = (_signed(text, files) if m.chance(0.8) else text).encode("utf-8", "surrogatepass")
    return files


def _change_files(m: Mutator, files: Folder) -> None:
    shards = [name for name in files if name != INDEX]
    one, other = m.one(shards), m.one(shards)
    kind = m.random.random()
    if kind < 0.1:
        del files[one]
    elif kind < 0.25:
        files[one], files[other] = files[other], files[one]
    elif kind < 0.35:
        files[one] = files[other]
    elif kind < 0.5:
        files[one] = m.bytes(files[one], files[other])
    else:
        header, payload = split(files[one])
        document = parsed(header)
        if m.chance(0.5):
            lie(m, document)
        else:
            document = m.document(document, parsed(split(files[other])[0]))
        text = written(document)
        text = signed(text, payload) if m.chance(0.8) else text
        files[one] = joined(text.encode("utf-8", "surrogatepass"), payload)


def _signed(text: str, files: Folder) -> str:
    """Return an index with the digest that belongs to it, where it has one and makes sense."""
    try:
        said = json.loads(text)
        return text.replace(said["metadata"][truth.DIGEST], truth.index_digest(said, files))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return text
