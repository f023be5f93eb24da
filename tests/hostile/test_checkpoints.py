"""Checkpoint files that must be refused: by storage, and by a module, whose training goes on as if nothing had been.

Each section's heading is one kind of bad file. What all refusals have in common is in `Refusals`.
"""

import errno
import functools
import io
import itertools
import json
import math
import os
import pickle
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

import tl_arrayapi as tl
from tests.hostile.fuzzing import check_message, measured
from tests.hostile.refusals import Refusals
from tests.hostile.safetensors_files import checkpoint, joined, module, signed, split
from tl_arrayapi import storage
from tl_arrayapi.cli import main
from tl_arrayapi.storage import open_checkpoint
from tl_arrayapi.storage.header import DTYPES, MAX_TENSORS

EIGHT = b"\0" * 8
OWN = "tl_arrayapi."


@pytest.fixture
def refused(tmp_path):
    """Give what writes a file, or takes the one that is there, and asserts that it is refused everywhere."""
    refusals = Refusals(tmp_path / "m.safetensors")

    def check(content, match=None, **keywords):
        if content is not None:
            refusals.path.write_bytes(content)
        refusals.everywhere(match, **keywords)

    check.refusals = refusals
    check.path = refusals.path
    return check


def file(header, payload=b""):
    """Return the bytes of a file made by hand: ``header`` is an object, text or bytes."""
    if not isinstance(header, bytes):
        header = (header if isinstance(header, str) else json.dumps(header)).encode()
    return joined(header, payload)


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


def notes(**changes):
    return {"format": "tl_arrayapi", "version": "1", "step": "0", "seed": "0", "optimizer": "null", **changes}


def with_state(code, content):
    """Return a checkpoint whose optimiser has a vector of these bytes; its digest is right."""
    header, payload = split(checkpoint())
    document = json.loads(header)
    start, end = document["optimizer.3"]["data_offsets"]
    assert end == len(payload)
    shape = [len(content) // DTYPES[code][1]]
    document["optimizer.3"] = {"dtype": code, "shape": shape, "data_offsets": [start, start + len(content)]}
    payload = payload[:start] + content
    return file(signed(json.dumps(document), payload), payload)


def test_the_file_that_the_hostile_ones_are_made_from_is_good(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(file({"w": entry()}, EIGHT))
    assert storage.load(path)[0]["w"].tobytes() == EIGHT
    path.write_bytes(checkpoint())
    assert module().load(path)[1] == 1


# ---------------- 1. empty, or shorter than 8 bytes
@pytest.mark.parametrize("content", [b"", b"\x08", b"\0" * 7])
def test_a_file_shorter_than_eight_bytes(refused, content):
    refused(content, f"the file has {len(content)} bytes")


# ---------------- 2. a header's length of 2^63, or over 100 MB
@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 100_000_001, 100])
def test_a_header_longer_than_the_file_or_the_bound(refused, length):
    refused(length.to_bytes(8, "little") + b"{}", f"said to have {length} bytes, and 2 are possible")


def test_a_header_over_the_bound_in_a_file_that_is_as_long(refused):
    with open(refused.path, "wb") as sparse:  # it takes no room
        sparse.write((100_000_001).to_bytes(8, "little") + b"{")
        sparse.truncate(100_000_100)
    # Its bytes are not compared: that takes longer than all the rest.
    with pytest.raises(tl.errors.CheckpointError, match="100000000 are possible"):
        storage.load(refused.path)


# ---------------- 3. a header that is not UTF-8
@pytest.mark.parametrize("header", [b'{"\xff":1}', b'{"\xc3', b'{"w":{"dtype":"\xed\xa0\x80"}}'])
def test_a_header_that_is_not_utf8(refused, header):
    refused(file(header), "not UTF-8|not JSON")


# ---------------- 4. a header that is not JSON, or an array
@pytest.mark.parametrize(
    "header", ["", "[]", "3", '"{}"', "{", "{'w':1}", "{} {}", "{}\0", '{"w":}', ' {"a":1}', '{"a":1e}', "\ufeff{}"]
)
def test_a_header_that_is_no_json_object(refused, header):
    refused(file(header), "not JSON|not a JSON object|object.* expected")


