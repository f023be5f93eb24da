"""Where values lie: a view is a strided window on the memory of one root, and most movements are only other windows.

Plain data about memory; nothing here makes an array.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy

__all__ = [
    "Root",
    "View",
    "array",
    "bits",
    "broadcast",
    "contiguous",
    "flipped",
    "indexed",
    "narrow",
    "natural",
    "permuted",
    "reshaped",
]

_BITS = {1: "int8", 2: "int16", 4: "int32", 8: "int64"}


@dataclass(eq=False, slots=True)
class Root:
    """A stretch of memory in C order: that of a given array, of a constant, or of a value that the program makes.

    ``array`` is what a constant holds, ``position`` that of a given array. What a library's function made, ``called``,
    comes as an array of its own; all else that is made has its place planned beforehand.
    """

    shape: tuple[int, ...]
    dtype: str
    position: int | None = None
    array: Any = None
    called: bool = False

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""
        return numpy.dtype(self.dtype).itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all of it."""
        return self.size * self.itemsize

    @property
    def made(self) -> bool:
        """Whether the program makes it, in memory that is planned."""
        return self.position is None and self.array is None and not self.called


@dataclass(frozen=True, slots=True)
class View:
    """An array in the memory of ``root``: offset and strides count elements, and are 0 along axes of length 1.

    ``dtype`` is the root's, or an integer of the same size that shows its bits.
    """

    root: Root
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    dtype: str

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dense(self) -> bool:
        """Whether it is C-contiguous."""
        return self.size < 2 or self.strides == contiguous(self.shape)

    @property
    def whole(self) -> bool:
        """Whether it is all of the root's memory, in order, whatever its shape."""
        return self.dense and self.size == self.root.size


@lru_cache(maxsize=1024)
def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of an array in C order, 0 along axes of length 1.

    >>> contiguous((2, 1, 3))
    (3, 0, 1)
    """
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(0 if n == 1 else step)
        step *= n
    return tuple(reversed(strides))


def natural(root: Root) -> View:
    """Return all of ``root`` in its own shape."""
    return View(root, root.shape, contiguous(root.shape), 0, root.dtype)


def permuted(view: View, axes: Sequence[int]) -> View:
    """Return ``view`` with its axes in another order."""
    return replace(view, shape=tuple([view.shape[a] for a in axes]), strides=tuple([view.strides[a] for a in axes]))


def broadcast(view: View, shape: tuple[int, ...]) -> View:
    """Return ``view`` repeated to ``shape``, with strides of 0."""
    missing = len(shape) - view.ndim
    strides = (0,) * missing + tuple(
        0 if n == 1 else stride for n, stride in zip(view.shape, view.strides, strict=True)
    )
    return replace(view, shape=shape, strides=strides)


def indexed(view: View, key: Sequence[int | slice]) -> View:
    """Return a basic slice: an integer or a slice of three integers for every axis."""
    offset, shape, strides = view.offset, [], []
    for item, stride in zip(key, view.strides, strict=True):
        if isinstance(item, slice):
            n = len(range(item.start, item.stop, item.step))
            offset += item.start * stride if n else 0
            shape.append(n)
            strides.append(0 if n == 1 else stride * item.step)
        else:
            offset += item * stride
    return replace(view, offset=offset, shape=tuple(shape), strides=tuple(strides))


def flipped(view: View, axes: Sequence[int]) -> View:
    """Return ``view`` read backwards along ``axes``."""
    offset, strides = view.offset, list(view.strides)
    for a in axes:
        offset += strides[a] * max(view.shape[a] - 1, 0)
        strides[a] = -strides[a]
    return replace(view, offset=offset, strides=tuple(strides))


def reshaped(view: View, shape: tuple[int, ...]) -> View | None:
    """Return ``view`` in another shape, or None where that takes a copy.

    >>> x = natural(Root((2, 3), "float32"))
    >>> reshaped(permuted(x, (1, 0)), (6,)) is None, reshaped(permuted(x, (1, 0)), (3, 1, 2)).strides
    (True, (1, 0, 3))
    """
    if view.dense:
        return replace(view, shape=shape, strides=contiguous(shape))
    old = [(n, stride) for n, stride in zip(view.shape, view.strides, strict=True) if n != 1]
    strides: list[int] = []
    at = 0
    left, step = 1, 0  # What is left of a run of old axes that lie as one, and the step of its last.
    for n in reversed(shape):
        if n == 1:
            strides.append(0)
            continue
        if left == 1:
            at += 1
            left, step = old[-at]
        while left % n or left < n:
            if at == len(old) or old[-at - 1][1] != step * left:
                return None
            at += 1
            left *= old[-at][0]
        strides.append(step)
        left //= n
        step *= n
    return replace(view, shape=shape, strides=tuple(reversed(strides)))


def narrow(view: View) -> View:
    """Return the smallest array that broadcasting makes ``view`` of again."""
    if all(stride or n == 1 for n, stride in zip(view.shape, view.strides, strict=True)):
        return view
    shape, strides = list(view.shape), list(view.strides)
    while shape and strides[0] == 0:
        del shape[0], strides[0]
    for i, stride in enumerate(strides):
        if stride == 0:
            shape[i] = 1
    return replace(view, shape=tuple(shape), strides=tuple(strides))


def array(view: View) -> Any:
    """Return the array that a view of a constant is."""
    held, itemsize = view.root.array, view.root.itemsize
    strides = [stride * itemsize for stride in view.strides]
    return numpy.ndarray(view.shape, view.dtype, held, view.offset * itemsize if view.size else 0, strides)


def bits(view: View) -> View:
    """Return the integers (or booleans) that the elements of ``view`` are in memory."""
    return replace(view, dtype=_BITS[numpy.dtype(view.dtype).itemsize])
