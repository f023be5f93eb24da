"""Checkpoints: exact round trips, files that are whole or absent, and every hostile file refused."""

import contextlib
import hashlib
import io
import json
import math
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import files, load, pack_state, save, unpack_state
from tl_arrayapi.storage.header import DTYPES, MAX_TENSORS

NUMPY_DTYPES = [name for name, _ in DTYPES.values()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.safetensors"


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


# ---------------------------------------------------------------- round trips
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


# ---------------------------------------------------------------- files are whole or absent
class FailingDiskError(OSError):
    pass


def fails(*args, **keywords):
    raise FailingDiskError(28, "No space left on device")


def interrupted(*args, **keywords):
    raise KeyboardInterrupt


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize(("act", "error"), [(fails, CheckpointError), (interrupted, KeyboardInterrupt)])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch, exists, name, act, error):
    if exists:
        save(path, {"x": np.zeros(3)})
    before = path.read_bytes() if exists else None
    monkeypatch.setattr(files.os, name, act)
    with pytest.raises(error):
        save(path, {"x": np.ones(3)})
    assert os.listdir(path.parent) == ([path.name] if exists else [])
    assert not exists or path.read_bytes() == before


def test_a_disk_that_changes_what_it_is_given_is_found_out(path, monkeypatch):
    save(path, {"x": np.zeros(3)})
    before = path.read_bytes()
    monkeypatch.setattr(files, "_file_digest", lambda path: hashlib.sha256(b"else").digest())
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


# ---------------------------------------------------------------- hostile files
def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


EIGHT = b"\0" * 8


def test_the_file_that_the_hostile_ones_are_made_from_is_good(path):
    write(path, {"w": entry()}, EIGHT)
    assert same(load(path)[0]["w"], np.zeros(2, "float32"))


@pytest.mark.parametrize("content", [b"", b"\x08", b"\0" * 7])
def test_a_file_shorter_than_eight_bytes_is_refused(path, content):
    path.write_bytes(content)
    refused(path, f"the file has {len(content)} bytes")


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 100_000_001, 100])
def test_a_header_longer_than_the_file_or_the_bound_is_refused(path, length):
    path.write_bytes(length.to_bytes(8, "little") + b"{}")
    refused(path, f"said to have {length} bytes, and 2 are possible")


def test_a_header_over_the_bound_in_a_file_that_is_as_long_is_refused(path):
    with open(path, "wb") as file:
        file.write((100_000_001).to_bytes(8, "little") + b"{")
        file.truncate(100_000_100)  # sparse: it takes no room
    refused(path, "100000000 are possible")


@pytest.mark.parametrize("header", [b'{"\xff":1}', b"\xef\xbb\xbf{}", b'{"\xc3'])
def test_a_header_that_is_not_utf8_or_begins_otherwise_is_refused(path, header):
    write(path, header)
    refused(path, "not UTF-8|does not begin")


@pytest.mark.parametrize(
    "header", ["", "[]", "3", '"{}"', "{", "{'w':1}", "{} {}", "{}\0", '{"w":}', ' {"a":1}', '{"a":1e}']
)
def test_a_header_that_is_no_json_object_is_refused(path, header):
    write(path, header)
    refused(path, "not JSON|not a JSON object")


