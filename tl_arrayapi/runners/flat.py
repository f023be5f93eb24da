"""Arrays laid out one after another in one: how a compiled step keeps parameters and the slots of an optimiser.

An update of all of them is then a few operations on long arrays, and not as many for each of them.
"""

import itertools
import math
import operator
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["Flat", "Layout", "Pool"]

_MOST = 15


class Layout:
    """Where arrays of these shapes lie in one array of one axis."""

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        self.shapes = tuple(shapes)
        stops = list(itertools.accumulate(math.prod(shape) for shape in self.shapes))
        self.slices = [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]
        self.size = stops[-1] if stops else 0

    def split(self, xp: Any, whole: Any) -> list[Any]:
        """Return the arrays that lie in ``whole``."""
        return [xp.reshape(whole[part], shape) for part, shape in zip(self.slices, self.shapes, strict=True)]

    def join(self, xp: Any, arrays: Sequence[Any]) -> Any:
        """Return ``arrays`` one after another."""
        return xp.concat([xp.reshape(x, (-1,)) for x in arrays])


class Flat:
    """One array of one axis, and the arrays that lie in it: ``whole`` for programs, ``views`` for those who hold them.

    The views are of another array object of the same memory, so that it can be told whether any of them, or any view
    of them, is held elsewhere.
    """

    __slots__ = ("_alone", "_shown", "views", "whole")

    def __init__(self, whole: Any, shown: Any, layout: Layout, xp: Any) -> None:
        self.whole = whole
        self._shown = shown
        self.views = layout.split(xp, shown)
        self._alone = (0, 0)

    def settle(self) -> None:
        """Take note that nobody else holds a view now."""
        self._alone = self._references()

    def _references(self) -> tuple[int, int]:
        # A view of a view refers to the array that owns the memory, which is `_shown` for all of them.
        return sys.getrefcount(self._shown), sum(map(sys.getrefcount, self.views))

    @property
    def is_free(self) -> bool:
        """Whether nobody else holds a view: where references are not counted, never."""
        return self._references() == self._alone

    def holds(self, arrays: Sequence[Any]) -> bool:
        """Say whether ``arrays`` are these views."""
        return len(arrays) == len(self.views) and all(map(operator.is_, arrays, self.views))


class Pool:
    """Flat arrays of one layout and dtype, reused once nobody holds what lies in them."""

    def __init__(self, layout: Layout, dtype: Any, backend: Any) -> None:
        self.layout = layout
        self._dtype = dtype
        self._backend = backend
        self._all: list[Flat] = []  # the one that was taken last is the last

    def find(self, arrays: Sequence[Any]) -> Flat | None:
        """Return the flat array that ``arrays`` lie in, if there is one."""
        for flat in self._all:
            if flat.holds(arrays):
                return flat
        return None

    def take(self, taken: Sequence[Flat]) -> Flat:
        """Return a flat array that nobody holds and that is none of ``taken``, a new one if need be."""
        for i, flat in enumerate(self._all):
            if flat not in taken and flat.is_free:
                self._all.append(self._all.pop(i))
                return flat
        made = self._made()
        made.settle()
        # What is held for long belongs to those who hold it.
        self._all = [*self._all[-_MOST:], made]
        return made

    def _made(self) -> Flat:
        whole, shown = self._backend.flat_array(self.layout.size, self._dtype)
        return Flat(whole, shown, self.layout, self._backend.namespace)

    def filled(self, arrays: Sequence[Any], taken: Sequence[Flat]) -> Flat:
        """Return a flat array with copies of ``arrays``."""
        flat = self.take(taken)
        for view, x in zip(flat.views, arrays, strict=True):
            view[...] = x
        return flat