# ---------------- 5. nested 100,000 deep
@pytest.mark.parametrize(
    "header",
    [
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"w":{"dtype":"F32","shape":' + "[" * 100_000 + "]" * 100_000 + ',"data_offsets":[0,8]}}',
        '{"__metadata__":{"a":' + "[" * 100_000 + "]" * 100_000 + "}}",
    ],
    ids=["objects", "lists", "shape", "metadata"],
)
def test_a_header_nested_very_deeply(refused, header):
    refused(file(header, EIGHT))


@pytest.mark.parametrize("depth", [60, 200, *range(900, 1000, 9)])
def test_a_shape_nested_about_as_deeply_as_python_s_stack(refused, depth):
    refused(file('{"w":{"dtype":"F32","shape":' + "[" * depth + "]" * depth + ',"data_offsets":[0,8]}}', EIGHT))


# ---------------- 6, 7. a payload cut short; trailing bytes
@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_payload_cut_short(refused, size):
    refused(file({"w": entry()}, EIGHT[:size]), f"payload is cut short: it has {size} bytes, and its tensors need 8")


def test_a_checkpoint_cut_short_anywhere(refused):
    for size in range(0, len(checkpoint()), 7):
        refused(checkpoint()[:size])


@pytest.mark.parametrize("size", [9, 16])
def test_trailing_bytes(refused, size):
    refused(file({"w": entry()}, b"\0" * size), f"trailing bytes: it has {size} bytes, and its tensors need 8")


# ---------------- 8, 9, 10. holes, overlaps, ranges that are none
@pytest.mark.parametrize("ranges", [[(4, 12)], [(0, 8), (12, 20)]])
def test_holes_between_tensors(refused, ranges):
    header = {f"w{i}": entry(data_offsets=list(r)) for i, r in enumerate(ranges)}
    refused(file(header, b"\0" * 20), "leaves a hole")


@pytest.mark.parametrize("ranges", [[(0, 8), (4, 12)], [(0, 8), (0, 8)]])
def test_ranges_that_overlap(refused, ranges):
    header = {f"w{i}": entry(data_offsets=list(r)) for i, r in enumerate(ranges)}
    refused(file(header, b"\0" * 12), "'w1' begins at byte [04] of the payload, and overlaps")


@pytest.mark.parametrize("offsets", [[8, 0], [-8, 0], [-1, 7], [8, -8]])
def test_offsets_that_are_negative_or_reversed(refused, offsets):
    refused(file({"w": entry(data_offsets=offsets)}, EIGHT), "0 <= start <= end")


@pytest.mark.parametrize(
    "offsets", [None, [0], [0, 8, 8], [0.0, 8.0], [False, 8], "08", {"0": 8}, [0, 2**70], [0, 10**4000]], ids=str
)
def test_offsets_of_another_form(refused, offsets):
    refused(file({"w": entry(data_offsets=offsets)}, EIGHT))


# ---------------- 11, 12. shapes that overflow, dimensions that are none
@pytest.mark.parametrize("shape", [[2**62, 4], [2**40, 2**40], [2**32, 2**32], [2**61]])
def test_a_shape_whose_size_overflows(refused, shape):
    refused(file({"w": entry(shape=shape, data_offsets=[0, 0])}), "overflows 64 bits")


@pytest.mark.parametrize("dimension", [str(2**64), str(2**63), "-1", "1.0", "2e0", "true", '"2"', "null", "[2]"])
def test_a_dimension_that_is_no_count(refused, dimension):
    text = json.dumps({"w": entry(shape=["?"])}).replace('"?"', dimension)
    refused(file(text, EIGHT), "'w' has shape .* whole numbers from 0")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1" + "0" * 10_000, "02", "0x2"], ids=lambda w: w[:9])
