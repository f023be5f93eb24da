"""What calls are drawn from: shapes that broadcast, are empty or have no axes, values inside a domain, and the ways in
which an array can lie in memory.

Hypothesis draws shapes, choices and a seed; values come from a generator with that seed.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from tests.libraries import Library

__all__ = ["LAYOUTS", "Draw", "arranged", "features", "layouts_of"]

T = TypeVar("T")
Host = np.ndarray[Any, Any]

LAYOUTS = ("contiguous", "every second", "transposed", "backwards")


class Draw:
    """Draw the parts of one call whose operands have the dtype of that name."""

    def __init__(self, draw: Any, dtype: str) -> None:
        self._draw = draw
        self.dtype = dtype
        self._values = np.random.default_rng(draw(st.integers(0, 2**16)))

    # ---- choices
    def one_of(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def integer(self, least: int, most: int) -> int:
        return self._draw(st.integers(least, most))

    def flag(self) -> bool:
        return self._draw(st.booleans())

    # ---- shapes and axes
    def shape(self, *, ranks: tuple[int, int] = (0, 3), empty: bool = True) -> tuple[int, ...]:
        """Return a shape; one in some five has no element, unless ``empty`` is False."""
        sides = [self.one_of((3, 2, 1)) for _ in range(self.integer(*ranks))]
        if empty and sides and self.integer(0, 4) == 1:
            sides[self.integer(0, len(sides) - 1)] = 0
        return tuple(sides)

    def shapes(self, count: int, *, ranks: tuple[int, int] = (0, 3)) -> list[tuple[int, ...]]:
        """Return shapes that broadcast with one another: axes are 1, or left out, in some of them."""
        whole = self.shape(ranks=ranks)
        return [whole, *(self.broadcastable(whole) for _ in range(count - 1))][:: self.one_of((1, -1))]

    def broadcastable(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Return a shape that broadcasts to ``whole``."""
        kept = whole[self.one_of((0, *range(len(whole) + 1))) :]
        return tuple(self.one_of((n, n, 1)) for n in kept)

    def axis(self, shape: tuple[int, ...]) -> int:
        return self.integer(-len(shape), len(shape) - 1)

    def axes(self, shape: tuple[int, ...]) -> int | tuple[int, ...] | None:
        """Return what reductions take: None, an axis, or several."""
        every = range(len(shape))
        several = [None, *every, *(a - len(shape) for a in every), tuple(every), tuple(every)[::-1][:2]]
        return self.one_of(several)

    # ---- values
    def values(self, shape: tuple[int, ...], low: float, high: float, dtype: str | None = None) -> Host:
        """Return values between ``low`` and ``high``, no two of which are close: no tie, and no kink, is near.

        Complex ones have an imaginary part of 0.2 to 0.9: the branch cuts of all functions are elsewhere. Integers
        may be equal; what has no sign starts at 0.
        """
        name = self.dtype if dtype is None else dtype
        kind = np.dtype(name).kind
        if kind == "b":
            return self._values.integers(0, 2, shape).astype(bool)
        if kind in "iu":
            least = math.ceil(low if kind == "i" else max(low, 0))
            return self._values.integers(least, max(math.floor(high), least) + 1, shape).astype(name)
        parts = [self._spread(shape, low, high)]
        if kind == "c":
            parts.append(self._spread(shape, 0.2, 0.9))
        return np.asarray(sum(part * unit for part, unit in zip(parts, (1, 1j), strict=False))).astype(name)

    def _spread(self, shape: tuple[int, ...], low: float, high: float) -> Host:
        count = math.prod(shape)
        places = (self._values.permutation(count) + self._values.uniform(0.2, 0.8, count)) / max(count, 1)
        return (low + (high - low) * places).reshape(shape)


def layouts_of(library: str) -> tuple[str, ...]:
    """Return the layouts that a library can have: torch has no negative strides."""
    return LAYOUTS[:-1] if library == "torch" else LAYOUTS


def arranged(xp: Library, host: Host, layout: str) -> Any:
    """Return ``host`` as an array of ``xp`` that lies in memory as ``layout`` says, where the library has views."""
    if layout == "every second":
        spaced = np.zeros(tuple(2 * n for n in host.shape), host.dtype)
        spaced[(slice(None, None, 2),) * host.ndim] = host
        return xp.asarray(spaced)[(slice(None, None, 2),) * host.ndim]
    if layout == "transposed":
        return xp.permute_dims(xp.asarray(np.array(host.T)), tuple(range(host.ndim))[::-1])
    if layout == "backwards":
        return xp.asarray(np.array(np.flip(host)))[(slice(None, None, -1),) * host.ndim]
    return xp.asarray(host)


def features(operands: Sequence[Host], layout: str) -> set[str]:
    """Return what is special about a call: counted, so that the page shows that all of it was tried."""
    found = {layout} if any(x.ndim for x in operands) else set()
    if any(x.ndim == 0 for x in operands):
        found.add("0-d")
    if any(x.size == 0 for x in operands):
        found.add("zero-size")
    if len({x.shape for x in operands}) > 1:
        found.add("broadcast")
    return found
