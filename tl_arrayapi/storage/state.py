"""Turn a nested state into named arrays and a text, and back: what an optimiser keeps, as a checkpoint can hold it.

The text is JSON. Lists, strings, integers, truth values and null are themselves; what JSON lacks is an object with one
key that says what it is: ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``, ``{"float": "0x1.8p+1"}``,
``{"array": "0"}``.
"""

import json
from collections.abc import Mapping
from typing import Any

from tl_arrayapi import backends
from tl_arrayapi.errors import CheckpointError
from tl_arrayapi.storage.scan import short

__all__ = ["pack_state", "unpack_state"]

# Far above what a chain of optimisers needs, and far below where Python's own stack ends.
_DEEPEST = 64
_LARGEST = 2**64
_TEXT = 1 << 18
_TEXT_FOR_A_TENSOR = 256


def pack_state(state: Any, kind: type | None = None) -> tuple[dict[str, Any], str]:
    """Return the NumPy arrays of a state, under the names "0", "1", ..., and a JSON text that says how they are nested.

    A state is dicts with strings or integers for keys, lists, tuples, None, bool, int (below 2^64 in size), float,
    str, and NumPy arrays, or what stands for them, of another ``kind``, nested to a depth of 64 at most. Raises
    CheckpointError for anything else, naming the entry.

    >>> import numpy as np
    >>> pack_state({"step": 3, "m": [np.ones(2)]})
    ({'0': array([1., 1.])}, '{"dict":[["step",3],["m",[{"array":"0"}]]]}')
    """
    tensors: dict[str, Any] = {}
    form = _packed(state, tensors, kind or backends.get(None).namespace.ndarray, "state", 0)
    text = json.dumps(form, separators=(",", ":"))
    _check_size(text, tensors)
    return tensors, text


def _packed(value: Any, tensors: dict[str, Any], array: type, where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise CheckpointError(f"{where[:80]}... is nested deeper than {_DEEPEST}: flatten the state")
    # A subclass would come back as its base: exact types only.
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        if not -_LARGEST < value < _LARGEST:
            raise CheckpointError(f"{where} is an integer of {value.bit_length()} bits: at most 64 are kept")
        return value
    if kind is float:
        return {"float": value.hex()}
    if kind in (list, tuple):
        entries = [_packed(entry, tensors, array, f"{where}[{i}]", depth + 1) for i, entry in enumerate(value)]
        return entries if kind is list else {"tuple": entries}
    if kind is dict:
        pairs = []
        for key, entry in value.items():
            if type(key) not in (str, int):
                raise CheckpointError(f"{where} has the key {key!r}: strings and integers are kept")
            pairs.append(
                [
                    _packed(key, tensors, array, where, depth + 1),
                    _packed(entry, tensors, array, f"{where}[{key!r}]", depth + 1),
                ]
            )
        return {"dict": pairs}
    if kind is array:
        name = str(len(tensors))
        tensors[name] = value
        return {"array": name}
    raise CheckpointError(
        f"{where} is a {kind.__module__}.{kind.__qualname__}: "
        "dicts, lists, tuples, numbers, strings, None and NumPy arrays are kept"
    )


def unpack_state(tensors: Mapping[str, Any], text: str) -> Any:
    """Return the state that `pack_state` took apart, or raise CheckpointError where text and tensors cannot be its
    work.

    >>> unpack_state({}, '{"dict":[["step",3],["m",{"tuple":[]}]]}')
    {'step': 3, 'm': ()}
    """
    if isinstance(text, str):
        _check_size(text, tensors)
    try:
        form = json.loads(text, parse_constant=_refused, parse_float=_refused, object_pairs_hook=_single)
    except CheckpointError:
        raise
    except (RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"the text of the state cannot be read ({type(error).__name__}: {error})") from error
    unused = dict(tensors)
    state = _unpacked(form, unused, "state", 0)
    if unused:
        raise CheckpointError(f"the state has no place for the tensors {short(sorted(unused)[:10])}")
    return state


def _check_size(text: str, tensors: Mapping[str, Any]) -> None:
    """Hold the text to a size that says something of tensors: what it makes takes twenty times as much memory."""
    most = _TEXT + _TEXT_FOR_A_TENSOR * len(tensors)
    if len(text) > most:
        raise CheckpointError(
            f"the text of the state has {len(text)} characters, and {most} are the most beside {len(tensors)} tensors"
        )


def _refused(word: str) -> Any:
    raise CheckpointError(f"the text of the state has the number {word[:40]}, which this package does not write")


class _Tagged(tuple[str, Any]):
    """An object of the text: its one key, and what it holds."""

    __slots__ = ()


def _single(pairs: list[tuple[str, Any]]) -> _Tagged:
    if len(pairs) != 1:
        raise CheckpointError(
            f"an object in the text of the state has the keys {short([key for key, _ in pairs[:10]])}: one is expected"
        )
    return _Tagged(pairs[0])


def _unpacked(form: Any, unused: dict[str, Any], where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise CheckpointError(f"{where[:80]}... is nested deeper than {_DEEPEST}")
    if form is None or isinstance(form, bool | str):
        return form
    if isinstance(form, int):
        if not -_LARGEST < form < _LARGEST:
            raise CheckpointError(f"{where} is an integer of {form.bit_length()} bits: at most 64 are kept")
        return form
    if isinstance(form, list):
        return [_unpacked(entry, unused, f"{where}[{i}]", depth + 1) for i, entry in enumerate(form)]
    tag, held = form
    match tag, held:
        case "float", str():
            return _float(held, where)
        case "tuple", list():
            return tuple(_unpacked(entry, unused, f"{where}[{i}]", depth + 1) for i, entry in enumerate(held))
        case "array", str():
            if held not in unused:
                raise CheckpointError(f"{where} is tensor {short(held)}, which is missing or was used before")
            return unused.pop(held)
        case "dict", list():
            return _dict(held, unused, where, depth)
    raise CheckpointError(f"{where} is a {short(tag)} of a {type(held).__name__}, which this package does not write")


def _dict(pairs: list[Any], unused: dict[str, Any], where: str, depth: int) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) not in (str, int):
            raise CheckpointError(f"{where} is a dict with an entry that is not a pair of a key and a value")
        key, value = _unpacked(pair[0], unused, where, depth), pair[1]
        if key in found:
            raise CheckpointError(f"{where} has the key {short(key)} twice")
        # Cut, for it is copied for every entry below.
        found[key] = _unpacked(value, unused, f"{where}[{key!r:.40}]", depth + 1)
    return found


def _float(text: str, where: str) -> float:
    try:
        return float.fromhex(text)
    except (ValueError, OverflowError) as error:
        raise CheckpointError(f"{where} is the number {text[:40]!r}, which cannot be read") from error
