"""Receipts as JSON files: written at once or not at all, and read with suspicion.

A file is ``{"format": "tl_arrayapi.receipt", "version": 1, "parameters", "code", "data", "losses", "micro_batch",
"environment", "parts": [{"start", "stop", "data", "losses"}, ...], "skipped": [{"name", "samples", "reason"}, ...]}``.
Digests are hexadecimal. ``losses`` is ``{"count", "mean", "sum", "weight", "nan", "inf", "-inf"}``: ``sum`` and
``weight`` are exact, in hexadecimal floating point (see `numbers`); ``mean`` is for people, and the counts are of what
is not finite. `receipt_schema` has all of it as a JSON Schema. Whatever else a file may hold, reading it ends in a
ReceiptError that names the place.
"""

import os
import re
import sys
from typing import Any

from tl_arrayapi.distributed.exact import ExactSum
from tl_arrayapi.distributed.receipts.data import MODULUS
from tl_arrayapi.distributed.receipts.numbers import as_text, from_text
from tl_arrayapi.distributed.receipts.receipt import Receipt, ReceiptPart
from tl_arrayapi.distributed.record import Skipped
from tl_arrayapi.distributed.units import EXPONENT
from tl_arrayapi.errors import ReceiptError
from tl_arrayapi.init.json_file import JsonFile
from tl_arrayapi.init.messages import shown

__all__ = ["FORMAT", "VERSION", "read_receipt", "write_receipt"]

FORMAT = "tl_arrayapi.receipt"
VERSION = 1

_FILES = JsonFile(
    "receipt",
    "Receipt.to_json",
    ReceiptError,
    longest=19,
    integers="counts and places",
    constants='is not JSON: a mean that is not finite is written as a string, "nan"',
    too_large="merge fewer of them",
)
_LARGEST = 2**63 - 1
_LARGEST_FLOAT = int(sys.float_info.max) << EXPONENT

_KEYS = (
    "format",
    "version",
    "parameters",
    "code",
    "data",
    "losses",
    "micro_batch",
    "environment",
    "parts",
    "skipped",
)
_LOSSES = ("count", "mean", "sum", "weight", "nan", "inf", "-inf")