@pytest.mark.parametrize(
    "header", ['{"a":' * 100_000 + "1" + "}" * 100_000, '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"]
)
def test_a_header_nested_very_deeply_is_refused(path, header):
    write(path, header)
    refused(path, "nested too deeply")


def test_a_payload_cut_short_is_refused(path):
    write(path, {"w": entry()}, EIGHT[:7])
    refused(path, "payload is cut short: it has 7 bytes, and its tensors need 8")


def test_trailing_bytes_are_refused(path):
    write(path, {"w": entry()}, EIGHT + b"x")
    refused(path, "trailing bytes: it has 9 bytes, and its tensors need 8")


@pytest.mark.parametrize("ranges", [[(4, 12)], [(0, 8), (12, 20)]])
def test_holes_between_tensors_are_refused(path, ranges):
    write(path, {f"w{i}": entry(data_offsets=list(r)) for i, r in enumerate(ranges)}, b"\0" * 20)
    refused(path, "leaves a hole")


@pytest.mark.parametrize("ranges", [[(0, 8), (4, 12)], [(0, 8), (0, 8)]])
def test_ranges_that_overlap_are_refused(path, ranges):
    write(path, {f"w{i}": entry(data_offsets=list(r)) for i, r in enumerate(ranges)}, b"\0" * 12)
    refused(path, "'w1' begins at byte [04] of the payload, and overlaps")


@pytest.mark.parametrize("offsets", [[8, 0], [-8, 0], [-1, 7]])
def test_offsets_that_are_negative_or_reversed_are_refused(path, offsets):
    write(path, {"w": entry(data_offsets=offsets)}, EIGHT)
    refused(path, "0 <= start <= end")


@pytest.mark.parametrize("offsets", [None, [0], [0, 8, 8], [0.0, 8.0], [False, 8], "08", {"0": 8}, [0, 2**70]])
def test_offsets_of_another_form_are_refused(path, offsets):
    write(path, {"w": entry(data_offsets=offsets)}, EIGHT)
    refused(path, "data_offsets|bytes")


@pytest.mark.parametrize("shape", [[2**62, 4], [2**40, 2**40], [2**32, 2**32]])
def test_a_shape_whose_size_overflows_is_refused(path, shape):
    write(path, {"w": entry(shape=shape, data_offsets=[0, 0])})
    refused(path, "overflows 64 bits")


@pytest.mark.parametrize("dimension", ["18446744073709551616", "-1", "1.0", "true", '"2"', "null", "[2]"])
def test_a_dimension_that_is_no_count_is_refused(path, dimension):
    write(path, json.dumps({"w": entry(shape=["?"])}).replace('"?"', dimension), EIGHT)
    refused(path, "whole numbers from 0")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_dimension_that_is_no_json_number_is_refused(path, word):
    write(path, json.dumps({"w": entry(shape=["?"])}).replace('"?"', word), EIGHT)
    refused(path, "which is not JSON")


def test_a_dimension_of_ten_thousand_digits_is_refused(path):
    write(path, json.dumps({"w": entry(shape=["?"])}).replace('"?"', "1" + "0" * 10_000), EIGHT)
    refused(path, "not JSON")


@pytest.mark.parametrize("shape", [None, 2, "2", {"2": 2}])
def test_a_shape_that_is_no_list_is_refused(path, shape):
    write(path, {"w": entry(shape=shape)}, EIGHT)
    refused(path, "whole numbers from 0")


@pytest.mark.parametrize("dtype", ["F128", "f32", "", None, 32, ["F32"], "O"])
def test_an_unknown_dtype_is_refused(path, dtype):
    write(path, {"w": entry(dtype=dtype)}, EIGHT)
    refused(path, "'w' has dtype .*one of BOOL, U8")


@pytest.mark.parametrize("missing", ["dtype", "shape", "data_offsets"])
def test_a_missing_field_is_refused(path, missing):
    write(path, {"w": {key: value for key, value in entry().items() if key != missing}}, EIGHT)
    refused(path, "exactly .* are expected")


def test_the_same_name_twice_is_refused(path):
    text = json.dumps(entry())
    write(path, f'{{"w":{text},"w":{text}}}', EIGHT)
    refused(path, "'w' twice")


def test_the_same_field_twice_is_refused(path):
    write(path, '{"w":{"dtype":"F64","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', EIGHT)
    refused(path, "'dtype' twice")


def test_unknown_keys_are_refused(path):
    write(path, {"w": entry(comment="")}, EIGHT)
    refused(path, "exactly .* are expected")


@pytest.mark.parametrize("fields", [None, 3, [], "F32"])
def test_a_tensor_described_by_something_else_is_refused(path, fields):
    write(path, {"w": fields}, EIGHT)
    refused(path, "exactly .* are expected")


@pytest.mark.parametrize("metadata", [None, [], "a", {"a": 1}, {"a": None}, {"a": {"b": "c"}}])
def test_metadata_that_is_not_strings_is_refused(path, metadata):
    write(path, {"__metadata__": metadata, "w": entry()}, EIGHT)
    refused(path, "__metadata__ must map")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../etc/passwd",
        "/etc/passwd",
        "a/../b",
        "a//b",
        "./a",
        "a/",
        "a\0",
        "\x1b[31m",
        "a\nb",
        "a\\b",
        "\u202egpj",
        "\ud800",
        "x" * 1025,
    ],
)
def test_a_name_that_is_empty_or_a_path_or_not_printable_is_refused(path, name):
    write(path, {name: entry()}, EIGHT)
    refused(path, "tensor name|tensor's name")


