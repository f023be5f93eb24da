"""Files: headers are read at once, rows where the work is done, and nothing is ever unpickled."""

import json
import os
import pickle

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import arrays, module, stacked
from tests.distributed.samples.sources import chunks, gathered
from tl_arrayapi.distributed import mean_loss
from tl_arrayapi.distributed.samples import files, open_samples, zarr_arrays
from tl_arrayapi.errors import DataError, DTypeError, MissingLibraryError, ShapeError, StructureError

X, Y = arrays(12)


class Bomb:
    """What tells when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("y.npy", Y)
    return tmp_path


def opened(*rows, m=None, **options):
    m = module(input_shapes=[(5,), (3,)]) if m is None else m
    return open_samples(m, rows if len(rows) > 1 else rows[0], **options)


def parquet(name, columns, **options):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), name, **options)


def zarr_group(name, **columns):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(name, mode="w")
    for key, values in columns.items():
        group.create_array(key, data=values, chunks=(4, *values.shape[1:]))


# ---- refusals at once
@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (("none.npy", "y.npy"), DataError, "none.npy cannot be read.*FileNotFoundError"),
        (("x.npy",), StructureError, "inputs"),
        (("y.npy", "x.npy"), ShapeError, "input 0"),
        (("x.npy", 3), StructureError, "sample 0 is a str"),
        ((files("x.npy", columns=["x"]),), StructureError, "x.npy.*leave columns out"),
    ],
)
def test_files_that_cannot_be_right_are_refused_at_once(rows, error, said):
    with pytest.raises(error, match=said):
        opened(*rows)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((), {}),
        ((3,), {}),
        (("a.npy", "b.npy"), {"columns": ["x"]}),
        (("a.parquet",), {"columns": "x"}),
        (("a",), {"columns": []}),
    ],
)
def test_files_are_named_by_paths_and_columns_by_lists(arguments, options):
    with pytest.raises(StructureError):
        files(*arguments, **options)


def test_files_of_several_lengths_are_refused():
    np.save("short.npy", Y[:7])
    with pytest.raises(ShapeError, match=r"x.npy has 12, short.npy has 7"):
        opened("x.npy", "short.npy")


def test_a_file_without_rows_is_refused():
    np.save("none.npy", X[:0])
    with pytest.raises(StructureError, match=r"none.npy has no rows"):
        opened("none.npy", "y.npy")


@pytest.mark.parametrize("values", [np.asarray(3.0), np.asarray(["a"] * 12), np.zeros(12, dtype=[("a", "f8")])])
def test_a_file_of_anything_but_rows_of_numbers_is_refused(values):
    np.save("odd.npy", values)
    with pytest.raises((StructureError, DTypeError), match=r"odd.npy"):
        opened("odd.npy", "y.npy")


def test_another_dtype_is_refused_and_told_of_cast():
    with pytest.raises(DTypeError, match="cast=True"):
        opened("x.npy", "y.npy", m=module(dtype="float32"))


# ---- nothing is unpickled
def test_a_npy_file_of_objects_is_refused_and_not_unpickled():
    np.save("x.npy", np.asarray([Bomb()] * 12, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"x.npy cannot be read"):
        opened("x.npy", "y.npy")
    assert not os.path.exists("unpickled")


@pytest.mark.parametrize("place", ["compressor", "filters"])
def test_a_zarr_array_of_pickles_is_refused_and_not_unpickled(place):
    zarr = pytest.importorskip("zarr")
    zarr.create_array("bad.zarr", data=X, chunks=(12, 5), zarr_format=2, compressors=None)
    with open("bad.zarr/.zarray", encoding="utf-8") as file:
        described = json.load(file)
    codec = {"id": "pickle", "protocol": 5}
    described[place] = codec if place == "compressor" else [codec]
    with open("bad.zarr/.zarray", "w", encoding="utf-8") as file:
        json.dump(described, file)
    with open("bad.zarr/0.0", "wb") as chunk:
        pickle.dump(Bomb(), chunk)
    with pytest.raises(DataError, match=r"bad.zarr"):
        chunks(opened("bad.zarr", "y.npy"))
    assert not os.path.exists("unpickled")


# ---- rows that cannot be read
def test_a_file_cut_short_is_an_error_that_names_it():
    with open("x.npy", "r+b") as file:
        file.truncate(300)
    with pytest.raises(DataError, match=r"x.npy cannot be read"):
        opened("x.npy", "y.npy")


@pytest.mark.parametrize("values", [X[:7], X.astype("float32"), X[:, :4]])
def test_a_file_that_changed_is_an_error_that_names_it(values):
    pieces = list(opened("x.npy", "y.npy", micro_batch=4))
    np.save("x.npy", values)
    with pytest.raises(DataError, match=r"x.npy: it holds .* now"):
        pieces[0].load()


def test_a_file_that_is_gone_is_an_error_that_names_it():
    pieces = list(opened("x.npy", "y.npy"))
    os.remove("y.npy")
    with pytest.raises(DataError, match=r"y.npy cannot be read"):
        pieces[0].load()


def test_a_zarr_chunk_that_is_broken_is_an_error_that_names_the_array():
    zarr_group("data.zarr", x=X, y=Y)
    pieces = list(opened("data.zarr", micro_batch=4))
    with open("data.zarr/x/c/1/0", "wb") as chunk:
        chunk.write(b"no chunk")
    assert len(pieces[0].load()) == 4
    with pytest.raises(DataError, match=r"data.zarr cannot be read"):
        pieces[1].load()


def test_a_zarr_group_that_changed_is_an_error_that_names_it():
    zarr_group("data.zarr", x=X, y=Y)
    pieces = list(opened("data.zarr"))
    zarr_group("data.zarr", x=X[:5], y=Y[:5])
    with pytest.raises(DataError, match=r"data.zarr: it holds"):
        pieces[0].load()


def test_a_parquet_file_that_changed_is_an_error_that_names_it():
    parquet("t.parquet", {"x": X[:, 0], "y": Y[:, 0]})
    m = tl.ScalarModule.create(lambda w, x, y: w * x * y, [1.0], options=tl.Options(dtype="float64"))
    pieces = list(open_samples(m, "t.parquet"))
    parquet("t.parquet", {"x": X[:5, 0], "y": Y[:5, 0]})
    with pytest.raises(DataError, match=r"t.parquet: it has other row groups"):
        pieces[0].load()


def test_missing_values_are_an_error_that_names_the_column():
    parquet("t.parquet", {"x": [1.0, None, 3.0], "y": [1.0, 2.0, 3.0]})
    m = tl.ScalarModule.create(lambda w, x, y: w * x * y, [1.0], options=tl.Options(dtype="float64"))
    with pytest.raises(DataError, match=r"t.parquet: column x has 1 missing values"):
        chunks(open_samples(m, "t.parquet"))


# ---- what is read
def test_columns_are_named_after_the_arguments_of_the_loss():
    zarr_group("data.zarr", x=X, other=X, y=Y)
    assert mean_loss(module(), "data.zarr") == mean_loss(module(), stacked(12))


@pytest.mark.parametrize("columns", [None, ["x", "z"], [["x", "y"]]])
def test_columns_that_are_not_there_are_named_with_those_that_are(columns):
    zarr_group("data.zarr", a=X, x=X)
    with pytest.raises(StructureError, match=r"data.zarr.*arrays a, x"):
        opened(files("data.zarr", columns=columns))


def test_columns_that_are_not_in_a_parquet_file_are_named_with_those_that_are():
    parquet("t.parquet", {"a": [1.0], "b": [2.0]})
    with pytest.raises(StructureError, match=r"t.parquet.*columns a, b.*x, y"):
        opened("t.parquet")


def test_columns_of_a_parquet_file_stand_side_by_side_and_lists_of_one_size_are_rows():
    pyarrow = pytest.importorskip("pyarrow")
    columns = {f"x{k}": X[:, k] for k in range(5)}
    columns["y"] = pyarrow.FixedSizeListArray.from_arrays(Y.ravel(), 3)
    parquet("t.parquet", columns, row_group_size=5)
    rows = files("t.parquet", columns=[[f"x{k}" for k in range(5)], "y"])
    assert all(map(np.array_equal, gathered(module(), chunks(opened(rows))), (X, Y)))


@pytest.mark.parametrize("kind", ["string", "list", "mixed"])
def test_columns_of_a_parquet_file_that_are_no_numbers_are_refused(kind):
    made = {"string": ["a", "b"], "list": [[1.0], [2.0, 3.0]], "mixed": [1, 2]}
    parquet("t.parquet", {"x": made[kind], "y": [1.0, 2.0]})
    columns = [["x", "y"], "y"] if kind == "mixed" else ["x", "y"]
    with pytest.raises(DTypeError, match=r"t.parquet: .*x"):
        opened(files("t.parquet", columns=columns))


def test_pieces_are_whole_row_groups():
    parquet("t.parquet", {"x": X[:, 0], "y": Y[:, 0]}, row_group_size=5)
    m = tl.ScalarModule.create(lambda w, x, y: w * x * y, [1.0], options=tl.Options(dtype="float64"))
    assert [piece.count for piece in open_samples(m, "t.parquet", None, 1, 4)] == [5, 5, 2]
    assert [piece.count for piece in open_samples(m, "t.parquet", None, 1, 6)] == [10, 2]


def test_pieces_are_whole_chunks_of_a_zarr_array():
    zarr_group("data.zarr", x=X, y=Y)
    assert [piece.count for piece in opened("data.zarr", micro_batch=1, chunk_size=3)] == [4, 4, 4]


def test_cast_rounds_floating_numbers_once_and_leaves_integers():
    np.save("y.npy", np.arange(36).reshape(12, 3))
    m = module(dtype="float32")
    (chunk,) = chunks(opened(files("x.npy", "y.npy", cast=True), m=m))
    x, y = chunk.columns(m)
    assert np.array_equal(x, X.astype("float32"))
    assert y.dtype == np.arange(1).dtype


def test_other_byte_orders_are_read():
    np.save("x.npy", X.astype(">f8"))
    assert mean_loss(module(), ("x.npy", "y.npy")) == mean_loss(module(), stacked(12))


def test_a_whole_path_goes_to_the_workers(tmp_path, monkeypatch):
    source = opened("x.npy", "y.npy")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert all(map(np.array_equal, gathered(module(), chunks(source)), (X, Y)))


def test_rows_of_files_do_not_travel():
    np.save("x.npy", np.zeros((100_000, 5)))
    np.save("y.npy", np.zeros((100_000, 3)))
    pieces = list(opened("x.npy", "y.npy", chunk_size=50_000))
    assert all(piece.nbytes == 0 and len(pickle.dumps(piece)) < 5_000 for piece in pieces)


def test_a_nan_in_a_file_is_a_sample_like_any_other():
    values = X.copy()
    values[3, 2] = np.nan
    np.save("x.npy", values)
    assert np.isnan(mean_loss(module(), ("x.npy", "y.npy")))


@pytest.mark.parametrize(("library", "path"), [("zarr", "d.zarr"), ("pyarrow.parquet", "d.parquet")])
def test_a_library_that_is_missing_is_named_with_how_to_install_it(library, path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingLibraryError, match="pip install"):
        opened(path)


@pytest.mark.parametrize(
    ("columns", "error", "said"),
    [
        ({"x": X, "y": Y[:7]}, ShapeError, "12, 7 samples"),
        ({"x": X, "y": np.asarray(1.0)}, ShapeError, "'y' is 0-d"),
    ],
)
def test_zarr_arrays_that_cannot_be_samples_are_refused_at_once(columns, error, said):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group("data.zarr", mode="w")
    for key, values in columns.items():
        group.create_array(key, data=values)
    with pytest.raises(error, match=f"data.zarr: .*{said}"):
        opened("data.zarr")


def test_columns_of_a_single_zarr_array_are_refused():
    zarr_group("data.zarr", x=X)
    with pytest.raises(StructureError, match=r"data.zarr/x: it is one array, without columns"):
        opened(files("data.zarr/x", columns=["x"]))


def test_a_zarr_array_that_says_that_it_is_pickled_is_refused():
    zarr, numcodecs = pytest.importorskip("zarr"), pytest.importorskip("numcodecs")
    made = zarr.create_array("a.zarr", data=X, zarr_format=2, filters=[numcodecs.Pickle()])
    with pytest.raises(DataError, match="pickles, which are never read"):
        zarr_arrays._arrays(made, None)


def test_an_attribute_that_speaks_of_pickles_is_none():
    zarr = pytest.importorskip("zarr")
    zarr_group("data.zarr", x=X, y=Y)
    zarr.open_group("data.zarr", mode="r+")["x"].attrs["made of"] = "pickles"
    assert len(chunks(opened("data.zarr"))) == 1


def test_missing_rows_of_lists_are_an_error_that_names_the_column():
    pyarrow = pytest.importorskip("pyarrow")
    rows = pyarrow.array([[1.0] * 5, None, [2.0] * 5], pyarrow.list_(pyarrow.float64(), 5))
    parquet("t.parquet", {"x": rows, "y": pyarrow.FixedSizeListArray.from_arrays(Y[:3].ravel(), 3)})
    with pytest.raises(DataError, match=r"t.parquet: column x has 1 missing values"):
        chunks(opened("t.parquet"))


# ---- weights
@pytest.mark.parametrize("kind", ["list", "stacked", "files"])
def test_weights_may_lie_in_a_file(kind):
    weights = np.arange(12.0)
    np.save("w.npy", weights)
    rows = {"list": list(zip(X, Y, strict=True)), "stacked": tl.stack_samples(X, Y), "files": ("x.npy", "y.npy")}[kind]
    found = gathered(module(), chunks(open_samples(module(), rows, "w.npy", 4)))
    assert all(map(np.array_equal, found, (X[1:], Y[1:], weights[1:])))


def test_weights_are_the_column_of_that_name():
    parquet("w.parquet", {"other": X[:, 0], "weights": np.arange(12.0)})
    found = gathered(module(), chunks(open_samples(module(), tl.stack_samples(X, Y), "w.parquet")))
    assert np.array_equal(found[2], np.arange(1.0, 12.0))


def test_weights_of_several_columns_are_refused():
    parquet("w.parquet", {"a": X[:, 0], "b": X[:, 1]})
    with pytest.raises(StructureError, match="the weights are one column of one file"):
        open_samples(module(), tl.stack_samples(X, Y), files("w.parquet", columns=["a", "b"]))
