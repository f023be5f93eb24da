"""The published JSON Schema of receipts: what is written keeps to it, and so does what is read."""

import json
from importlib.resources import files

import jsonschema
import pytest

from tests.hostile.receipt_files import mutated, sound_receipts
from tl_arrayapi.distributed import Receipt
from tl_arrayapi.distributed.receipts import receipt_schema
from tl_arrayapi.errors import ReceiptError

VALIDATOR = jsonschema.Draft202012Validator(Receipt.json_schema())


def test_the_file_is_what_the_module_makes():
    file = files("tl_arrayapi.distributed.receipts").joinpath("receipt.schema.json")
    assert file.read_text() == receipt_schema.made(), f"write what receipt_schema.made() returns to {file}"


def test_it_is_a_schema_and_each_caller_gets_one_of_its_own():
    jsonschema.Draft202012Validator.check_schema(Receipt.json_schema())
    Receipt.json_schema().clear()
    assert Receipt.json_schema()["required"]


@pytest.mark.parametrize("raw", sound_receipts(), ids=len)
def test_what_is_written_keeps_to_it(raw):
    VALIDATOR.validate(json.loads(raw))


def test_what_is_read_keeps_to_it(tmp_path):
    read, path = 0, tmp_path / "receipt.json"
    for seed in range(300):
        path.write_bytes(raw := mutated(seed))
        try:
            Receipt.from_json(path)
        except ReceiptError:
            continue
        VALIDATOR.validate(json.loads(raw))
        read += 1
    assert read > 5
