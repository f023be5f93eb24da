"""Nested containers: tuples, named tuples, lists and dicts of leaves, and the path of a leaf in an error message."""

import copy
from collections.abc import Callable
from typing import Any

from tl_arrayapi.errors import StructureError

__all__ = ["leaves", "map_tree"]


def map_tree(function: Callable[[Any, str], Any], tree: Any, path: str) -> Any:
    """Return ``tree`` with every leaf replaced by ``function(leaf, path)``; the structure, and the order of dicts, is
    kept.

    >>> map_tree(lambda x, path: (x, path), {"w": [1]}, "args[0]")
    {'w': [(1, 'args[0]["w"][0]')]}
    """
    try:
        return _mapped(function, tree, path)
    except RecursionError:
        raise StructureError("the arguments are nested too deeply, or contain themselves: flatten them") from None


def _mapped(function: Callable[[Any, str], Any], tree: Any, path: str) -> Any:
    kind = type(tree)
    if kind is dict:
        return {key: _mapped(function, x, f"{path}[{_quoted(key)}]") for key, x in tree.items()}
    if isinstance(tree, list):
        return [_mapped(function, x, f"{path}[{i}]") for i, x in enumerate(tree)]
    if kind is tuple:
        return tuple(_mapped(function, x, f"{path}[{i}]") for i, x in enumerate(tree))
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind(*(_mapped(function, x, f"{path}.{name}") for name, x in zip(tree._fields, tree, strict=True)))
    if isinstance(tree, dict):
        # An ordered dict, or one with defaults, stays what it is.
        found = copy.copy(tree)
        for key, x in tree.items():
            found[key] = _mapped(function, x, f"{path}[{_quoted(key)}]")
        return found
    return function(tree, path)


def _quoted(key: Any) -> str:
    return f'"{key}"' if isinstance(key, str) else repr(key)


def leaves(tree: Any) -> list[Any]:
    """Return the leaves of ``tree`` in order.

    >>> leaves(({"a": 1}, [2, 3]))
    [1, 2, 3]
    """
    found: list[Any] = []
    map_tree(lambda x, path: found.append(x), tree, "")
    return found