def test_a_dimension_that_is_no_json_number(refused, word):
    text = json.dumps({"w": entry(shape=["?"])}).replace('"?"', word)
    refused(file(text, EIGHT), "not JSON")


@pytest.mark.parametrize("shape", [None, 2, "2"])
def test_a_shape_that_is_no_list(refused, shape):
    refused(file({"w": entry(shape=shape)}, EIGHT), "whole numbers from 0")


# ---------------- 13. an unknown or missing dtype
@pytest.mark.parametrize("dtype", ["F128", "f32", "", "F32 ", None, 32, ["F32"], "O", "F" * 3000])
def test_an_unknown_dtype(refused, dtype):
    refused(file({"w": entry(dtype=dtype)}, EIGHT), "'w' has dtype .*one of BOOL, U8")


@pytest.mark.parametrize("missing", ["dtype", "shape", "data_offsets"])
def test_a_missing_field(refused, missing):
    fields = {key: value for key, value in entry().items() if key != missing}
    refused(file({"w": fields}, EIGHT), "exactly .* are expected")


# ---------------- 14, 15. the same name twice, unknown keys
def test_the_same_name_twice(refused):
    text = json.dumps(entry())
    refused(file(f'{{"w":{text},"w":{text}}}', EIGHT), "'w' twice")
    refused(file(f'{{"w":{text},"\\u0077":{text}}}', EIGHT), "'w' twice")


def test_the_same_field_or_note_twice(refused):
    refused(file('{"w":{"dtype":"F64","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', EIGHT), "'dtype'")
    refused(file('{"__metadata__":{"a":"1","a":"2"}}'), "'a' twice")
    refused(file('{"__metadata__":{},"__metadata__":{}}'), "'__metadata__' twice")


@pytest.mark.parametrize("changes", [{"comment": ""}, {"Dtype": "F32"}, {"x" * 3000: 1}])
def test_unknown_keys(refused, changes):
    refused(file({"w": entry(**changes)}, EIGHT), "exactly .* are expected")


@pytest.mark.parametrize("fields", [None, 3, [], "F32", {}])
def test_a_tensor_described_by_something_else(refused, fields):
    refused(file({"w": fields}, EIGHT), "expected")


@pytest.mark.parametrize("metadata", [None, [], "a", {"a": 1}, {"a": None}, {"a": {"b": "c"}}])
def test_metadata_that_is_not_strings(refused, metadata):
    refused(file({"__metadata__": metadata, "w": entry()}, EIGHT), "__metadata__ must map|expected")


# ---------------- 16. names empty, with ../, NUL or escape codes
NAMES = [
    "",
    "../../etc/passwd",
    "/etc/passwd",
    "a/../b",
    "a//b",
    "./a",
    "a/",
    "a\0",
    "\x1b[31m",
    "\x1b]0;x\x07",
    "a\nb",
]
NAMES += ["a\\b", "\u202egpj", "\ud800", "\x7f", "\x9b2J", "x" * 1025, "x" * 1_000_000]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_a_name_that_is_empty_or_a_path_or_not_printable(refused, name):
    refused(file({name: entry()}, EIGHT), "tensor name|tensor's name|a string of at most")


@pytest.mark.parametrize("name", ["", "../w", "a\0", "\x1b[31m"], ids=ascii)
def test_such_a_name_is_not_written_either(refused, name):
    refused.path.write_bytes(checkpoint())
    with pytest.raises(tl.errors.CheckpointError, match=r"tensor name|tensor's name"):
        storage.save(refused.path, {name: np.zeros(2)})
    assert refused.path.read_bytes() == checkpoint()
    assert os.listdir(refused.path.parent) == [refused.path.name]


