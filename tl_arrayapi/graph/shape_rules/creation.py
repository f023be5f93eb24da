"""Shapes of what is made from static arguments alone."""

import math
from typing import Any

from tl_arrayapi.errors import ArgumentError
from tl_arrayapi.graph.shape_rules.common import LONGEST, Rule, Shape, lengths

__all__ = ["CREATION"]


# Beyond it, differences and quotients of integers need not be floats.
_LARGEST = 1e300


def _full(*, shape: Any, value: Any = None, fill_value: Any = None, dtype: Any = None, device: Any = None) -> Shape:
    return lengths(shape)


def _filled(*, shape: Any, dtype: Any = None, device: Any = None) -> Shape:
    return lengths(shape)


def _full_like(x: Shape, *, value: Any = None, fill_value: Any = None, dtype: Any = None, device: Any = None) -> Shape:
    return x


def _like(x: Shape, *, dtype: Any = None, device: Any = None) -> Shape:
    return x


def _arange(*, start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, device: Any = None) -> Shape:
    if stop is None:
        start, stop = 0, start
    if not all(isinstance(x, (int, float)) and -_LARGEST < x < _LARGEST for x in (start, stop, step)) or step == 0:
        raise ArgumentError(f"arange takes finite real numbers, and steps other than 0; got {start}, {stop}, {step}")
    if all(isinstance(x, int) for x in (start, stop, step)):
        return lengths(max(0, -((start - stop) // step)))
    count = (float(stop) - float(start)) / float(step)
    if not count <= LONGEST:
        raise ArgumentError(f"arange from {start} to {stop} by {step} has more elements than an array can have")
    return lengths(max(0, math.ceil(count)))


def _linspace(
    *, start: Any, stop: Any, num: Any, endpoint: bool = True, dtype: Any = None, device: Any = None
) -> Shape:
    return lengths((num,))


def _eye(*, n_rows: Any, n_cols: Any = None, k: Any = 0, dtype: Any = None, device: Any = None) -> Shape:
    return lengths((n_rows, n_rows if n_cols is None else n_cols))


def _frequencies(*, n: Any, d: Any = 1.0, dtype: Any = None, device: Any = None) -> Shape:
    return lengths((n,))


def _half_frequencies(*, n: Any, d: Any = 1.0, dtype: Any = None, device: Any = None) -> Shape:
    return (lengths((n,))[0] // 2 + 1,)


CREATION: dict[str, Rule] = {
    "arange": _arange,
    **dict.fromkeys(("empty", "ones", "zeros"), _filled),
    **dict.fromkeys(("empty_like", "ones_like", "zeros_like"), _like),
    "eye": _eye,
    "fft.fftfreq": _frequencies,
    "fft.rfftfreq": _half_frequencies,
    "full": _full,
    "full_like": _full_like,
    "linspace": _linspace,
}
"""The rule of each function that makes an array."""
