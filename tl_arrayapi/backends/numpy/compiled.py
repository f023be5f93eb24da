"""Fill NumPy's memory with Numba's kernels, one a kind of recipe: the arithmetic of the recipe's own ``block``.

Kernels let other threads run and start none themselves: Numba's own threads must not be used by two threads at once, or
after a fork. LLVM fuses no product into a sum unless ``fastmath`` lets it. Integers of 32 bits become 64 wide when they
are added or multiplied, and are cut back by the next conversion.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy
from numpy import int32, uint32, uint64

from tl_arrayapi.backends.kernels import base_of, described, segments
from tl_arrayapi.backends.numpy.narrow import narrow
from tl_arrayapi.init.recipes import Drawn

__all__ = ["BLOCK", "kernel_of"]

BLOCK = 2**14
"""How many elements are computed at once where they are rounded to a narrower format afterwards."""

_FIRST, _SECOND = uint64(0xBF58476D1CE4E5B9), uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = uint64(30), uint64(27), uint64(31)
_LOW32, _LOW31, _LOW23, _LOW10 = (uint64(2**bits - 1) for bits in (32, 31, 23, 10))


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile, and keep what was compiled where there is a folder for it: an installation may be read-only."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)


def kernel_of(recipe: Drawn) -> Callable[[Any, int], None] | None:
    """Return what writes the values of ``recipe`` from an index on into an array of one axis; None for new kinds, and
    where Numba is told to compile nothing.
    """
    found = described(recipe)
    if found is None or numba.config.DISABLE_JIT:
        return None
    name, arguments = found
    loop, base = _LOOPS[name], int(base_of(recipe))

    def exact(out: Any, start: int) -> None:
        loop(out, uint64((base + start) % 2**64), *arguments)

    def rounded(out: Any, start: int) -> None:
        scratch = numpy.empty(min(BLOCK, out.size), recipe.format.compute)
        for at in range(0, out.size, BLOCK):
            piece = out[at : at + BLOCK]
            exact(scratch[: piece.size], start + at)
            narrow(scratch[: piece.size], piece)

    return exact if recipe.format.name == recipe.format.compute else rounded


@_compiled
def _draw(place: Any) -> Any:
    z = (place ^ (place >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return uint32(z ^ (z >> _S31))


# ---------------------------------------------------------------- uniform
@_compiled
def _symmetric(out: Any, base: Any, unused: Any, half: Any, factor: Any, bound: Any) -> None:
    kind = out.dtype.type
    for i in range(out.size):
        number = int32((_draw(base + uint64(i)) >> unused) - half)
        out[i] = kind(number) * factor * bound


@_compiled
def _range(
    out: Any,
    base: Any,
    unused: Any,
    low: Any,
    upper_unit: Any,
    lower_unit: Any,
    head: Any,
    tail: Any,
    lo: Any,
    last: Any,
) -> None:
    kind = out.dtype.type
    for i in range(out.size):
        number = _draw(base + uint64(i)) >> unused
        upper = kind(int32(number >> low)) * upper_unit
        lower = kind(int32(number & ((uint32(1) << low) - uint32(1)))) * lower_unit
        # Where there is no tail, its products add 0, which changes nothing.
        values = lower * tail + (lower * head + upper * tail)
        out[i] = min(values + upper * head + lo, last)


# ---------------------------------------------------------------- normal
@_compiled
def _high(x: Any, y: Any) -> Any:
    return (x * y) >> uint64(32)


@_compiled
def _of_table(
    out: Any,
    base: Any,
    table: Any,
    first: Any,
    draws: Any,
    lo: Any,
    hi: Any,
    mean: Any,
    std: Any,
    head: Any,
    tail: Any,
) -> None:
    kind = out.dtype.type
    for i in range(out.size):
        draw = _high(uint64(_draw(base + uint64(i))), draws) + first
        is_upper = draw >> _S31
        m = (draw ^ (is_upper * _LOW31)) & _LOW31
        level = uint64(0)
        for places in (16, 8, 4):
            has_room = uint64((m >> uint64(31 - places)) == 0)
            m = m << (has_room * uint64(places))
            level += has_room * uint64(places // 4)
        row = table[level * uint64(256) + (m >> uint64(23))]
        x = (m & _LOW23) << uint64(4)
        product = (uint64(row[2]) - _high(uint64(row[3]) - _high(uint64(row[4]) - _high(uint64(row[5]), x), x), x)) * x
        whole = uint64(row[0]) - (product >> uint64(32))
        sign = kind(int32(is_upper + is_upper) - int32(1))
        rest = kind(0)
        if out.itemsize == 8:
            rest = (kind(int32(row[1])) - kind(int32((product & _LOW32) >> uint64(12)))) * kind(2.0**-48)
        if mean == kind(0):
            value = sign * (kind(int32(whole)) * kind(2.0**-28) + rest) * std
        else:
            small = sign * (kind(int32(whole & _LOW10)) * kind(2.0**-28))
            middle = sign * (kind(int32((whole >> uint64(10)) & _LOW10)) * kind(2.0**-18))
            large = sign * (kind(int32(whole >> uint64(20))) * kind(2.0**-8))
            rest = sign * rest
            value = ((rest * tail + small * tail) + middle * tail) + large * tail
            value = (((value + rest * head) + small * head) + middle * head) + large * head + mean
        out[i] = min(max(value, lo), hi)


def _gaussian(out: Any, base: Any, *arguments: Any) -> None:
    _of_table(out, base, segments(), *arguments)


_LOOPS: dict[str, Callable[..., None]] = {"symmetric": _symmetric, "range": _range, "gaussian": _gaussian}