@pytest.mark.parametrize("text", ["\x1b[2J", "\0", "\u202e", "\x9b", "y" * 2_000_000], ids=lambda text: ascii(text)[:9])
@pytest.mark.parametrize("key", ["a", *(OWN + key for key in ("schema", "sha256")), *notes()])
def test_whatever_the_metadata_says_messages_are_short_and_printable(refused, key, text):
    header = {"__metadata__": notes() | {key: text}, "w": entry(shape=[2, 2], data_offsets=[0, 16])}
    header["b"] = entry(data_offsets=[16, 24], dtype="I32" if key in ("a", "format") else "F32")
    refused.path.write_bytes(file(header, b"\0" * 24))
    refused.refusals.by_modules()
    refused.path.write_bytes(file({"__metadata__": {"tl_arrayapi.schema": "1", text: "", "tl_arrayapi." + text: text}}))
    refused.refusals.everywhere()


# ---------------- 17. NaN and infinities, unless asked for
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("code", ["F16", "F32", "F64", "C64"])
def test_values_that_are_not_finite(refused, code, value):
    x = np.asarray([1.0, value]).astype(DTYPES[code][0])
    header = {"w": {"dtype": code, "shape": [2], "data_offsets": [0, x.nbytes]}}
    refused(file(header, x.tobytes()), "'w' has NaN or infinite values.*allow_nonfinite=True")
    refused.path.write_bytes(with_state(code, x.tobytes()))
    refused.refusals.by_modules("'optimizer.3' has NaN or infinite values.*allow_nonfinite=True")
    refused.path.write_bytes(file(header, x.tobytes()))
    assert storage.load(refused.path, allow_nonfinite=True)[0]["w"].tobytes() == x.tobytes()


def test_values_that_are_not_finite_are_not_written_either(refused):
    with pytest.raises(tl.errors.CheckpointError, match=r"'x' has NaN or infinite values.*allow_nonfinite=True"):
        storage.save(refused.path, {"x": np.asarray([1.0, math.nan])})
    assert not os.listdir(refused.path.parent)
    storage.save(refused.path, {"x": np.asarray([1.0, math.nan])}, allow_nonfinite=True)
    refused(None, "'x' has NaN or infinite values")


# ---------------- 18. BOOL bytes other than 0 and 1
@pytest.mark.parametrize("byte", [2, 255])
def test_a_bool_that_is_neither_0_nor_1(refused, byte):
    header = {"w": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}
    refused(file(header, bytes([0, 1, byte])), "BOOL and has bytes other")
    refused.path.write_bytes(with_state("BOOL", bytes([0, 1, byte])))
    refused.refusals.by_modules("'optimizer.3' is BOOL and has bytes other")


# ---------------- 19. zero-size with huge dimensions; over 64 dimensions
@pytest.mark.parametrize("shape", [[0, 2**62, 2**62], [2**63 - 1, 0], [2**61, 4, 0]])
def test_an_empty_tensor_of_huge_dimensions(refused, shape):
    refused(file({"w": entry(shape=shape, data_offsets=[0, 0])}), "overflows 64 bits")


def test_more_than_64_dimensions(refused):
    refused(file({"w": entry(shape=[1] * 65, dtype="U8", data_offsets=[0, 1])}, b"\0"), "65 dimensions")
    refused.path.write_bytes(file({"w": entry(shape=[1] * 64, dtype="U8", data_offsets=[0, 1])}, b"\0"))
    assert storage.load(refused.path)[0]["w"].ndim == 64


# ---------------- 20. dtypes that the library does not have
@pytest.mark.parametrize("code", ["F8_E4M3", "F8_E5M2", "F4"])
def test_a_dtype_that_no_library_has(refused, code):
    refused(file({"w": entry(dtype=code, shape=[8])}, EIGHT), "'w'.*convert")


def test_bfloat16_where_the_library_has_none(refused):
    refused(file({"w": entry(dtype="BF16", shape=[4])}, EIGHT), "bfloat16.*convert|BF16.*convert")
    refused.path.write_bytes(with_state("BF16", EIGHT))
    refused.refusals.by_modules("bfloat16.*convert")


# ---------------- 21. more tensors than the bound
def test_more_tensors_than_the_bound(refused):
    one = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    refused(file("{" + ",".join(f'"{i}":{one}' for i in range(MAX_TENSORS + 1)) + "}"), f"{MAX_TENSORS}")


