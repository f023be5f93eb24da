"""What optimisers and schedules ask of the numbers and arrays they are given, before they use any of them.

Nothing here knows a method, or changes anything.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tl_arrayapi.autograd.namespace import array_namespace
from tl_arrayapi.errors import ArgumentError, DTypeError, ShapeError, StructureError

__all__ = [
    "count",
    "fraction",
    "like_parameters",
    "nonnegative",
    "positive",
    "state_entries",
    "step_count",
    "trainable",
]


def _real(name: str, value: Any, expected: str) -> float:
    try:
        # A string that float() can read, or a bool, is a slip and not a number.
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(f"{name} must be {expected}; got {value!r}")
    return number


def nonnegative(name: str, value: Any) -> float:
    """Return ``value`` as a Python float, or raise ArgumentError unless it is finite and at least 0.

    >>> nonnegative("lr", 1)
    1.0
    """
    if type(value) is float and 0 <= value < math.inf:
        return value
    expected = "a finite number of at least 0"
    number = _real(name, value, expected)
    if number < 0:
        raise ArgumentError(f"{name} must be {expected}; got {value!r}")
    return number


def positive(name: str, value: Any) -> float:
    """Return ``value`` as a Python float, or raise ArgumentError unless it is finite and above 0.

    >>> positive("limit", 2)
    2.0
    """
    expected = "a finite number above 0"
    number = _real(name, value, expected)
    if number <= 0:
        raise ArgumentError(f"{name} must be {expected}; got {value!r}")
    return number


def fraction(name: str, value: Any) -> float:
    """Return ``value`` as a Python float, or raise ArgumentError unless it lies in [0, 1).

    >>> fraction("beta", 0.9)
    0.9
    """
    expected = "a number of at least 0 and below 1"
    number = _real(name, value, expected)
    if not 0 <= number < 1:
        raise ArgumentError(f"{name} must be {expected}; got {value!r}")
    return number


def count(name: str, value: Any, *, at_least: int = 0) -> int:
    """Return ``value`` as a Python int, or raise ArgumentError unless it is a whole number of at least ``at_least``.

    >>> count("steps", 3, at_least=1)
    3
    """
    try:
        number = at_least - 1 if isinstance(value, bool) else int(value.__index__())
    except (AttributeError, TypeError):
        number = at_least - 1
    if number < at_least:
        raise ArgumentError(f"{name} must be a whole number of at least {at_least}; got {value!r}")
    return number


def trainable(params: Sequence[Any]) -> Any:
    """Return the namespace of ``params``, or raise DTypeError unless all are real floating (None: there are none).

    >>> import numpy as np
    >>> trainable([np.ones(2)]).__name__
    'array_api_compat.numpy'
    """
    if not params:
        return None
    xp = array_namespace(*params)
    for i, x in enumerate(params):
        if not xp.isdtype(x.dtype, "real floating"):
            raise DTypeError(
                f"params[{i}] is {x.dtype}: an optimiser steps real floating arrays only; freeze it or cast it"
            )
    return xp


def like_parameters(name: str, params: Sequence[Any], arrays: Sequence[Any]) -> None:
    """Raise unless ``arrays``, called ``name`` in the message, match ``params`` in number, shapes and dtypes.

    >>> import numpy as np
    >>> like_parameters("grads", [np.ones(2)], [np.zeros(3)])
    Traceback (most recent call last):
    tl_arrayapi.errors.ShapeError: grads[0] has shape (3,), and params[0] has (2,)
    """
    if len(arrays) != len(params):
        raise StructureError(f"{name} has {len(arrays)} entries for {len(params)} parameters: one for each is expected")
    for i, (x, y) in enumerate(zip(params, arrays, strict=True)):
        shape = getattr(y, "shape", None)
        if shape is None:
            raise StructureError(f"{name}[{i}] is a {type(y).__name__}: an array like params[{i}] is expected")
        if shape != x.shape:
            raise ShapeError(f"{name}[{i}] has shape {tuple(shape)}, and params[{i}] has {tuple(x.shape)}")
        if y.dtype != x.dtype:
            raise DTypeError(f"{name}[{i}] is {y.dtype}, and params[{i}] is {x.dtype}")


def step_count(state: Any, slots: Sequence[str]) -> int:
    """Return the step count of ``state``, or raise unless it is a mapping of a count and ``slots``.

    >>> step_count({"step": 2}, ())
    2
    """
    if not isinstance(state, Mapping) or state.keys() != {"step", *slots}:
        entries = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
        raise StructureError(
            f"this state is not this optimiser's: it has {entries}, and {sorted(['step', *slots])} is expected; "
            "take the state from init(params)"
        )
    return count("state['step']", state["step"])


def state_entries(state: Any, slots: Sequence[str], params: Sequence[Any]) -> tuple[int, list[Sequence[Any]]]:
    """Return the step count and the arrays of each slot of ``state``, or raise unless ``init(params)`` could have made
    it.

    >>> state_entries({"step": 2}, (), [])
    (2, [])
    """
    step = step_count(state, slots)
    for slot in slots:
        if not isinstance(state[slot], list | tuple):
            raise StructureError(f"state[{slot!r}] is a {type(state[slot]).__name__}: a list of arrays is expected")
        like_parameters(f"state[{slot!r}]", params, state[slot])
    return step, [state[slot] for slot in slots]
