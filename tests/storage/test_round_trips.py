"""What is saved comes back with its bits, here and in the safetensors library."""

import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.common import NUMPY_DTYPES, refused, same, sample
from tl_arrayapi.storage import load, save


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3), (1, 1, 1, 1)])
def test_every_dtype_and_shape_comes_back_with_its_bits(path, dtype, shape):
    x = sample(dtype, shape)
    save(path, {"x": x})
    tensors, metadata = load(path)
    assert same(tensors["x"], x)
    assert metadata == {}
    assert tensors["x"].flags.writeable


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        np.transpose,
        lambda x: x[::-1, ::2],
        lambda x: x.reshape(-1)[::-2],
        lambda x: np.broadcast_to(x[0], (3, 4)),
        lambda x: x.astype(">f8"),
    ],
    ids=["fortran", "transposed", "strided", "backwards", "broadcast", "big-endian"],
)
def test_arrays_of_any_layout_come_back_equal(path, change):
    x = change(np.arange(12.0).reshape(3, 4))
    save(path, {"x": x})
    np.testing.assert_array_equal(load(path)[0]["x"], x)


def test_names_keep_their_order_and_metadata_its_strings(path):
    tensors = {"z": sample("uint8"), "a/b": sample("float64"), "Gewicht ü": sample("float16")}
    metadata = {"": "", "line\nbreak": '"\\ü\0', "k": "v" * 1000}
    save(path, tensors, metadata)
    again, notes = load(path)
    assert list(again) == list(tensors)
    assert notes == metadata


def test_a_file_may_hold_no_tensor(path):
    save(path, {}, {"step": "0"})
    assert load(path) == ({}, {"step": "0"})


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,5}(/[a-z0-9]{1,3})?", fullmatch=True),
        st.tuples(st.sampled_from(NUMPY_DTYPES), st.lists(st.integers(0, 3), max_size=3)),
        max_size=6,
    )
)
def test_any_tensors_come_back(path, kinds):
    tensors = {name: sample(dtype, tuple(shape)) for name, (dtype, shape) in kinds.items()}
    save(path, tensors)
    again, _ = load(path)
    assert list(again) == list(tensors)
    assert all(same(again[name], x) for name, x in tensors.items())


def test_the_safetensors_library_reads_what_is_written(path):
    safetensors = pytest.importorskip("safetensors.numpy")
    tensors = {dtype: np.asfortranarray(sample(dtype)) for dtype in NUMPY_DTYPES if dtype != "complex64"}
    save(path, tensors)
    theirs = safetensors.load_file(path)
    assert all(np.array_equal(theirs[name], x) for name, x in tensors.items())


def test_what_the_safetensors_library_writes_is_read(path):
    safetensors = pytest.importorskip("safetensors.numpy")
    tensors = {dtype: sample(dtype) for dtype in NUMPY_DTYPES if dtype != "complex64"}
    safetensors.save_file(tensors, path, {"format": "np"})
    ours, metadata = load(path)
    assert all(same(ours[name], x) for name, x in tensors.items())
    assert metadata == {"format": "np"}


def test_every_tensor_is_aligned_to_its_elements(path):
    save(path, {dtype: sample(dtype, (3,)) for dtype in NUMPY_DTYPES})
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert length % 8 == 0
    for name, entry in json.loads(raw[8 : 8 + length]).items():
        assert name == "__metadata__" or entry["data_offsets"][0] % np.dtype(name).itemsize == 0


def test_a_system_that_cannot_read_at_a_place_reads_all_the_same(path, monkeypatch):
    monkeypatch.delattr(os, "preadv")
    x = np.random.default_rng(0).normal(size=400_000)
    save(path, {"x": x, "y": x[:3]})
    found, _ = load(path)
    assert same(found["x"], x)
    assert same(found["y"], x[:3])
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    refused(path, "digest does not match")
