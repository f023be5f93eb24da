"""The shapes of results, from the shapes of operands and static arguments alone: nothing is computed.

Each function of the table of primitives has a rule, under its own name. A function that has none here, but is
elementwise, a reduction, a scan or a cast, has that of its kind.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tl_arrayapi.errors import ArgumentError, TLError, TraceError
from tl_arrayapi.graph.shape_rules.common import Rule, Shape, Shapes, axis_of, broadcast_shapes
from tl_arrayapi.graph.shape_rules.creation import CREATION
from tl_arrayapi.graph.shape_rules.elementwise import ELEMENTWISE
from tl_arrayapi.graph.shape_rules.fourier import FOURIER
from tl_arrayapi.graph.shape_rules.indexing import INDEXING
from tl_arrayapi.graph.shape_rules.linear import LINEAR
from tl_arrayapi.graph.shape_rules.movement import MOVEMENT
from tl_arrayapi.graph.shape_rules.reduction import REDUCTION, SCAN

__all__ = ["KINDS", "RULES", "VALUE_DEPENDENT", "infer_shapes"]


def _cast(x: Shape, *, dtype: Any, copy: Any = True, device: Any = None) -> Shape:
    return x


RULES: dict[str, Rule] = {
    **ELEMENTWISE,
    **REDUCTION,
    **SCAN,
    **MOVEMENT,
    **LINEAR,
    **INDEXING,
    **FOURIER,
    **CREATION,
    "astype": _cast,
}
"""The rule of each function, by its name with its extension in front."""

KINDS: dict[str, str] = {
    **dict.fromkeys(ELEMENTWISE, "elementwise"),
    **dict.fromkeys(REDUCTION, "reduction"),
    **dict.fromkeys(SCAN, "scan"),
    **dict.fromkeys(MOVEMENT, "movement"),
    **dict.fromkeys(LINEAR, "matrix"),
    "matmul": "contraction",
    **dict.fromkeys(INDEXING, "indexing"),
    **dict.fromkeys(FOURIER, "transform"),
    **dict.fromkeys(CREATION, "creation"),
    "astype": "cast",
}
"""The kind of each function, under the name that equations have for it."""


def _any_reduction(x: Shape, *, axis: Any = None, keepdims: bool = False, **_: Any) -> Shape:
    return REDUCTION["any"](x, axis=axis, keepdims=keepdims)  # type: ignore[return-value]


def _any_scan(x: Shape, *, axis: Any = -1, **_: Any) -> Shape:
    axis_of(axis, len(x))
    return x


_BY_KIND: dict[str, Rule] = {
    "elementwise": broadcast_shapes,
    "reduction": _any_reduction,
    "scan": _any_scan,
    "cast": _cast,
}

_SETS = "sort the values, and compare neighbours (xp.sort, xp.where), which keeps all places"
VALUE_DEPENDENT: dict[str, str] = {
    "nonzero": "keep all places and choose with xp.where(condition, x, y)",
    "unique_all": _SETS,
    "unique_counts": _SETS,
    "unique_inverse": _SETS,
    "unique_values": _SETS,
}
"""What to use instead of each function whose results have shapes that depend on values."""


def infer_shapes(name: str, kind: str, shapes: Sequence[Shape], static: Mapping[str, Any]) -> Shapes:
    """Return the shapes of the results of ``name`` for operands of ``shapes``.

    ``static`` are the function's static arguments, as an equation has them or as the standard does, by keyword. Raises
    `ShapeError`, `ArgumentError` or `StructureError`, which name the function, where there is no such call, and
    `TraceError` where the values of the operands decide.

    >>> infer_shapes("matmul", "contraction", [(5, 2, 3), (3, 4)], {})
    ((5, 2, 4),)
    >>> infer_shapes("linalg.qr", "matrix", [(5, 3)], {"mode": "reduced"})
    ((5, 3), (3, 3))
    """
    if (instead := VALUE_DEPENDENT.get(name)) is not None:
        raise TraceError(f"the shape of what {name} returns depends on values, which a trace has not: {instead}")
    rule = RULES.get(name) or _BY_KIND.get(kind)
    if rule is None:
        raise TraceError(f"the shape of what {name} returns is not known here: write it with functions of the standard")
    try:
        _signature(rule).bind(*shapes, **static)
    except TypeError as error:
        raise ArgumentError(f"{name} of {len(shapes)} operands, {dict(static)}: {error}") from error
    try:
        found = rule(*map(tuple, shapes), **static)
    except TLError as error:
        raise type(error)(f"{name}: {error}") from error
    return found if found and isinstance(found[0], tuple) else (found,)  # type: ignore[return-value]


@cache
def _signature(rule: Rule) -> inspect.Signature:
    return inspect.signature(rule)
