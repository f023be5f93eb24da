"""What a file of a receipt may hold, as a JSON Schema.

It is published as ``receipt.schema.json`` beside this file; a test holds the two together. What a schema cannot say,
that parts add up to the whole and means are what sums give, the reader checks.
"""

import json
from importlib.resources import files
from typing import Any

from tl_arrayapi.distributed.receipts.numbers import PATTERN

__all__ = ["made", "receipt_schema"]


def receipt_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a receipt's file, a fresh dict.

    It is also a file of the package, ``tl_arrayapi/distributed/receipts/receipt.schema.json``.

    >>> sorted(receipt_schema()["$defs"])
    ['count', 'data', 'losses', 'number']
    """
    file = files("tl_arrayapi.distributed.receipts").joinpath("receipt.schema.json")
    schema: dict[str, Any] = json.loads(file.read_bytes())
    return schema


def made() -> str:
    """Return what ``receipt.schema.json`` has to hold."""
    text, data, count, losses = {"type": "string"}, _reference("data"), _reference("count"), _reference("losses")
    document = {
        "format": {"const": "tl_arrayapi.receipt"},
        "version": {"const": 1},
        "parameters": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "code": {"type": "string", "pattern": "^(program|bytecode):[0-9a-f]{64}$"},
        "data": data,
        "losses": losses,
        "micro_batch": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
        "environment": text,
        "parts": {
            "type": "array",
            "items": _object({"start": count, "stop": count, "data": data, "losses": losses}),
            "description": "None, or runs of samples that add up to the whole.",
        },
        "skipped": {
            "type": "array",
            "items": _object({"name": text, "samples": {"anyOf": [count, {"type": "null"}]}, "reason": text}),
        },
    }
    number = _reference("number")
    defined = {
        "count": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
        "data": {"type": "string", "pattern": "^[0-9a-f]{128}$"},
        "losses": _object(
            {
                "count": count,
                "mean": {"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf", None]}]},
                "sum": number,
                "weight": number,
                "nan": count,
                "inf": count,
                "-inf": count,
            }
        ),
        "number": {"type": "string", "pattern": PATTERN, "description": "An integer times a power of two, exactly."},
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tl_arrayapi:receipt:1",
        "title": "A receipt of tl_arrayapi: what a mean loss is the mean of",
        **_object(document),
        "$defs": defined,
    }
    return json.dumps(schema, indent=2) + "\n"


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
