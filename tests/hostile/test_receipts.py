"""Receipts as files that must be refused, with the place and what to do; and sound ones, that come back equal."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile.fuzzing import check_message, measured
from tests.hostile.receipt_files import receipt, sound_receipts
from tests.hostile.refusals import contents
from tl_arrayapi.distributed import Receipt
from tl_arrayapi.errors import ReceiptError
from tl_arrayapi.init import json_file

anything = st.lists(st.lists(st.floats(), min_size=1, max_size=4), max_size=4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "receipt.json"


@pytest.fixture
def refused(path):
    """Give what writes a receipt, or takes the one that is there, and asserts that it is refused."""

    def check(content, match):
        if isinstance(content, dict):
            content = json.dumps(content)
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        before = contents(path.parent)
        with pytest.raises(ReceiptError, match=match) as caught:
            Receipt.from_json(path)
        assert str(path) in str(caught.value)
        check_message(str(caught.value))
        assert contents(path.parent) == before

    return check


def document(**changes):
    return json.loads(sound_receipts()[1]) | changes


def losses(**changes):
    return document()["losses"] | changes


def part(**changes):
    return document()["parts"][0] | changes


# ---- what comes back
@given(anything, st.none() | st.floats(5e-324, 1e300))
@settings(max_examples=40, deadline=None)
def test_a_receipt_comes_back_as_it_was(tmp_path_factory, groups, weight):
    path = tmp_path_factory.mktemp("receipts") / "receipt.json"
    given_ = receipt(*groups, weights=weight)
    given_.to_json(path)
    found = Receipt.from_json(path)
    assert (found, found.parts, found.skipped) == (given_, given_.parts, given_.skipped)


def test_a_sum_is_written_as_every_program_reads_it(path):
    receipt([1e16, 1.0, -3.0]).to_json(path)
    written = json.loads(path.read_text())["losses"]
    assert (written["sum"], written["weight"]) == (f"{(10**16 - 2) // 2:#x}p+1", "0x3p+0")
    assert float.fromhex(written["sum"]) == 1e16 - 2


def test_a_receipt_replaces_an_old_one_and_leaves_nothing_else(path):
    path.write_text("old")
    receipt([1.0]).to_json(path)
    assert Receipt.from_json(str(path)) == receipt([1.0])
    assert os.listdir(path.parent) == [path.name]


def test_a_link_goes_on_to_be_one(path):
    (path.parent / "other.json").touch()
    path.symlink_to(path.parent / "other.json")
    receipt([1.0]).to_json(path)
    assert path.is_symlink()
    assert Receipt.from_json(path.parent / "other.json") == receipt([1.0])


# ---- files
@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "is not an object but list"),
        (b'{"format": "tl_arrayapi.receipt", "format": 1}', "there twice"),
        (b'{"format": NaN}', "NaN is not JSON"),
        (b'{"format": 1e999}', "beyond what a float can hold"),
        (b'{"format": ' + b"9" * 5000 + b"}", "5000 digits"),
    ],
)
def test_what_is_not_json_of_an_object_is_refused(refused, content, match):
    with measured(len(content)):
        refused(content, match)


def test_what_is_no_file_is_refused(refused, path):
    refused(None, "does not exist")
    path.mkdir()
    refused(None, "is not a file")


def test_a_file_that_is_too_long_is_not_read(refused, monkeypatch):
    monkeypatch.setattr(json_file, "_MOST_BYTES", 100)
    refused(document(), "at most 100")


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000, None, 3])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ReceiptError, match="not a path"):
        Receipt.from_json(path)
    with pytest.raises(ReceiptError, match="not a path"):
        receipt([1.0]).to_json(path)


@pytest.mark.parametrize("name", ["", "missing/receipt.json"])
def test_what_cannot_be_written_leaves_everything_as_it_was(tmp_path, name):
    before = contents(tmp_path)
    with pytest.raises(ReceiptError, match=r"could not be written|is not a file"):
        receipt([1.0]).to_json(tmp_path / name)
    assert contents(tmp_path) == before


def test_a_receipt_too_long_to_be_read_is_not_written(path, monkeypatch):
    monkeypatch.setattr(json_file, "_MOST_BYTES", 100)
    with pytest.raises(ReceiptError, match="merge fewer"):
        receipt([1.0]).to_json(path)
    assert not path.exists()


# ---- what a receipt cannot hold
@pytest.mark.parametrize(
    ("content", "match"),
    [
        (document(format="tl_arrayapi.plan"), "file of another kind"),
        (document(version=2), "this library reads 1"),
        (document(version=True), "this library reads 1"),
        ({k: v for k, v in document().items() if k != "data"}, "lacks 'data'"),
        (document(more=1), "unknown key 'more'"),
        (document(parameters="0" * 63), "64 hexadecimal digits"),
        (document(parameters="A" * 64), "64 hexadecimal digits"),
        (document(parameters="0" * 64 + "\n"), "64 hexadecimal digits"),
        (document(code="0" * 64), '"program:" or "bytecode:"'),
        (document(data=0), "128 hexadecimal digits"),
        (document(micro_batch=0), "micro_batch is 0"),
        (document(micro_batch=True), "micro_batch is True"),
        (document(micro_batch=2.0), "micro_batch is 2.0"),
        (document(micro_batch=2**63), "micro_batch is"),
        (document(environment=None), "environment is None"),
        (document(parts={}), "parts is not a list"),
        (document(parts=[1]), r"parts\[0\] is not an object"),
        (document(parts=[part(start=-1)]), r"parts\[0\].start is -1"),
        (document(parts=[part(stop=0)]), r"parts\[0\].stop is 0"),
        (document(parts=[part(), part()]), "do not add up"),
        (document(parts=[part(data="0" * 128)]), "data digests of the parts do not add up"),
        (document(skipped=[{"name": "x", "samples": -1, "reason": ""}]), r"skipped\[0\].samples is -1"),
        (document(skipped=[{"name": 1, "samples": None, "reason": ""}]), r"skipped\[0\].name is 1"),
        (document(losses=[]), "losses is not an object"),
        (document(losses=losses(count=-2)), "losses.count is -2"),
        (document(losses=losses(count=0)), "cannot have"),
        (document(losses=losses(nan=3)), "3 losses that are not finite among 2"),
        (document(losses=losses(nan=2, mean="nan")), "cannot have"),
        (document(losses=losses(weight="-0x1p+1")), "cannot have"),
        (document(losses=losses(sum="0x1p+1026", mean=1e308)), "cannot have"),
        (document(losses=losses(mean=1.0)), "losses.mean is 1.0"),
        (document(losses=losses(mean="1.75")), "losses.mean is '1.75'"),
        (document(losses=losses(mean=None)), "losses.mean is None"),
        (document(losses=losses(sum=3.5)), "losses.sum is 3.5"),
        (document(losses=losses(sum="3.5")), "not a number such as"),
        (document(losses=losses(sum="0x7p-1\n")), "not a number such as"),
        (document(losses=losses(sum="0xep-2")), "not in its shortest form"),
        (document(losses=losses(sum="0x07p-1")), "not in its shortest form"),
        (document(losses=losses(sum="0x7p-01")), "not in its shortest form"),
        (document(losses=losses(sum="-0x0p+0")), "not in its shortest form"),
        (document(losses=losses(sum="0x1p-2149")), "finer, or greater"),
        (document(losses=losses(weight="0x1p-1075")), "finer, or greater"),
        (document(losses=losses(sum="0x1p+9999")), "finer, or greater"),
        (document(losses=losses(sum="0x" + "f" * 1101 + "p+0")), "not a number such as"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_a_receipt_cannot_hold_is_refused(refused, content, match):
    refused(content, match)


def test_a_mean_is_whatever_the_sum_and_the_weight_give(path):
    found = losses(sum="0x7p+0", mean=3.5)
    path.write_text(json.dumps(document(losses=found, parts=[])))
    assert Receipt.from_json(path).mean == 3.5
