"""Rows are added at indices of every integer dtype, with the functions of the standard alone."""

import array_api_compat.numpy as compat
import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi.backends.portable import scatter_add

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def places(dtype, count):
    signed = [-1, 0, -count] if np.iinfo(dtype).min <= -count else [-1] if dtype[0] == "i" else []
    return np.asarray([0, 7, min(count - 1, np.iinfo(dtype).max), *signed, 7], dtype)


@pytest.mark.parametrize("count", [100, 200, 300, 40_000])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_an_axis_may_be_longer_than_the_dtype_of_the_indices_can_count(dtype, count):
    indices = places(dtype, count)
    updates = 2.0 ** np.arange(len(indices))
    expected = np.zeros(count)
    np.add.at(expected, indices.astype("int64"), updates)
    found = scatter_add(compat, (count,), indices, updates, 0, None)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_the_gradient_of_rows_that_are_taken_by_narrow_indices(dtype):
    strict = pytest.importorskip("array_api_strict")
    indices = strict.asarray(places(dtype, 200))
    grad = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).take(x, indices, axis=0)))
    expected = np.zeros(200)
    np.add.at(expected, places(dtype, 200).astype("int64"), 1.0)
    np.testing.assert_array_equal(np.asarray(grad(strict.ones(200))), expected)


def test_the_result_has_the_dtype_of_the_updates():
    for dtype in ("float32", "complex64", "int32"):
        found = scatter_add(compat, (3, 2), np.asarray([2, 2]), np.ones((2, 2), dtype), 0, None)
        np.testing.assert_array_equal(found, np.asarray([[0, 0], [0, 0], [2, 2]], dtype), strict=True)
