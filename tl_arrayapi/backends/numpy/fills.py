"""Fill NumPy's memory with drawn values: in blocks that a processor's cache holds, much of it on several threads.

A `Symmetric` recipe, which is what uniform weights have, is written by calls that make no arrays; other recipes' own
blocks are copied. Where Numba is installed, `compiled` has kernels of the same bits.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tl_arrayapi.backends.numpy import tiers
from tl_arrayapi.backends.numpy.form import NumPyWords
from tl_arrayapi.backends.numpy.narrow import narrow
from tl_arrayapi.backends.numpy.threads import share, thread_count
from tl_arrayapi.init.recipes import Drawn, Symmetric
from tl_arrayapi.init.splitmix64 import stream_key

__all__ = ["BLOCK", "KERNEL_RUN", "MOST_THREADS", "RUN", "SHARED_BLOCK", "fill_box", "fill_into"]

BLOCK = 2**14
"""How many elements one thread computes at once: their words are 128 KiB."""

SHARED_BLOCK = 2**16
"""The same where threads take turns: every call of NumPy's hands the interpreter over."""

MOST_THREADS = 8
"""How many threads may take turns: more would wait for the interpreter."""

RUN = 2**12
KERNEL_RUN = 2**10
"""How many elements in a row are worth calls of their own: of NumPy's, and of a kernel."""

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = numpy.uint64(0xBF58476D1CE4E5B9), numpy.uint64(0x94D049BB133111EB)
_PLACES = tuple(map(numpy.uint64, (30, 27, 31)))
_LOW64 = 2**64 - 1

# Writes into memory the values of a recipe from an index on.
_Run = Callable[[Any, int], None]
# Writes into a block what a recipe has at an index plus offsets.
_Block = Callable[[Any, int, Any], None]


def fill_into(out: Any, recipe: Drawn, start: int = 0, threads: int | None = None) -> None:
    """Write what ``recipe`` has at ``start`` and after it into ``out``, an array of one axis without gaps.

    Its dtype is the one of the recipe's format, uint16 standing for the bits of bfloat16. ``threads`` is the most that
    may work on it: by default OMP_NUM_THREADS, or as many as there are processors.
    """
    if not out.size:
        return
    threads = thread_count() if threads is None else threads
    kernel = tiers.kernel(recipe, out.size)
    if kernel is None:
        threads = min(threads, MOST_THREADS)

    def part(first: int, last: int) -> None:
        is_alone = last - first == out.size
        write = kernel or _run_writer(recipe, min(BLOCK if is_alone else SHARED_BLOCK, last - first))
        write(out[first:last], start + first)

    share(part, out.size, threads)


def fill_box(out: Any, recipe: Drawn, shape: Sequence[int], start: Sequence[int]) -> None:
    """Write into ``out``, in C order, the part of the array of ``shape`` that begins at ``start``, in this thread."""
    if not out.size:
        return
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    first = sum(map(math.prod, zip(start, strides, strict=True)))
    row = _row(out.shape, shape)
    flat, kernel = out.reshape(-1), tiers.kernel(recipe, out.size)
    if row == out.size or row >= (RUN if kernel is None else KERNEL_RUN):
        write = kernel or _run_writer(recipe, min(SHARED_BLOCK, row))
        for at in range(0, out.size, row):
            write(flat[at : at + row], first + _place(at, out.shape, strides))
        return
    # Short rows: as many as make a block. Other boxes are likely to be filled at the same time.
    together = row * min(max(SHARED_BLOCK // row, 1), out.size // row)
    block, along = _block_writer(recipe, together), numpy.arange(row, dtype=numpy.uint64)
    for at in range(0, out.size, together):
        part = flat[at : at + together]
        rows = _place(numpy.arange(at, at + part.size, row, dtype=numpy.uint64), out.shape, strides)
        block(part, first, (rows[:, None] + along).reshape(-1))


def _row(box: Sequence[int], shape: Sequence[int]) -> int:
    """Return how many elements of a box, from its first one on, follow one another in the array as well."""
    axis = len(shape) - 1
    while axis > 0 and box[axis] == shape[axis]:
        axis -= 1
    return math.prod(box[max(axis, 0) :])


def _place(index: Any, box: Sequence[int], strides: Sequence[int]) -> Any:
    """Return how far the element at a flat ``index`` of a box is behind its first one in the array; or several ones."""
    place = index * 0
    for length, stride in zip(reversed(box), reversed(strides), strict=True):
        rest = index // length
        place, index = place + (index - rest * length) * stride, rest
    return place


# ---------------------------------------------------------------- blocks
def _run_writer(recipe: Drawn, block: int) -> _Run:
    """Return what writes any number of values, a block at a time."""
    write, offsets = _block_writer(recipe, block), numpy.arange(block, dtype=numpy.uint64)

    def run(out: Any, start: int) -> None:
        for at in range(0, out.size, block):
            piece = out[at : at + block]
            write(piece, start + at, offsets[: piece.size])

    return run


def _block_writer(recipe: Drawn, size: int) -> _Block:
    """Return what writes blocks of at most ``size``, for one thread: it keeps memory for what is on the way."""
    exact = _symmetric(recipe, size) if type(recipe) is Symmetric else _copied(recipe)
    if recipe.format.name == recipe.format.compute:
        return exact
    scratch = numpy.empty(size, recipe.format.compute)

    def write(out: Any, start: int, offsets: Any) -> None:
        values = scratch[: out.size]
        exact(values, start, offsets)
        narrow(values, out)

    return write


def _copied(recipe: Drawn) -> _Block:
    form = _form()

    def write(out: Any, start: int, offsets: Any) -> None:
        out[...] = recipe.block(form, start, offsets, recipe.format.compute)

    return write


@functools.cache
def _form() -> NumPyWords:
    """Return the form of the draws, which keeps the table of the normal distribution."""
    return NumPyWords(numpy, "uint64")


def _symmetric(recipe: Symmetric, size: int) -> _Block:
    """Return what writes blocks of a recipe about 0 by calls that make no arrays."""
    key, kind = stream_key(recipe.seed), numpy.dtype(recipe.format.compute).type
    words, shifted, low = (numpy.empty(size, dtype) for dtype in (numpy.uint64, numpy.uint64, numpy.uint32))
    unused, half = numpy.uint32(32 - recipe.format.bits), numpy.uint32(recipe.half)
    factors = [kind(factor) for factor in recipe.factors]

    def write(out: Any, start: int, offsets: Any) -> None:
        z, t, w = words[: out.size], shifted[: out.size], low[: out.size]
        numpy.add(offsets, numpy.uint64((key + start + _GOLDEN) & _LOW64), z)
        for places, factor in zip(_PLACES, (_FIRST, _SECOND, None), strict=True):
            numpy.right_shift(z, places, t)
            numpy.bitwise_xor(z, t, z)
            if factor is not None:
                numpy.multiply(z, factor, z)
        numpy.copyto(w, z, casting="unsafe")
        numpy.right_shift(w, unused, w)
        numpy.subtract(w, half, w)
        # The subtraction wrapped around: as signed integers, which convert faster, they lie about 0.
        numpy.copyto(out, w.view(numpy.int32), casting="unsafe")
        for factor in factors:
            numpy.multiply(out, factor, out)

    return write
