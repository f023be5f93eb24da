"""Dask arrays in slabs: in row-major order, of bounded size, and each chunk computed once where that is possible."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
slabs = pytest.importorskip("tl_arrayapi.backends.dask.slabs").slabs


@st.composite
def arrays(draw):
    shape = tuple(draw(st.lists(st.integers(0, 7), max_size=3)))
    values = np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)
    return values, da.from_array(values, chunks=tuple(draw(st.integers(1, max(n, 1))) for n in shape))


@given(arrays(), st.integers(4, 400))
@settings(max_examples=30)
def test_slabs_follow_one_another_and_are_of_bounded_size(array, most):
    values, chunked = array
    with dask.config.set(scheduler="synchronous"):
        parts = [part.compute() for part in slabs(chunked, most)]
    assert all(part.nbytes <= most for part in parts)
    assert np.array_equal(np.concatenate([np.ravel(part) for part in parts]), values.ravel())


def test_whole_chunks_are_taken_where_they_fit():
    array = da.zeros((10, 4), chunks=((2, 3, 1, 4), 4), dtype="float32")
    assert [part.shape[0] for part in slabs(array, most=16 * 5)] == [5, 5]
    assert [part.shape[0] for part in slabs(array, most=16 * 4)] == [2, 4, 4]
    assert [part.shape[0] for part in slabs(array, most=16 * 3)] == [2, 3, 1, 3, 1]


def test_each_chunk_is_computed_once_where_chunks_are_whole_rows():
    computed = []

    def block(block_info):
        computed.append(block_info[None]["chunk-location"])
        return np.zeros(block_info[None]["chunk-shape"])

    array = da.map_blocks(block, chunks=((2, 2, 2, 1), (5,)), dtype="float64", meta=np.empty((0, 0)))
    with dask.config.set(scheduler="synchronous"):
        for part in slabs(array, most=2 * 5 * 8 + 1):
            part.compute()
    assert computed == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_nothing_is_computed_before_it_is_asked_for():
    def block():
        raise AssertionError("computed")

    array = da.map_blocks(block, chunks=((2, 2),), dtype="float64", meta=np.empty((0,)))
    assert next(slabs(array, most=16)).shape == (2,)
