"""Texts of optimiser states for fuzzing: sound ones, what is made of them, and what they truthfully say."""

import json
from functools import cache
from typing import Any

import numpy as np

from tests.hostile.mutation import Mutator, parsed, written
from tl_arrayapi import storage

TENSORS = {str(i): np.full(2, i) for i in range(4)}


@cache
def sound_texts() -> tuple[str, ...]:
    """Return texts whose states hold every kind of value; all use the tensors of `TENSORS`."""
    arrays = list(TENSORS.values())
    states: list[Any] = [
        {"step": 3, "m": arrays[:2], "v": arrays[2:]},
        ({1: arrays, "x": (None, True, -(2**63))}, [0.1, float("nan"), float("-inf")], "ü\0"),
        [[[arrays[0], [arrays[1]]], {"": {0: arrays[2], "0": arrays[3]}}]],
    ]
    return tuple(storage.pack_state(state)[1] for state in states)


def mutated(seed: int) -> bytes:
    """Return the hostile text of a seed; bytes, for its size to be known."""
    m = Mutator(f"state {seed}")
    text, other = m.one(sound_texts()), m.one(sound_texts())
    if m.chance(0.2):
        return m.bytes(text.encode(), other.encode())
    return written(m.document(parsed(text), parsed(other))).encode("utf-8", "surrogatepass")


def said(text: str, tensors: dict[str, Any]) -> Any:
    """Return the state that a text truthfully says; AssertionError where it is none."""
    used: list[str] = []

    def value(form: Any) -> Any:
        if not isinstance(form, Pairs):
            if isinstance(form, list):
                return [value(entry) for entry in form]
            assert form is None or type(form) in (bool, str) or abs(form) < 2**64
            return form
        ((tag, held),) = form
        if tag == "float":
            return float.fromhex(held)
        if tag == "array":
            used.append(held)
            return tensors[held]
        assert type(held) is list
        if tag == "tuple":
            return tuple(map(value, held))
        assert tag == "dict"
        assert all(len(pair) == 2 and type(pair[0]) in (int, str) for pair in held)
        found = {key: value(entry) for key, entry in held}
        assert len(found) == len(held)
        return found

    state = value(json.loads(text, object_pairs_hook=Pairs, parse_float=_refuse, parse_constant=_refuse))
    assert sorted(used) == sorted(tensors)
    return state


class Pairs(tuple):
    """A JSON object."""


def _refuse(word: str) -> Any:
    raise AssertionError(word)
