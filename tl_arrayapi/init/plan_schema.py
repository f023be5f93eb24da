"""What a file of a plan may hold, as a JSON Schema: which settings an initialiser has is read from its function.

The schema is published as ``plan.schema.json`` beside this file; a test holds the two together. What a schema cannot
say, such as ``lo < hi`` or the length of ``values``, the functions check.
"""

import inspect
import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from tl_arrayapi.init.fans import MAX_DIMENSIONS, MAX_ELEMENTS
from tl_arrayapi.init.schemes import MAKERS

__all__ = ["FORMAT", "SETTINGS", "VERSION", "VERSIONS", "made", "plan_schema", "settings_of"]

FORMAT = "tl_arrayapi.plan"
VERSIONS = (1, 2)
"""The versions that are read. Version 2 has more initialisers and settings than version 1; all else is the same."""
VERSION = 2
"""The version that is written."""

_NUMBER = {"type": "number"}
_FAN = {"type": "integer", "minimum": 1, "maximum": MAX_ELEMENTS}

SETTINGS: dict[str, dict[str, Any]] = {
    "fan_in": _FAN,
    "fan_out": _FAN,
    "gain": {"type": "number", "exclusiveMinimum": 0},
    "hi": _NUMBER,
    "lo": _NUMBER,
    "mean": _NUMBER,
    "mode": {"type": "string", "enum": ["fan_in", "fan_out"]},
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
    "std": {"type": "number", "minimum": 0},
    "value": _NUMBER,
    "values": {"type": "array", "items": _NUMBER},
}
"""The schema of each setting; one name means the same in every initialiser."""


def plan_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a plan's file, a fresh dict.

    It is also a file of the package, ``tl_arrayapi/init/plan.schema.json``, for tools that know no Python.

    >>> schema = plan_schema()
    >>> schema["required"], sorted(schema["$defs"]["uniform"]["properties"])
    (['format', 'version', 'parameters'], ['hi', 'lo', 'scheme', 'seed'])
    """
    schema: dict[str, Any] = json.loads(files("tl_arrayapi.init").joinpath("plan.schema.json").read_bytes())
    return schema


def made() -> str:
    """Return what ``plan.schema.json`` has to hold."""
    names = sorted(MAKERS)
    parameter = {
        "name": {"type": "string", "minLength": 1, "description": "Printable, and given to one parameter alone."},
        "shape": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
            "maxItems": MAX_DIMENSIONS,
        },
        "init": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]},
    }
    document = {
        "format": {"const": FORMAT},
        "version": {"enum": list(VERSIONS)},
        "parameters": {"type": "array", "items": _object(parameter, list(parameter))},
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tl_arrayapi:plan:{VERSION}",
        "title": "A plan of tl_arrayapi: one initialiser for each parameter, in order",
        **_object(document, list(document)),
        "$defs": {name: _initialiser(name) for name in names},
    }
    return json.dumps(schema, indent=2) + "\n"


@cache
def settings_of(make: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of all settings of an initialiser's function, and of those that cannot be left out."""
    parameters = inspect.signature(make).parameters
    return tuple(parameters), tuple(key for key, found in parameters.items() if found.default is found.empty)


def _initialiser(name: str) -> dict[str, Any]:
    settings, required = settings_of(MAKERS[name])
    properties = {"scheme": {"const": name}, **{key: SETTINGS[key] for key in settings}}
    return _object(properties, ["scheme", *required])


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
