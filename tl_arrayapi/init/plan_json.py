"""Plans as JSON files: written at once or not at all, and read with suspicion.

A file is ``{"format": "tl_arrayapi.plan", "version": 2, "parameters": [{"name", "shape", "init"}, ...]}``, where
``init`` holds the name of the scheme and its settings; `plan_schema` has all of it as a JSON Schema. Floats are written
in the shortest form that reads back the same, seeds as integers. Whatever else a file may hold, reading it ends in a
PlanError that names the place.
"""

import difflib
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tl_arrayapi.errors import PlanError, ShapeError
from tl_arrayapi.init.json_file import JsonFile
from tl_arrayapi.init.messages import shown
from tl_arrayapi.init.plan_schema import FORMAT, SETTINGS, VERSION, VERSIONS, settings_of
from tl_arrayapi.init.schemes import MAKERS, FloatInit

__all__ = ["read_plan", "write_plan"]

_P = TypeVar("_P")
_Shape = tuple[int, ...]
_Entry = tuple[str, _Shape, FloatInit]

_FILES = JsonFile(
    "plan",
    "Plan.to_json",
    PlanError,
    longest=20,
    integers="shapes, fans and seeds",
    constants="is not a number that a plan can hold: numbers are finite",
    too_large="write long flat(...) values to a checkpoint",
)


def write_plan(path: str | os.PathLike[str], entries: Iterable[_Entry]) -> None:
    """Write a plan's entries to a new file beside ``path``, flush it to the disk and rename it."""
    parameters: list[dict[str, Any]] = [
        {"name": name, "shape": list(shape), "init": {"scheme": init.name} | init.settings()}
        for name, shape, init in entries
    ]
    _FILES.write(path, {"format": FORMAT, "version": VERSION, "parameters": parameters})


def read_plan(path: str | os.PathLike[str], make: Callable[[list[_Shape], list[FloatInit], list[str]], _P]) -> _P:
    """Make a plan of the shapes, initialisers and names in a file; raise PlanError, with the place, for a bad one."""
    return _FILES.read(path, lambda document: make(*_columns(document)))


# ---------------------------------------------------------------- from a document to entries
def _columns(document: Any) -> tuple[list[_Shape], list[FloatInit], list[str]]:
    where = "the plan"
    _check_keys(document, ["format", "version", "parameters"], ["format", "version", "parameters"], where)
    if document["format"] != FORMAT:
        raise PlanError(
            f"format is {shown(document['format'])}, and a plan's is {FORMAT!r}: this is a file of another kind"
        )
    if not _is_integer(document["version"]) or document["version"] not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise PlanError(
            f"version is {shown(document['version'])}, and this library reads {known}: use the one that wrote it"
        )
    if not isinstance(document["parameters"], list):
        raise PlanError("parameters is not a list: it holds one object for each parameter")
    entries = [_entry(item, f"parameters[{i}]") for i, item in enumerate(document["parameters"])]
    return [shape for _, shape, _ in entries], [init for _, _, init in entries], [name for name, _, _ in entries]


def _entry(item: Any, where: str) -> _Entry:
    _check_keys(item, ["name", "shape", "init"], ["name", "shape", "init"], where)
    if not isinstance(item["name"], str):
        raise PlanError(f"{where}.name is {shown(item['name'])}, not a string")
    shape = item["shape"]
    if not isinstance(shape, list) or not all(map(_is_integer, shape)):
        raise PlanError(f"{where}.shape is {shown(shape)}, not a list of integers")
    return item["name"], tuple(shape), _init(item["init"], f"{where}.init")


def _init(item: Any, where: str) -> FloatInit:
    if not isinstance(item, dict) or not isinstance(item.get("scheme"), str):
        _check_keys(item, list(item) if isinstance(item, dict) else [], ["scheme"], where, known=["scheme"])
        raise PlanError(f"{where}.scheme is {shown(item['scheme'])}, not a string")
    name = item["scheme"]
    if name not in MAKERS:
        raise PlanError(f"{where}.scheme is {shown(name)}, which is not known{_nearest(name, list(MAKERS))}")
    allowed, required = settings_of(MAKERS[name])
    _check_keys(item, ["scheme", *allowed], ["scheme", *required], where)
    settings = {key: value for key, value in item.items() if key != "scheme"}
    for key, value in settings.items():
        _check_setting(SETTINGS[key], value, f"{where}.{key}")
    try:
        return MAKERS[name](**settings)
    except (PlanError, ShapeError) as error:
        raise PlanError(f"{where}: {error}") from error


def _check_setting(schema: dict[str, Any], value: Any, where: str) -> None:
    """Raise where a value is of another type than its schema says; the rest is for the initialiser to check."""
    match schema["type"]:
        case "array":
            if not isinstance(value, list) or not all(map(_is_number, value)):
                raise PlanError(f"{where} is not a list of numbers")
        case "string":
            if value not in schema["enum"]:
                raise PlanError(f"{where} is {shown(value)}, not one of {', '.join(schema['enum'])}")
        case "integer":
            if not _is_integer(value):
                raise PlanError(f"{where} is {shown(value)}, not an integer")
        case _:
            if not _is_number(value):
                raise PlanError(f"{where} is {shown(value)}, not a number")


def _check_keys(item: Any, allowed: list[str], required: list[str], where: str, known: list[str] | None = None) -> None:
    if not isinstance(item, dict):
        raise PlanError(f"{where} is not an object but {type(item).__name__}: it has the keys {', '.join(required)}")
    missing = [key for key in required if key not in item]
    for key in item:
        if key not in allowed or (missing and known and key not in known):
            raise PlanError(f"{where} has the unknown key {shown(key)}{_nearest(key, known or allowed)}")
    if missing:
        raise PlanError(f"{where} lacks {', '.join(map(repr, missing))}")


def _nearest(word: str, known: list[str]) -> str:
    found = difflib.get_close_matches(word[:100], known, 1, 0.5)
    return f": did you mean {found[0]!r}?" if found else f": there are {', '.join(known)}"


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
