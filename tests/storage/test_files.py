"""Files are whole or absent, whatever fails, and nothing is written that could not be read back."""

import os

import numpy as np
import pytest

from tl_arrayapi import backends
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import Tensor, files, load, save, save_tensors, writing
from tl_arrayapi.storage.header import MAX_TENSORS


class FailingDiskError(OSError):
    pass


def fails(*args, **keywords):
    raise FailingDiskError(28, "No space left on device")


def interrupted(*args, **keywords):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "exists"), [("fsync", True), ("replace", True), ("chmod", True), ("fsync", False), ("replace", False)]
)
@pytest.mark.parametrize("shard_size", [None, 8])
@pytest.mark.parametrize(("act", "error"), [(fails, CheckpointError), (interrupted, KeyboardInterrupt)])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    path, monkeypatch, exists, name, act, error, shard_size
):
    if exists:
        save(path, {"x": np.zeros(3)})
    before = path.read_bytes() if exists else None
    monkeypatch.setattr(files.os, name, act)
    with pytest.raises(error):
        save(path, {"x": np.ones(3), "y": np.ones(3)}, shard_size=shard_size)
    assert os.listdir(path.parent) == ([path.name] if exists else [])
    assert not exists or path.read_bytes() == before


def test_a_disk_that_changes_what_it_is_given_is_found_out(path, monkeypatch):
    save(path, {"x": np.zeros(3)})
    before = path.read_bytes()

    def flips_a_bit(descriptor):
        last = os.fstat(descriptor).st_size - 1
        os.pwrite(descriptor, bytes([os.pread(descriptor, 1, last)[0] ^ 1]), last)

    monkeypatch.setattr(writing, "_sync", flips_a_bit)
    with pytest.raises(CheckpointError, match="read back"):
        save(path, {"x": np.ones(3)})
    assert os.listdir(path.parent) == [path.name]
    assert path.read_bytes() == before


def test_the_file_and_then_its_folder_are_flushed(path, monkeypatch):
    flushed = []
    real = os.fsync
    monkeypatch.setattr(
        files.os, "fsync", lambda fd: (flushed.append(os.path.realpath(f"/proc/self/fd/{fd}")), real(fd))
    )
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("no /proc here")
    save(path, {"x": np.zeros(3)})
    assert [os.path.dirname(flushed[0]), flushed[1]] == [str(path.parent.resolve())] * 2


def test_a_file_that_is_replaced_keeps_its_permissions(path):
    save(path, {})
    path.chmod(0o640)
    save(path, {"x": np.zeros(3)})
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_permissions_of_the_process(path):
    old = os.umask(0o027)
    try:
        save(path, {})
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "a").mkdir()
    target, link = tmp_path / "a" / "target", tmp_path / "link"
    save(target, {})
    link.symlink_to(target)
    save(link, {"x": np.zeros(3)})
    assert link.is_symlink()
    assert list(load(target)[0]) == ["x"]
    assert sorted(os.listdir(tmp_path)) == ["a", "link"]


@pytest.mark.parametrize(
    ("tensors", "metadata", "match"),
    [
        ({"x": [1.0]}, {}, "list"),
        ({"x": np.float64(1.0)}, {}, "float64"),
        ({"x": np.asarray([None])}, {}, "object"),
        ({"x": np.asarray(["a"])}, {}, "format lacks"),
        ({"x": np.zeros(2, "complex128")}, {}, "complex128"),
        ({"x": np.zeros(2, "i4,f8")}, {}, "format lacks"),
        ({1: np.zeros(2)}, {}, "string"),
        ({"": np.zeros(2)}, {}, "0 characters"),
        ({"../x": np.zeros(2)}, {}, "dots"),
        ({"__metadata__": np.zeros(2)}, {}, "__metadata__"),
        ({"x": np.asarray([1.0, np.nan])}, {}, "allow_nonfinite"),
        ({"x": np.asarray([1.0, np.inf], "complex64")}, {}, "allow_nonfinite"),
        ({}, {"a": 1}, "strings to strings"),
        ({}, {1: "a"}, "strings to strings"),
        ({}, {"tl_arrayapi.schema": "1"}, "reserved"),
        ({}, {"a": "\ud800"}, "surrogate"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(path, tensors, metadata, match):
    save(path, {"old": np.zeros(3)})
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=match):
        save(path, tensors, metadata)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_or_a_dangling_link_is_not_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder"):
        with pytest.raises(CheckpointError, match="choose another path"):
            save(tmp_path / name, {})
    assert sorted(os.listdir(tmp_path)) == ["folder", "link"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="No such file"):
        save(tmp_path / "no" / "m.safetensors", {})


@pytest.mark.parametrize("bad", [None, 3, "", "a\0b", object()])
def test_what_is_no_path_is_refused(bad):
    for call in (lambda: load(bad), lambda: save(bad, {})):
        with pytest.raises(CheckpointError, match="path is expected"):
            call()


@pytest.mark.parametrize("given", [3, 5])
def test_a_tensor_that_gives_other_bytes_than_its_shape_says_is_not_written(path, given):
    tensor = Tensor("F64", (4,), lambda: iter([np.zeros(given)]))
    with pytest.raises(CheckpointError, match="'x' gave other bytes"):
        save_tensors(path, {"x": tensor}, {})
    assert not os.listdir(path.parent)


def test_more_tensors_than_are_read_are_not_written(path):
    x = np.zeros(0)
    with pytest.raises(CheckpointError, match=f"at most {MAX_TENSORS} are written"):
        save(path, {f"{i}": x for i in range(MAX_TENSORS + 1)})
    assert not os.listdir(path.parent)


def test_a_tensor_that_memory_cannot_hold_is_named(path, monkeypatch):
    def full(shape, **keywords):
        raise MemoryError

    save(path, {"x": np.zeros(3)})
    monkeypatch.setattr(backends.get(None).namespace, "empty", full)
    with pytest.raises(CheckpointError, match=r"'x' of shape \(3,\) is more than memory can hold"):
        load(path)
