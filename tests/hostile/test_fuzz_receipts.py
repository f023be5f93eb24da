"""Receipts made to harm, by the ten thousand: our exceptions, or the truth."""

from fractions import Fraction

import pytest

from tests.hostile.fuzzing import tried
from tests.hostile.receipt_files import exact, mutated, said
from tl_arrayapi.distributed import Receipt


def check_content(raw, receipt):
    document = said(raw)
    for name in ("parameters", "code", "data", "micro_batch", "environment"):
        assert getattr(receipt, name) == document[name]
        assert type(getattr(receipt, name)) is type(document[name])
    check_losses(document["losses"], receipt.sum)
    assert [(part.start, part.stop, part.data) for part in receipt.parts] == [
        (part["start"], part["stop"], part["data"]) for part in document["parts"]
    ]
    for made, given in zip(receipt.parts, document["parts"], strict=True):
        check_losses(given["losses"], made.sum)
    assert [(piece.name, piece.samples, piece.reason) for piece in receipt.skipped] == [
        (piece["name"], piece["samples"], piece["reason"]) for piece in document["skipped"]
    ]


def check_losses(given, made):
    unusual = [made.nans, made.positive_infinities, made.negative_infinities]
    assert [made.count, *unusual] == [given[key] for key in ("count", "nan", "inf", "-inf")]
    assert Fraction(made.total, 2**2148) == exact(given["sum"])
    assert Fraction(made.weight, 2**1074) == exact(given["weight"])
    if made.weight:
        assert repr(made.mean) == repr(given["mean"]).strip("'")


def try_receipts(path, seeds):
    def load(raw):
        path.write_bytes(raw)
        return Receipt.from_json(path)

    return tried(seeds, mutated, load, check_content)


def test_mutated_receipts_are_refused_or_read_as_what_they_say(scratch):
    assert 5 < try_receipts(scratch, range(500)) < 250


@pytest.mark.slow
def test_many_mutated_receipts_are_refused_or_read_as_what_they_say(scratch):
    assert try_receipts(scratch, range(25_000))
