"""Payloads that are damaged, of another kind or not finite are refused."""

import io
import math
import os
import pickle
import zipfile

import numpy as np
import pytest

from tests.storage.common import EIGHT, entry, refused, same, write
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import load, save
from tl_arrayapi.storage.header import DTYPES


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("code", ["F16", "F32", "F64", "C64"])
def test_values_that_are_not_finite_are_read_only_when_asked(path, code, value):
    x = np.asarray([1.0, value]).astype(DTYPES[code][0])
    write(path, {"w": {"dtype": code, "shape": [2], "data_offsets": [0, x.nbytes]}}, x.tobytes())
    refused(path, "'w' has NaN or infinite values")
    assert same(load(path, allow_nonfinite=True)[0]["w"], x)


def test_values_that_are_not_finite_are_written_only_when_asked(path):
    x = np.asarray([1.0, math.nan])
    save(path, {"x": x}, allow_nonfinite=True)
    assert same(load(path, allow_nonfinite=True)[0]["x"], x)


@pytest.mark.parametrize("byte", [2, 255])
def test_a_bool_that_is_neither_0_nor_1_is_refused(path, byte):
    write(path, {"w": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, bytes([0, 1, byte]))
    refused(path, "BOOL and has bytes other")


class Trap:
    """Whoever unpickles it notices."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_named_and_never_unpickled(path, protocol):
    for value in ({"w": [1.0] * 100, "trap": Trap()}, Trap()):
        path.write_bytes(pickle.dumps(value, protocol))
        refused(path, "a pickle, which is never unpacked")


def test_other_formats_are_named(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Trap()))
    refused(path, r"a zip archive, as torch.save")
    buffer = io.BytesIO()
    np.save(buffer, np.asarray([Trap()], object), allow_pickle=True)
    path.write_bytes(buffer.getvalue())
    refused(path, r"a \.npy file")


def test_a_flipped_bit_in_any_byte_is_refused(path):
    save(path, {"w": np.arange(4.0), "b": np.ones(3, "uint8")}, {"step": "3"})
    raw = path.read_bytes()
    for i in range(len(raw)):
        changed = bytearray(raw)
        changed[i] ^= 1
        path.write_bytes(changed)
        # A padding space that becomes "!" is no JSON; every other change breaks the format or the digest.
        refused(path, None)


def test_names_exchanged_between_tensors_of_one_shape_are_refused(path):
    save(path, {"aa": np.zeros(3), "bb": np.ones(3)})
    path.write_bytes(path.read_bytes().replace(b"aa", b"xx").replace(b"bb", b"aa").replace(b"xx", b"bb"))
    refused(path, "digest does not match")


@pytest.mark.parametrize("version", ["3", "", "1.0"])
def test_another_schema_version_is_refused(path, version):
    write(path, {"__metadata__": {"tl_arrayapi.schema": version}, "w": entry()}, EIGHT)
    refused(path, "schema version")


def test_a_digest_left_out_or_keys_added_is_refused(path):
    own = {"tl_arrayapi.schema": "1"}
    write(path, {"__metadata__": own, "w": entry()}, EIGHT)
    refused(path, "digest")
    write(path, {"__metadata__": {"tl_arrayapi.sha256": "0" * 64}, "w": entry()}, EIGHT)
    refused(path, "schema version is None")
    write(path, {"__metadata__": {**own, "tl_arrayapi.other": ""}, "w": entry()}, EIGHT)
    refused(path, "tl_arrayapi.other")


def test_what_is_no_regular_file_is_refused(tmp_path):
    refused(tmp_path, "not a regular file")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refused(tmp_path / "link", "No such file")
    refused(tmp_path / "missing", "No such file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "symbolic links")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    refused(tmp_path / "fifo", "not a regular file")
    with pytest.raises(CheckpointError, match="choose another path"):
        save(tmp_path / "fifo", {})