# ---------------- 22. a pickle, .pt, .zip, object .npy: named, not unpickled
class Trap:
    """Whoever unpickles it notices."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_a_pickle(refused, protocol):
    match = "a pickle, which is never unpacked" if protocol else "not a safetensors file"
    for value in ({"w": [1.0] * 100, "trap": Trap()}, Trap()):
        refused(pickle.dumps(value, protocol), match)


def test_a_zip_archive_as_torch_writes_and_an_npy_file_of_objects(refused):
    with zipfile.ZipFile(refused.path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Trap()))
    refused(None, r"a zip archive, as torch.save")
    buffer = io.BytesIO()
    np.save(buffer, np.asarray([Trap()], object), allow_pickle=True)
    refused(buffer.getvalue(), r"a \.npy file")


# ---------------- 23. a wrong digest or schema version
def test_a_flipped_bit_in_any_byte(refused):
    storage.save(refused.path, {"w": np.arange(4.0), "b": np.ones(3, "uint8")}, {"step": "3"})
    raw = refused.path.read_bytes()
    for i in range(len(raw)):
        changed = bytearray(raw)
        changed[i] ^= 1
        # A padding space that becomes "!" is no JSON; every other change breaks the format or the digest.
        refused(changed)


def test_names_exchanged_between_tensors_of_one_shape(refused):
    storage.save(refused.path, {"aa": np.zeros(3), "bb": np.ones(3)})
    raw = refused.path.read_bytes().replace(b"aa", b"xx").replace(b"bb", b"aa").replace(b"xx", b"bb")
    refused(raw, "digest does not match")


def test_a_checkpoint_whose_values_were_changed(refused):
    header, payload = split(checkpoint())
    for at in range(0, len(payload), 5):
        refused.path.write_bytes(joined(header, payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]))
        refused.refusals.by_modules("digest does not match: the file was changed or damaged")


@pytest.mark.parametrize("version", ["3", "", "1.0"])
def test_another_schema_version(refused, version):
    header = {"__metadata__": {"tl_arrayapi.schema": version}, "w": entry()}
    refused(file(header, EIGHT), f"schema version is '{version}'.*version of this package")


def test_a_digest_left_out_or_keys_added(refused):
    own = {"tl_arrayapi.schema": "1"}
    refused(file({"__metadata__": own, "w": entry()}, EIGHT), "digest")
    refused(file({"__metadata__": {"tl_arrayapi.sha256": "0" * 64}, "w": entry()}, EIGHT), "schema version is None")
    refused(file({"__metadata__": {**own, "tl_arrayapi.other": ""}, "w": entry()}, EIGHT), "tl_arrayapi.other")


# ---------------- what stands beside the parameters
@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"seed": "-1"}, "seed is '-1'"),
        ({"seed": str(2**64)}, "seed is .*below"),
        ({"version": "3"}, "version is '3', and this library reads"),
        ({"sampler": "[]"}, "sampler is not JSON of the form expected"),
        ({"sampler": '{"epoch":1.5}'}, "'epoch': 1.5"),
        ({"sampler": '{"epoch":[1]}'}, "sampler is not JSON of the form expected"),
        ({"sampler": '{"epoch":' + "9" * 30 + "}"}, "64 bits"),
        ({"sampler": '{"' + "x" * 16_000 + '":null}'}, "sampler maps names"),
        ({"sampler": "{" + ",".join(f'"{i}":0' for i in range(5000)) + "}"}, "sampler has more than"),
        ({"made_with": '{"numpy":"' + "2" * 100_000 + '"}'}, "made_with .* a string of at most"),
        ({"made_with": "{}x"}, "made_with is not JSON of the form expected"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_notes_that_are_none(refused, changes, match):
    storage.save(refused.path, {"w": np.zeros((2, 2), "f4"), "b": np.zeros(2, "f4")}, notes(**changes))
    refused.refusals.by_modules(match)
    with pytest.raises(tl.errors.CheckpointError, match=match):
        tl.read_checkpoint(refused.path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{" + ",".join(f'"{i}":""' for i in range(5000)) + "}", "more than 1000 entries"),
        ('{"a":"' + "x" * 16_000_001 + '"}', "at most 16000000 bytes"),
        ('{"a":"' + "x" * 9_000_000 + '","b":"' + "x" * 9_000_000 + '"}', "16000000 characters"),
    ],
    ids=["entries", "one long", "two long"],
)
def test_metadata_without_end(refused, text, match):
    refused(file('{"__metadata__":' + text + "}"), match)
    refused(('{"weight_map":{},"metadata":' + text + "}").encode(), match)


# ---------------- 24, 25. parameters that are not the module's
def test_parameters_missing_extra_or_renamed_are_all_listed(refused):
    storage.save(refused.path, {"weight": np.zeros((2, 2)), "b": np.zeros(2), "c": np.zeros(1)}, notes())
    refused.refusals.by_modules("missing: w; not in the module: weight, c")
    storage.save(refused.path, {}, notes())
    refused.refusals.by_modules("missing: w, b")


def test_very_many_extra_tensors_are_counted(refused):
    many = {f"{i:040}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(5000)}
    refused.path.write_bytes(file(many))
    with pytest.raises(tl.errors.CheckpointError, match=r"not in the module: 0.*\.\.\. \(5000 in all\)") as caught:
        refused.refusals.module.load(refused.path)
    assert len(str(caught.value)) < 110_000


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2, 1), (1, 2, 2), (3, 2), ()])
def test_a_shape_that_is_not_the_parameter_s_even_with_as_many_elements(refused, shape):
    storage.save(refused.path, {"w": np.zeros(shape, "f4"), "b": np.zeros(2, "f4")}, notes())
    refused.refusals.by_modules(r"shape: w \(.*\), where the module has \(2, 2\)")


# ---------------- 26. casts that lose something
@pytest.mark.parametrize("dtype", ["float64", "complex64", "int64", "int32", "uint8", "bool"])
def test_a_cast_that_narrows_or_drops_the_imaginary_part(refused, dtype):
    storage.save(refused.path, {"w": np.ones((2, 2), dtype), "b": np.ones(2, "f4")}, notes())
    refused.refusals.by_modules(f"w.*{dtype}.*float32")


# ---------------- 27. a folder, a FIFO, a dangling link
def test_a_folder(refused):
    refused.path.mkdir()
    refused(None, "not a regular file: give the path of a checkpoint")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_without_waiting_for_a_writer(refused):
    os.mkfifo(refused.path)
    refused(None, "not a regular file")


def test_a_dangling_link_or_one_that_leads_to_itself(refused):
    refused.path.symlink_to(refused.path.parent / "nowhere")
    refused(None, "No such file")
    refused.path.unlink()
    refused.path.symlink_to(refused.path)
    refused(None, "symbolic links")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices on this system")
def test_a_link_to_a_device(refused):
    refused.path.symlink_to("/dev/zero")
    refused(None, "not a regular file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(refused):
    refused.path.write_bytes(checkpoint())
    refused.path.chmod(0)
    with pytest.raises(tl.errors.CheckpointError, match="Permission denied"):
        storage.load(refused.path)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo] if hasattr(os, "mkfifo") else [os.mkdir])
def test_what_is_no_file_is_not_replaced(tmp_path, make):
    make(tmp_path / "m")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("m", "link"):
        with pytest.raises(tl.errors.CheckpointError, match="choose another path"):
            module().save(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["link", "m"]


# ---------------- on the command line
def test_a_run_does_not_go_on_from_a_bad_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.safetensors"
    for content in (b"", checkpoint()[:-1], pickle.dumps(Trap()), file({"\x1b[2J": entry()}, EIGHT), checkpoint()):
        path.write_bytes(content)
        words = ["train", "digits", "--resume", path.name]
        command = CliRunner().invoke(main, words, prog_name="tl-arrayapi")
        assert command.exit_code == 1
        check_message(command.stderr.rstrip())
        assert path.name in command.stderr
        assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {path.name: content}


# ---------------- optimiser states that are none
@pytest.mark.parametrize(
    "step", ["", "-1", "1.0", "1e3", "٣", str(2**63), "1" * 5000, "None"], ids=lambda step: step[:9]
)
def test_a_step_that_is_no_count(refused, step):
    storage.save(refused.path, {"w": np.zeros((2, 2), "f4"), "b": np.zeros(2, "f4")}, notes(step=step))
    refused.refusals.by_modules("step")


@pytest.mark.parametrize(
    "text", ["", "[", "{}", '{"array":"9"}', "[" * 100_000, "NaN", '"\ud800"', "1.5"], ids=lambda t: t[:9]
)
def test_a_state_that_cannot_be_read(refused, text):
    header, payload = split(checkpoint())
    document = json.loads(header)
    document["__metadata__"]["optimizer"] = text
    refused.path.write_bytes(file(signed(json.dumps(document), payload), payload))
    refused.refusals.by_modules("state")


def test_a_state_takes_no_more_than_linear_time():
    key = "k" * 120_000
    text = '{"dict":[["' + key + '",[' + ",".join("1" * 60_000) + "]]]}"
    with measured(len(text), traced=False):
        assert storage.unpack_state({}, text) == {key: [1] * 60_000}


@pytest.mark.parametrize("bad", [None, 3, "", "a\0b", object()])
def test_what_is_no_path(bad):
    for load in (storage.load, module().load, tl.read_checkpoint):
        with pytest.raises(tl.errors.CheckpointError, match="path is expected"):
            load(bad)


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "\u202e", b"\xff"], ids=ascii)
def test_a_path_with_escape_codes_is_shown_without_them(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path) if isinstance(name, bytes) else tmp_path, name)
    for load in (storage.load, module().load):
        with pytest.raises(tl.errors.CheckpointError, match="No such file") as caught:
            load(path)
        check_message(str(caught.value))


# ---------------- files that change while they are read
@pytest.fixture
def while_reading(monkeypatch):
    """Give what has something done to a file before it is read for the nth time; the rest is skipped without preadv."""
    if not hasattr(os, "preadv"):
        pytest.skip("files are read in another way on this system")
    read = os.preadv

    def arrange(nth, act):
        calls = itertools.count()

        def acting(*args):
            if next(calls) == nth:
                act()
            return read(*args)

        monkeypatch.setattr(os, "preadv", acting)

    return arrange


@pytest.mark.parametrize("nth", [0, 1, 2, 3])
def test_a_file_that_is_cut_short_while_it_is_read(refused, while_reading, nth):
    for size in (0, 4, 8, 100, len(checkpoint()) - 1):
        refused.path.write_bytes(checkpoint())
        while_reading(nth, functools.partial(os.truncate, refused.path, size))
        with pytest.raises(tl.errors.CheckpointError, match=r"cut short|are possible"):
            storage.load(refused.path)


@pytest.mark.parametrize("nth", [0, 1, 2, 3])
def test_a_file_that_is_written_to_while_it_is_read(refused, while_reading, nth):
    refused.path.write_bytes(checkpoint())
    while_reading(nth, lambda: refused.path.write_bytes(checkpoint()[:-1] + b"A"))
    with pytest.raises(tl.errors.CheckpointError, match="digest does not match: the file was changed"):
        storage.load(refused.path)


def test_a_system_that_cannot_read_at_a_place(refused, monkeypatch):
    monkeypatch.delattr(os, "preadv", raising=False)
    refused.path.write_bytes(checkpoint())
    assert module().load(refused.path)[1] == 1
    refused(checkpoint()[:-1], "cut short")


def test_a_disk_that_fails_while_it_is_read(refused, while_reading):
    def fail():
        raise OSError(errno.EIO, "Input/output error")

    refused.path.write_bytes(checkpoint())
    for nth in range(4):
        while_reading(nth, fail)
        with pytest.raises(tl.errors.CheckpointError, match="Input/output error"):
            storage.load(refused.path)


# ---------------- headers that claim much
@pytest.mark.parametrize(
    "content",
    [
        pytest.param((2**63).to_bytes(8, "little") + b"{}", id="a header of 2^63 bytes"),
        pytest.param((99_000_000).to_bytes(8, "little") + b"{" * 1000, id="a header of 99 MB"),
        pytest.param(file({"w": entry(shape=[2**60], data_offsets=[0, 2**62])}, EIGHT), id="a tensor of 4 EiB"),
        pytest.param(file({"w": entry(shape=[0, 2**60], data_offsets=[0, 0])}), id="an empty tensor of 2^60 rows"),
        pytest.param(b'{"weight_map":{"w":"' + b"x" * 100_000, id="an index without end"),
        pytest.param(file('{"w":' + "[]," * 400_000), id="a header of empty lists"),
        pytest.param(file('{"w":{"shape":[' + "1," * 400_000), id="a shape of 400,000 dimensions"),
        pytest.param(file('{"' + "\\u0000" * 200_000 + '":1}'), id="a name of 200,000 escapes"),
        pytest.param(file('{"__metadata__":{' + '"":"",' * 200_000), id="the same note 200,000 times"),
        pytest.param(file('{"__metadata__":{"a":"' + "\U0001f600" * 200_000), id="a note without end"),
    ],
)
def test_a_file_that_claims_much_takes_no_more_than_a_second_and_twice_its_size(scratch, content):
    scratch.write_bytes(content)
    with measured(len(content)):
        try:
            storage.load(scratch)
        except tl.errors.CheckpointError as error:
            check_message(str(error))


def test_an_index_of_many_names_and_files_takes_no_more_than_a_second(scratch):
    names = [f"{i:x}" for i in range(60_000)]
    one = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    files = [names[i::500] for i in range(500)]
    for i, held in enumerate(files):
        (scratch.parent / f"{i}.s").write_bytes(file(dict.fromkeys(held, one)))
    weight_map = {name: f"{i}.s" for i, held in enumerate(files) for name in held}
    scratch.write_text(json.dumps({"weight_map": weight_map}))
    with open_checkpoint(scratch) as found:
        assert len(found.entries) == len(names)


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        ('{"total_size":1e999}', None),
        ('{"tl_arrayapi.sha256":3}', "tl_arrayapi.sha256.* not a string"),
        ('{"tl_arrayapi.schema":null}', "tl_arrayapi.schema.* not a string"),
    ],
)
def test_an_index_whose_numbers_are_none_or_stand_for_strings(refused, metadata, match):
    (refused.path.parent / "1.s").write_bytes(file({"w": entry()}, EIGHT))
    refused.path.write_text('{"metadata":' + metadata + ',"weight_map":{"w":"1.s"}}')
    if match is None:
        assert list(storage.load(refused.path)[0]) == ["w"]
    else:
        refused(None, match)


def test_an_index_that_names_the_metadata_as_a_tensor(refused):
    refused(b'{"weight_map":{"__metadata__":"1.s"}}', "cannot be named '__metadata__'")


def test_keys_of_a_state_beyond_64_bits(refused):
    with pytest.raises(tl.errors.CheckpointError, match="bits: at most 64"):
        storage.unpack_state({}, '{"dict":[[' + str(2**64) + ",1]]}")


@pytest.mark.slow
@pytest.mark.parametrize("text", ["[],", '"":"",', "\\u0000", " ", '{"":', "\\\\", "\U0001f600"])
@pytest.mark.parametrize("start", ['{"w":', '{"', '{"__metadata__":{"a":"', '{"__metadata__":{'], ids=str)
def test_a_header_of_99_megabytes_takes_no_more_than_a_second_and_its_size(scratch, start, text):
    content = start.encode() + text.encode() * (99_000_000 // len(text.encode()))
    scratch.write_bytes(joined(content, b""))
    size = len(content)
    del content
    with measured(size), pytest.raises(tl.errors.CheckpointError) as caught:
        storage.load(scratch)
    check_message(str(caught.value))
