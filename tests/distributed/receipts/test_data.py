"""The data digest: the sum of what a few lines of Python hash, whatever holds the samples."""

import hashlib
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.distributed.problems import arrays, samples
from tl_arrayapi import backends
from tl_arrayapi.distributed.receipts.data import MODULUS, data_digest
from tl_arrayapi.distributed.samples.chunk import Chunk, stack
from tl_arrayapi.distributed.samples.packed import Packed

COUNT = 23


def chunk_of(columns, weights=None, dtypes=None):
    names = dtypes or [x.dtype.name for x in columns]
    packed = tuple(Packed(x, name) for x, name in zip(columns, names, strict=True))
    return Chunk("these", 0, range(len(columns[0])), weights, True, packed)


def written_out(columns, weights=None, names=None):
    """The digest as the module's docstring has it."""
    total = 0
    for i in range(len(columns[0])):
        text = b""
        for k, column in enumerate(columns):
            x = column[i]
            name = (names or [c.dtype.name for c in columns])[k].encode()
            text += struct.pack("<Q", len(name)) + name + struct.pack(f"<Q{x.ndim}Q", x.ndim, *x.shape)
            text += x.astype(x.dtype.newbyteorder("<")).tobytes()
        text += struct.pack("<d", 1.0 if weights is None else weights[i])
        total += int.from_bytes(hashlib.blake2b(text).digest(), "little")
    return total % 2**512


def test_the_digest_is_the_one_that_is_written_down():
    columns = arrays(COUNT)
    weights = np.linspace(1, 2, COUNT)
    assert data_digest(chunk_of(columns)) == written_out(columns)
    assert data_digest(chunk_of(columns, weights)) == written_out(columns, weights)


@pytest.mark.parametrize(
    "column",
    [
        np.arange(COUNT) % 2 == 0,
        np.arange(COUNT),
        np.arange(COUNT * 6, dtype="int8").reshape(COUNT, 3, 2),
        np.arange(COUNT * 6, dtype="uint16").reshape(3, 2, COUNT).T,
        np.arange(COUNT * 2, dtype=">f4").reshape(COUNT, 2),
        np.arange(COUNT) * (1 + 2j),
        np.zeros((COUNT, 0)),
        np.full(COUNT, np.nan),
    ],
    ids=lambda x: f"{x.dtype.str}{list(x.shape)}",
)
def test_samples_of_every_dtype_and_layout_have_a_digest(column):
    columns = [column, np.ones(COUNT)]
    assert data_digest(chunk_of(columns)) == written_out(columns)


def test_a_bfloat16_is_the_upper_half_of_its_float32():
    x = np.arange(COUNT * 2, dtype="float32").reshape(COUNT, 2)
    halves = (x.view("u4") >> 16).astype("u2")
    assert data_digest(chunk_of([x], dtypes=["bfloat16"])) == written_out([halves], names=["bfloat16"])


@given(st.lists(st.integers(0, COUNT), max_size=5), st.randoms(use_true_random=False))
def test_digests_of_any_parts_add_up_to_that_of_all(cuts, rng):
    rows = rng.sample(range(COUNT), COUNT)
    whole = chunk_of(arrays(COUNT), np.linspace(1, 2, COUNT))
    bounds = sorted({0, COUNT, *cuts})
    parts = [whole.at(rows).rows(i, j) for i, j in pairwise(bounds)]
    assert sum(map(data_digest, parts)) % MODULUS == data_digest(whole)


def test_samples_one_by_one_have_the_digest_of_stacked_ones():
    rows = tuple(tuple(Packed.of(backends.get(None), x) for x in sample) for sample in samples(COUNT))
    weights = np.linspace(1, 2, COUNT)
    ragged = Chunk("these", 0, range(COUNT), weights, False, rows)
    stacked = Chunk("these", 0, range(COUNT), weights, True, stack(rows))
    assert data_digest(ragged) == data_digest(stacked) == written_out(arrays(COUNT), weights)


def test_every_library_has_the_same_digest(xp):
    if not xp.has("float64"):
        pytest.skip("the samples are float64")
    columns = arrays(COUNT)
    packed = tuple(Packed.read(xp.asarray(x), home=xp.name) for x in columns)
    chunk = Chunk("these", 0, range(COUNT), None, True, packed)
    assert data_digest(chunk) == written_out(columns)


@pytest.mark.parametrize(
    "other",
    [
        [np.ones((3, 4))],
        [np.ones((3, 2), "float32")],
        [np.ones((3, 2, 1))],
        [np.ones((3, 1)), np.ones((3, 1))],
        [np.ones((3, 2)), np.ones((3, 0))],
        [np.ones((3, 2)) * (1 + 2**-52)],
    ],
    ids=lambda columns: " ".join(f"{x.dtype}{list(x.shape)}" for x in columns),
)
def test_another_dtype_shape_or_value_is_another_digest(other):
    assert data_digest(chunk_of(other)) != data_digest(chunk_of([np.ones((3, 2))]))


def test_0_and_minus_0_are_two():
    assert data_digest(chunk_of([np.zeros(1)])) != data_digest(chunk_of([-np.zeros(1)]))


def test_large_samples_are_hashed_in_blocks(monkeypatch):
    from tl_arrayapi.distributed.receipts import data

    columns = arrays(COUNT)
    expected = data_digest(chunk_of(columns))
    monkeypatch.setattr(data, "_BLOCK", 1)
    assert data_digest(chunk_of(columns)) == expected


def test_no_samples_have_the_digest_0():
    assert data_digest(chunk_of([np.zeros((0, 3))])) == data_digest(Chunk("none", 0, (), None, True, ())) == 0
