"""Headers of every hostile kind are refused, with a message that helps."""

import json

import numpy as np
import pytest

from tests.storage.common import EIGHT, entry, refused, same, write
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage import load
from tl_arrayapi.storage.header import MAX_TENSORS


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
    refused(path, "not UTF-8|does not begin|a string and ':' is expected")


@pytest.mark.parametrize(
    "header", ["", "[]", "3", '"{}"', "{", "{'w':1}", "{} {}", "{}\0", '{"w":}', ' {"a":1}', '{"a":1e}']
)
def test_a_header_that_is_no_json_object_is_refused(path, header):
    write(path, header)
    refused(path, "not JSON|not a JSON object|no object")


@pytest.mark.parametrize(
    "header", ['{"a":' * 100_000 + "1" + "}" * 100_000, '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"]
)
def test_a_header_nested_very_deeply_is_refused(path, header):
    write(path, header)
    refused(path, "an object of at most 4096 bytes is expected|described by no object")


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
    refused(path, f"not JSON .{word} is no number")


def test_a_dimension_of_ten_thousand_digits_is_refused(path):
    write(path, json.dumps({"w": entry(shape=["?"])}).replace('"?"', "1" + "0" * 10_000), EIGHT)
    refused(path, "not JSON")


@pytest.mark.parametrize("shape", [None, 2, "2", {"2": 2}])
def test_a_shape_that_is_no_list_is_refused(path, shape):
    write(path, {"w": entry(shape=shape)}, EIGHT)
    refused(path, "whole numbers from 0|not JSON")


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
    refused(path, "described by .*'dtype'.*'dtype'.* are expected, once")


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


@pytest.mark.parametrize("shape", [[0, 2**62, 2**62], [2**63 - 1, 0], [2**61, 4, 0]])
def test_an_empty_tensor_of_huge_dimensions_is_refused(path, shape):
    write(path, {"w": entry(shape=shape, data_offsets=[0, 0])})
    refused(path, "overflows 64 bits")


def test_more_than_64_dimensions_are_refused(path):
    write(path, {"w": entry(shape=[1] * 65, dtype="U8", data_offsets=[0, 1])}, b"\0")
    refused(path, "65 dimensions")
    write(path, {"w": entry(shape=[1] * 64, dtype="U8", data_offsets=[0, 1])}, b"\0")
    assert load(path)[0]["w"].ndim == 64


@pytest.mark.parametrize("code", ["F8_E4M3", "F8_E5M2", "F4"])
def test_a_dtype_that_no_array_library_has_is_refused(path, code):
    write(path, {"w": entry(dtype=code, shape=[8])}, EIGHT)
    refused(path, "no array library here has it: convert")


def test_bfloat16_is_refused_as_a_numpy_array(path):
    write(path, {"w": entry(dtype="BF16", shape=[4])}, EIGHT)
    refused(path, "NumPy does not have it: convert")


def test_more_tensors_than_the_bound_are_refused(path):
    one = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    write(path, "{" + ",".join(f'"{i}":{one}' for i in range(MAX_TENSORS + 1)) + "}")
    refused(path, f"there are {MAX_TENSORS + 1} tensors, and at most {MAX_TENSORS}")
