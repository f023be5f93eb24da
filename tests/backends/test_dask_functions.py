"""Dask's corrected functions, where chunks are uneven or a matrix is one of many."""

import numpy as np
import pytest

from tl_arrayapi import backends
from tl_arrayapi.errors import ShapeError

da = pytest.importorskip("dask.array")
pytestmark = pytest.mark.parametrize("xp", ["dask"], indirect=True)


@pytest.mark.parametrize(
    "chunks", [-2, (-2, 3), (3, 0), ((5, 0), (7,)), ((6, -1), (7,)), "nonsense", (1, 2, 3)], ids=str
)
def test_chunks_that_do_not_fit_are_refused_before_anything_is_made(xp, chunks):
    with pytest.raises(ShapeError, match="do not fit shape"):
        backends.get(da).fill(None, (5, 7), "float32", None, chunks)


def test_adding_rows_keeps_the_chunks_of_the_other_axes(xp):
    updates = da.from_array(np.arange(24.0).reshape(6, 4), chunks=(2, 3))
    found = backends.get(da).scatter_add((3, 4), da.from_array(np.asarray([0, 2, 2, -1, 0, 1]), chunks=4), updates, 0)
    assert found.chunks == ((3,), (3, 1))


def test_persisting_computes_what_arrays_share_once(xp):
    ran = []

    def count(x):
        ran.append(1)
        return x + 1

    base = da.ones((4,), chunks=4).map_blocks(count, dtype="float64", meta=np.empty(0))
    kept = backends.get(da).persist([base * 2, base * 3])
    np.testing.assert_array_equal(kept[0].compute(), [4.0] * 4)
    np.testing.assert_array_equal(kept[1].compute(), [6.0] * 4)
    assert len(ran) == 1
