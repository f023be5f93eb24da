"""Receipts as files for fuzzing: sound ones to begin with, and what is made of them."""

import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.hostile.mutation import Mutator, parsed, written
from tl_arrayapi.distributed.exact import ExactSum
from tl_arrayapi.distributed.receipts import Receipt, ReceiptPart
from tl_arrayapi.distributed.record import Skipped

__all__ = ["mutated", "receipt", "said", "sound_receipts"]


def receipt(*groups: list[float], weights: float | None = None, skipped: tuple[Skipped, ...] = ()) -> Receipt:
    """Return a receipt for losses, a part for each group of them."""
    sums = [ExactSum.of(group, weights and [weights] * len(group)) for group in groups]
    total = ExactSum()
    for one in sums:
        total = total.merge(one)
    parts = [ReceiptPart(8 * i, 8 * i + 8, f"{i + 1:0128x}", one) for i, one in enumerate(sums)]
    data = f"{sum(range(1, len(groups) + 1)):0128x}"
    return Receipt("0" * 63 + "a", "program:" + "1" * 64, data, total, 64, "Python 3, numpy", tuple(parts), skipped)


@cache
def sound_receipts() -> tuple[bytes, ...]:
    """Return receipts with and without parts, and with losses of every kind."""
    nan, inf = float("nan"), float("inf")
    receipts = [
        receipt(),
        receipt([1.0, 2.5]),
        receipt([0.1, 0.2], [-3.0, 5e-324], [1e308, 1e308], weights=0.3),
        receipt([nan, 1.0], [inf], weights=5e-324),
        receipt([-inf, 2.0], skipped=(Skipped("rows 0 to 9 of x.npy", 10, "DataError: gone"), Skipped("b", None, ""))),
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder, "receipt.json")
        return tuple(_written(one, path) for one in receipts)


def _written(one: Receipt, path: Path) -> bytes:
    one.to_json(path)
    return path.read_bytes()


def mutated(seed: int) -> bytes:
    """Return the hostile receipt of a seed."""
    m = Mutator(f"receipt {seed}")
    raw, other = m.one(sound_receipts()), m.one(sound_receipts())
    if m.chance(0.2):
        return m.bytes(raw, other)
    document = m.document(parsed(raw), parsed(other))
    return written(document, m.one((",", " , ", ",\n")), m.one((":", ": "))).encode("utf-8", "surrogatepass")


def said(raw: bytes) -> dict[str, Any]:
    """Return what a receipt truthfully says; AssertionError where it is none."""
    document = json.loads(raw.decode(), object_pairs_hook=_distinct, parse_constant=_refuse)
    assert len(document) == 10
    assert document["format"] == "tl_arrayapi.receipt"
    assert document["version"] == 1
    assert type(document["version"]) is int
    total, data = Fraction(0), 0
    for part in document["parts"]:
        assert sorted(part) == ["data", "losses", "start", "stop"]
        total += exact(part["losses"]["sum"])
        data += int(part["data"], 16)
    assert not document["parts"] or total == exact(document["losses"]["sum"])
    assert not document["parts"] or data % 2**512 == int(document["data"], 16)
    return document


def exact(text: str) -> Fraction:
    digits, power = text.split("p")
    return int(digits, 16) * Fraction(2) ** int(power)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def _refuse(word: str) -> Any:
    raise AssertionError(word)
