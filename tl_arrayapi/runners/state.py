"""The state of an optimiser, taken apart into what a program is given and put together from what it returns.

A state is nested tuples, lists and dicts. A list with an array like each trainable parameter is a slot, such as Adam's
means; other arrays are loose; a Python int counts steps.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.errors import StructureError

__all__ = ["Parts", "Place", "places_of", "put_together", "taken_apart"]


class Place(tuple[str, int]):
    """Where a part of a state stands: what it is ("slot", "loose" or "count"), and which one."""

    __slots__ = ()


class Parts:
    """The parts of one state, and its structure with their places in it."""

    __slots__ = ("counts", "key", "loose", "slots", "structure")

    def __init__(self) -> None:
        self.slots: list[Sequence[Any]] = []
        self.loose: list[Any] = []
        self.counts: list[int] = []
        self.structure: Any = None
        self.key: Any = None
        """What states have in common that the same program is for."""


def taken_apart(state: Any, is_slot: Callable[[list[Any]], bool], is_array: Callable[[Any], bool]) -> Parts:
    """Return the parts of ``state``."""
    parts = Parts()
    parts.structure, parts.key = _visited(state, parts, is_slot, is_array)
    return parts


# No closure that calls itself: it would keep the arrays of a state alive until the garbage collector comes by.
def _visited(x: Any, parts: Parts, is_slot: Callable[[list[Any]], bool], is_array: Callable[[Any], bool]) -> Any:
    """Return the structure of a part of a state, and the key of that."""
    kind = type(x)
    if kind is int:
        parts.counts.append(x)
        return Place(("count", len(parts.counts) - 1)), int
    if kind is list and is_slot(x):
        parts.slots.append(x)
        return Place(("slot", len(parts.slots) - 1)), "slot"
    if kind is dict:
        found = {name: _visited(item, parts, is_slot, is_array) for name, item in x.items()}
        structure = {name: part for name, (part, _) in found.items()}
        return structure, (kind, tuple([(name, key) for name, (_, key) in found.items()]))
    if kind is list or kind is tuple:
        items = [_visited(item, parts, is_slot, is_array) for item in x]
        return kind([structure for structure, _ in items]), (kind, tuple([key for _, key in items]))
    if is_array(x):
        parts.loose.append(x)
        return Place(("loose", len(parts.loose) - 1)), (tuple(x.shape), x.dtype)
    return x, x


def put_together(structure: Any, find: Callable[[Place], Any]) -> Any:
    """Return ``structure`` with ``find(place)`` in every place."""
    if type(structure) is Place:
        return find(structure)
    if type(structure) is dict:
        return {name: put_together(item, find) for name, item in structure.items()}
    if type(structure) is list or type(structure) is tuple:
        return type(structure)([put_together(item, find) for item in structure])
    return structure


def places_of(state: Any, structure: Any) -> list[tuple[Place, Any]]:
    """Pair every place in ``structure`` with what stands there in ``state``, which must have that structure."""
    if type(structure) is Place:
        return [(structure, state)]
    if type(structure) is dict and type(state) is dict and state.keys() == structure.keys():
        return [pair for name, item in structure.items() for pair in places_of(state[name], item)]
    if type(structure) in (list, tuple) and type(state) is type(structure) and len(state) == len(structure):
        return [pair for item, part in zip(structure, state, strict=True) for pair in places_of(part, item)]
    if type(structure) in (dict, list, tuple) or state != structure:
        raise StructureError("an optimiser's update must return a state of the structure that it was given")
    return []