def test_a_hostile_name_is_escaped_in_the_message(path):
    write(path, {"\x1b[2J": entry()}, EIGHT)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert "\x1b" not in str(caught.value)


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


@pytest.mark.parametrize("shape", [[0, 2**62, 2**62], [2**63 - 1, 0], [2**61, 4, 0]])
def test_an_empty_tensor_of_huge_dimensions_is_refused(path, shape):
    write(path, {"w": entry(shape=shape, data_offsets=[0, 0])})
    refused(path, "overflows 64 bits")


def test_more_than_64_dimensions_are_refused(path):
    write(path, {"w": entry(shape=[1] * 65, dtype="U8", data_offsets=[0, 1])}, b"\0")
    refused(path, "65 dimensions")
    write(path, {"w": entry(shape=[1] * 64, dtype="U8", data_offsets=[0, 1])}, b"\0")
    assert load(path)[0]["w"].ndim == 64


@pytest.mark.parametrize("code", ["BF16", "F8_E4M3", "F8_E5M2"])
def test_a_dtype_that_numpy_does_not_have_is_refused(path, code):
    write(path, {"w": entry(dtype=code, shape=[4])}, EIGHT)
    refused(path, "NumPy does not have it: convert")


def test_more_tensors_than_the_bound_are_refused(path):
    one = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    write(path, "{" + ",".join(f'"{i}":{one}' for i in range(MAX_TENSORS + 1)) + "}")
    refused(path, f"there are {MAX_TENSORS + 1} tensors, and at most {MAX_TENSORS}")


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


@pytest.mark.parametrize("version", ["2", "", "1.0"])
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


# ---------------------------------------------------------------- fuzz
GOOD = {"__metadata__": {"a": "b"}, "w": entry(), "b": entry(dtype="BOOL", shape=[2, 2], data_offsets=[8, 12])}
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["F32", "BOOL", "U8", 2**63, -1, 0, 8, 12]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["dtype", "shape", "data_offsets"]), inner, max_size=3)
    ),
    max_leaves=8,
)
fuzz = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loads_or_is_refused(path):
    try:
        tensors, _ = load(path, allow_nonfinite=True)
    except CheckpointError:
        return
    assert all(isinstance(x, np.ndarray) for x in tensors.values())


@fuzz
@given(
    tensor=st.sampled_from(["w", "b", "__metadata__", "new"]),
    field=st.none() | st.sampled_from(["dtype", "shape", "data_offsets", "x"]),
    value=JUNK,
)
def test_fuzz_a_header_with_any_value_in_any_place_is_read_or_refused(path, tensor, field, value):
    header = json.loads(json.dumps(GOOD))
    if field is None or tensor == "new":
        header[tensor] = value
    else:
        header[tensor][field] = value
    write(path, header, b"\0" * 12)
    loads_or_is_refused(path)


