"""What the tests of storage share: arrays, and files written by hand."""

import json

import numpy as np
import pytest

from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import load
from tl_arrayapi.storage.header import DTYPES

__all__ = ["EIGHT", "NUMPY_DTYPES", "entry", "refused", "same", "sample", "write"]

NUMPY_DTYPES = [name for name, _ in DTYPES.values() if name != "bfloat16"]
EIGHT = b"\0" * 8


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


def same(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


def sample(dtype, shape=(2, 3)):
    return np.asarray(np.random.default_rng(0).integers(0, 2, shape)).astype(dtype)


def write(path, header, payload=b""):
    """Write a file by hand: ``header`` is an object, text or bytes."""
    if not isinstance(header, bytes):
        header = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + payload)


def refused(path, match, **keywords):
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(CheckpointError, match=match) as caught:
        load(path, **keywords)
    assert str(caught.value).startswith(f"{path}: ")
    assert before is None or path.read_bytes() == before
