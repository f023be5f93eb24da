"""Samples and weights that cannot be right are refused before anything is read, with the way out."""

import math

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import arrays, module, samples
from tests.distributed.samples.sources import RANDOM_ACCESS, make
from tl_arrayapi.distributed.samples import files, open_samples
from tl_arrayapi.errors import ArgumentError, DTypeError, NamespaceError, ShapeError, StructureError, TLError

da = pytest.importorskip("dask.array")
db = pytest.importorskip("dask.bag")
dask = pytest.importorskip("dask")

X, Y = arrays(12)


def shaped():
    return module(input_shapes=[(5,), (3,)])


def unknown(x):
    return x[x[:, 0] > -9]


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (lambda: (unknown(da.from_array(X, chunks=(4, 5))), da.from_array(Y)), ShapeError, r"compute_chunk_sizes\(\)"),
        (lambda: (da.from_array(X, chunks=(4, 2)), da.from_array(Y)), ShapeError, r"input 0.*rechunk\(\{1: -1\}\)"),
        (lambda: (da.from_array(X), da.from_array(Y, chunks=(4, 1))), ShapeError, r"input 1.*rechunk\(\{1: -1\}\)"),
        (lambda: (da.from_array(X), da.from_array(Y[:5])), ShapeError, "12, 5 samples"),
        (lambda: (da.from_array(X), da.asarray(1.0)), ShapeError, "0-d"),
        (lambda: (da.zeros((0, 5)), da.zeros((0, 3))), ShapeError, "no samples"),
        (lambda: (da.from_array(X),), StructureError, "inputs"),
        (lambda: (da.from_array(X), da.from_array(Y[:, :2])), ShapeError, "input 1"),
        (lambda: (da.from_array(X.astype("f4")), da.from_array(Y)), DTypeError, "astype"),
        (lambda: da.from_array(X), StructureError, "stack_samples"),
        (lambda: (X, Y), StructureError, "sample 0 is a ndarray"),
        (lambda: {"x": X}, StructureError, "dict"),
        (lambda: "rows.csv", StructureError, r"\.csv.*\.npy, \.zarr or \.parquet"),
        (lambda: b"rows.npy", StructureError, "bytes"),
        (lambda: 3, StructureError, "int"),
        (lambda: [dask.delayed(1), 2], StructureError, "sample 0 is a Delayed"),
        (lambda: dask.delayed(samples)(3), StructureError, "Delayed"),
    ],
)
def test_samples_that_cannot_be_right_are_refused_at_once(rows, error, said):
    with pytest.raises(error, match=said):
        open_samples(shaped(), rows())


@pytest.mark.parametrize("kind", RANDOM_ACCESS)
def test_a_module_of_another_dtype_is_refused_and_told_how_to_convert(kind, tmp_path):
    rows = make(kind, tmp_path, 8)[0]
    with pytest.raises(DTypeError, match="float32"):
        open_samples(module(dtype="float32"), rows)


@pytest.mark.parametrize(
    ("weights", "error", "said"),
    [
        ([1.0] * 11, StructureError, "11 weights for 12"),
        (da.ones(13), StructureError, "13 weights for 12"),
        (da.ones((12, 1)), StructureError, "one real number a sample"),
        (da.ones(12, dtype=bool), StructureError, "one real number a sample"),
        (unknown(da.ones((12, 1)))[:, 0], ShapeError, r"weights.*compute_chunk_sizes\(\)"),
        ("w.csv", StructureError, r"\.csv"),
        (files("a.npy", "b.npy"), TLError, "a.npy"),
        ([0.0] * 12, ArgumentError, "add up to 0"),
        (np.full(12, math.nan), ArgumentError, r"weights\[0\]"),
        (np.asarray([1.0, -1.0] * 6), ArgumentError, r"weights\[1\]"),
        (np.full(12, 1e308), ArgumentError, "more than float64 holds"),
    ],
)
def test_weights_that_cannot_be_right_are_refused_at_once(weights, error, said):
    with pytest.raises(error, match=said):
        open_samples(shaped(), tl.stack_samples(X, Y), weights)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_weights_that_are_read_late_are_refused_naming_the_samples(value):
    weights = np.ones(12)
    weights[7] = value
    late = da.from_array(weights, chunks=4)
    pieces = list(open_samples(shaped(), (da.from_array(X, chunks=(4, 5)), da.from_array(Y)), late, 1, 4))
    assert len(pieces[0].load()) == 4
    with pytest.raises(ArgumentError, match=r"samples 4 to 7: weights\[3\]"):
        pieces[1].load()


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1.0] * 12, "how many samples a partition has is not known"),
        (db.from_sequence([1.0] * 12, npartitions=3), "3 partitions of weights for 4"),
        (da.ones(12, chunks=6), "2 partitions of weights for 4"),
    ],
)
def test_weights_of_a_bag_come_in_partitions_like_its_own(weights, said):
    with pytest.raises(StructureError, match=said):
        open_samples(shaped(), db.from_sequence(samples(12), npartitions=4), weights)


@pytest.mark.parametrize("options", [{"micro_batch": 0}, {"chunk_size": 0}, {"chunk_size": 2.5}, {"micro_batch": True}])
def test_sizes_are_whole_numbers_of_at_least_one(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        open_samples(shaped(), samples(3), **options)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (lambda: db.from_sequence(samples(4)), "samples of a bag"),
        (lambda: [dask.delayed(samples)(4)], "samples of a list of Delayed"),
        (lambda: iter([(X, Y)]), "samples of an iterator"),
    ],
)
def test_picking_samples_is_refused_where_they_come_in_their_own_order(rows, said):
    with pytest.raises(StructureError, match=said):
        open_samples(shaped(), rows()).take([0])


def test_arrays_of_another_library_are_refused(xp):
    if xp.name in ("numpy", "numpy-readonly", "dask"):
        pytest.skip("these are taken")
    rows = tl.stack_samples(xp.asarray(X, dtype="float32"), xp.asarray(Y, dtype="float32"))
    with pytest.raises((NamespaceError, DTypeError), match="input 0"):
        open_samples(module(dtype="float32"), rows)