def write_receipt(path: str | os.PathLike[str], receipt: Receipt) -> None:
    """Write a receipt to a new file beside ``path``, flush it to the disk and rename it."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "parameters": receipt.parameters,
        "code": receipt.code,
        "data": receipt.data,
        "losses": _losses(receipt.sum),
        "micro_batch": receipt.micro_batch,
        "environment": receipt.environment,
        "parts": [
            {"start": part.start, "stop": part.stop, "data": part.data, "losses": _losses(part.sum)}
            for part in receipt.parts
        ],
        "skipped": [
            {"name": piece.name, "samples": piece.samples, "reason": piece.reason} for piece in receipt.skipped
        ],
    }
    _FILES.write(path, document)


def read_receipt(path: str | os.PathLike[str]) -> Receipt:
    """Return the receipt in a file; raise ReceiptError, with the place, for a bad one."""
    return _FILES.read(path, _receipt)


def _losses(found: ExactSum) -> dict[str, Any]:
    return {
        "count": found.count,
        "mean": _mean(found),
        "sum": as_text(found.total, 2 * EXPONENT),
        "weight": as_text(found.weight, EXPONENT),
        "nan": found.nans,
        "inf": found.positive_infinities,
        "-inf": found.negative_infinities,
    }


def _mean(found: ExactSum) -> float | str | None:
    """Return the mean as JSON has it: a number, the name of what is not finite, null where there is none."""
    if not found.weight:
        return None
    return found.mean if found.is_finite else repr(found.mean)


def _receipt(document: Any) -> Receipt:
    if isinstance(document, dict) and document.get("format") != FORMAT:
        raise ReceiptError(
            f"format is {shown(document.get('format'))}, and a receipt's is {FORMAT!r}: this is a file of another kind"
        )
    if isinstance(document, dict) and (type(found := document.get("version")) is not int or found != VERSION):
        raise ReceiptError(f"version is {shown(found)}, and this library reads {VERSION}: use the one that wrote it")
    _check_keys(document, _KEYS, "the receipt")
    parts = [_part(item, f"parts[{i}]") for i, item in enumerate(_list(document["parts"], "parts"))]
    skipped = [_skipped(item, f"skipped[{i}]") for i, item in enumerate(_list(document["skipped"], "skipped"))]
    receipt = Receipt(
        _matching(document["parameters"], "[0-9a-f]{64}", "parameters", "the 64 hexadecimal digits of a SHA-256"),
        _matching(
            document["code"], "(program|bytecode):[0-9a-f]{64}", "code", '"program:" or "bytecode:" and a SHA-256'
        ),
        _data(document["data"], "data"),
        _exact(document["losses"], "losses"),
        _integer(document["micro_batch"], "micro_batch", 1),
        _string(document["environment"], "environment"),
        tuple(parts),
        tuple(skipped),
    )
    _check_parts(receipt)
    return receipt


def _part(item: Any, where: str) -> ReceiptPart:
    _check_keys(item, ("start", "stop", "data", "losses"), where)
    start = _integer(item["start"], f"{where}.start", 0)
    stop = _integer(item["stop"], f"{where}.stop", start + 1)
    return ReceiptPart(start, stop, _data(item["data"], f"{where}.data"), _exact(item["losses"], f"{where}.losses"))


def _skipped(item: Any, where: str) -> Skipped:
    _check_keys(item, ("name", "samples", "reason"), where)
    samples = item["samples"]
    return Skipped(
        _string(item["name"], f"{where}.name"),
        None if samples is None else _integer(samples, f"{where}.samples", 0),
        _string(item["reason"], f"{where}.reason"),
    )


def _exact(item: Any, where: str) -> ExactSum:
    _check_keys(item, _LOSSES, where)
    count, *unusual = (_integer(item[key], f"{where}.{key}", 0) for key in ("count", "nan", "inf", "-inf"))
    found = ExactSum(
        _units(item["sum"], f"{where}.sum", 2 * EXPONENT),
        _units(item["weight"], f"{where}.weight", EXPONENT),
        count,
        *unusual,
    )
    if sum(unusual) > count:
        raise ReceiptError(f"{where} counts {sum(unusual)} losses that are not finite among {count}")
    if (
        found.weight < 0
        or bool(found.weight) != bool(count)
        or (found.total and sum(unusual) == count)
        or abs(found.total) > _LARGEST_FLOAT * found.weight
    ):
        raise ReceiptError(f"{where} has a sum or a weight that {count} losses, weighted above 0, cannot have")
    if (mean := item["mean"]) != _mean(found) or isinstance(mean, bool | int):
        raise ReceiptError(f"{where}.mean is {shown(mean)}, and the sum and weight give {_mean(found)!r}")
    return found


def _check_parts(receipt: Receipt) -> None:
    """Raise where there are parts, and they are not the whole."""
    if not receipt.parts:
        return
    total = ExactSum()
    for part in receipt.parts:
        total = total.merge(part.sum)
    if total != receipt.sum:
        raise ReceiptError("the losses of the parts do not add up to those of the receipt: the file was changed")
    if f"{sum(int(part.data, 16) for part in receipt.parts) % MODULUS:0128x}" != receipt.data:
        raise ReceiptError("the data digests of the parts do not add up to the receipt's: the file was changed")


def _units(value: Any, where: str, exponent: int) -> int:
    try:
        return from_text(_string(value, where), exponent)
    except ReceiptError as error:
        raise ReceiptError(f"{where} is {shown(value)}: {error}") from error


def _data(value: Any, where: str) -> str:
    return _matching(value, "[0-9a-f]{128}", where, "the 128 hexadecimal digits of a data digest")


def _matching(value: Any, pattern: str, where: str, what: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ReceiptError(f"{where} is {shown(value)}: {what} are expected")
    return value


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ReceiptError(f"{where} is {shown(value)}, not a string")
    return value


def _integer(value: Any, where: str, least: int) -> int:
    if type(value) is not int or not least <= value <= _LARGEST:
        raise ReceiptError(f"{where} is {shown(value)}, not an integer from {least} to {_LARGEST}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ReceiptError(f"{where} is not a list but {type(value).__name__}")
    return value


def _check_keys(item: Any, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(item, dict):
        raise ReceiptError(f"{where} is not an object but {type(item).__name__}: it has the keys {', '.join(keys)}")
    if missing := [key for key in keys if key not in item]:
        raise ReceiptError(f"{where} lacks {', '.join(map(repr, missing))}")
    if extra := [key for key in item if key not in keys]:
        raise ReceiptError(f"{where} has the unknown key {shown(extra[0])}: there are {', '.join(keys)}")