@fuzz
@given(st.data())
def test_fuzz_changed_removed_and_inserted_bytes_are_read_or_refused(path, data):
    write(path, GOOD, b"\0" * 12)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        i = data.draw(st.integers(0, len(raw) - 1))
        raw[i : i + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(raw)
    loads_or_is_refused(path)


@fuzz
@given(st.binary(max_size=200))
def test_fuzz_any_bytes_are_read_or_refused(path, raw):
    path.write_bytes(raw)
    loads_or_is_refused(path)


# ---------------------------------------------------------------- states
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64) + 1, 2**64 - 1)
    | st.floats()
    | st.text()
    | st.builds(sample, st.sampled_from(NUMPY_DTYPES))
)
STATES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(-5, 5), inner, max_size=4)
    ),
)


def equal(x, y):
    if type(x) is not type(y):
        return False
    if isinstance(x, np.ndarray):
        return same(x, y)
    if isinstance(x, dict):
        return list(x) == list(y) and all(equal(x[key], y[key]) for key in x)
    if isinstance(x, list | tuple):
        return len(x) == len(y) and all(map(equal, x, y))
    return x.hex() == y.hex() if isinstance(x, float) else x == y


@settings(deadline=None)
@given(STATES)
def test_any_state_comes_back_exactly(state):
    tensors, text = pack_state(state)
    assert equal(unpack_state(tensors, text), state)
    assert text.isascii()


def test_a_state_goes_through_a_file(path):
    state = ({"step": 3, "m": [np.ones((2, 2)), np.asarray(0.5)]}, (), {"rate": 0.1, "name": None})
    tensors, text = pack_state(state)
    save(path, tensors, {"state": text})
    again, metadata = load(path)
    assert equal(unpack_state(again, metadata["state"]), state)


def test_a_state_is_kept_by_reference_and_not_copied():
    x = np.ones(3)
    assert pack_state([x])[0]["0"] is x


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"m": {1.5: 0}}, r"state\['m'\] has the key 1.5"),
        ([{"a": 1j}], r"state\[0\]\['a'\] is a builtins.complex"),
        ([np.float64(1.0)], r"state\[0\] is a numpy.float64"),
        ({"s": {1, 2}}, "builtins.set"),
        ([2**64], "65 bits"),
        ({True: 1}, "key True"),
        ([np.ma.ones(3)], "MaskedArray"),
    ],
)
def test_what_a_state_cannot_hold_is_refused_by_its_place(state, match):
    with pytest.raises(CheckpointError, match=match):
        pack_state(state)


def test_a_state_within_itself_is_refused():
    state = []
    state.append(state)
    with pytest.raises(CheckpointError, match="nested deeper"):
        pack_state(state)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        '{"a":1,"b":2}',
        '{"set":[]}',
        '{"tuple":3}',
        '{"dict":{"tuple":[]}}',
        '{"dict":[["a"]]}',
        '{"dict":[[null,1]]}',
        '{"dict":[[["a"],1]]}',
        '{"dict":[["a",1],["a",2]]}',
        '{"dict":[{"tuple":["a",1]}]}',
        '{"float":"x"}',
        '{"float":1}',
        '{"float":"0x1p99999"}',
        '{"array":"1"}',
        '{"array":0}',
        '[{"array":"0"},{"array":"0"}]',
        "[]",
        "1.5",
        "NaN",
        "1" * 10_000,
        str(2**64),
        "[" * 100 + "]" * 100,
        "[" * 100_000 + "]" * 100_000,
        None,
    ],
)
def test_a_text_that_pack_state_did_not_write_is_refused(text):
    with pytest.raises(CheckpointError):
        unpack_state({"0": np.zeros(2)}, text)


@settings(deadline=None)
@given(st.data())
def test_fuzz_a_changed_text_is_read_or_refused(data):
    tensors, text = pack_state({"step": 3, "m": [np.zeros(2), (1.5, None)], "s": "x"})
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.integers(0, len(text)))
        text = (
            text[:i]
            + data.draw(st.text('[]{}",:0123aelnrtuxp.-', max_size=3))
            + text[i + data.draw(st.integers(0, 3)) :]
        )
    with contextlib.suppress(CheckpointError):
        unpack_state(tensors, text)
