"""Sums of products of float64 numbers as integers: nothing is rounded, and nothing depends on the order.

A finite float64 is an integer of 53 bits, shifted by its exponent. Integers are cut into limbs of 27 bits, which
products carry as on paper; limbs of one shift are added up in a float64, exactly while there are few enough of them
(Demmel and Hida, "Accurate and efficient floating point summation", 2003, add up by exponent in this way). All of it is
arithmetic of integers, so that a processor that flushes subnormal numbers finds the same. Blocks of numbers of like
size, as losses mostly are, take the faster way of `alike`.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy

from tl_arrayapi.distributed import alike

__all__ = ["EXPONENT", "running_units"]

EXPONENT = 1074
"""A unit is 2^-1074, the smallest positive float64: every finite float64 is a whole number of them."""

_Integers = numpy.ndarray[Any, numpy.dtype[numpy.int64]]
_Floats = numpy.ndarray[Any, numpy.dtype[numpy.float64]]

_Numbers = tuple[_Integers, list[_Integers]]
"""A shift for each number, and limbs that make it up, the lowest ones first."""

_Parts = dict[int, _Floats]
"""A part of each factor, by the factor's id."""

_LIMB = 27
_LOW = (1 << _LIMB) - 1
_FRACTION = 52
_MOST_SHIFT = 2046
# For the overhead of 2,046 shifts, and not so many that limbs of 27 bits add up to more than a float64 holds.
_BLOCKS_TOGETHER = 32
# Temporary arrays of this length stay in a processor's cache.
_BLOCK = 1 << 13


def running_units(*factors: _Floats) -> list[int]:
    """Return the sums over i of ``a[i]``, of ``a[i] * b[i]``, and so on to the product of all factors.

    The sum of products of k factors is in units of ``2**(-1074 * k)``. Factors are finite real floating arrays, of
    float64 at most, of one axis and of one length.

    >>> x = numpy.asarray([1e308, 2.0**-1074, -1e308])
    >>> running_units(x)
    [1]
    >>> mean, square = running_units(x, x)
    >>> square == 2 * int(1e308) ** 2 * 2**2148 + 1
    True
    """
    totals, others, again = [0] * len(factors), list[_Parts](), list[_Parts]()
    for start in range(0, len(factors[0]), alike.BLOCK):
        parts = {id(x): x[start : start + alike.BLOCK].astype(numpy.float64, copy=False) for x in factors}
        found, places = alike.sums_of_alike([parts[id(x)] for x in factors], EXPONENT)
        totals = _added(totals, found)
        if places is None:
            others.append(parts)
        elif len(places):
            again.append({key: x[places] for key, x in parts.items()})
        if len(others) == _BLOCKS_TOGETHER:
            totals, others = _added(totals, _sums(_joined(others, factors))), []
    if others:
        totals = _added(totals, _sums(_joined(others, factors)))
    # What is much smaller than its neighbours is mostly like itself.
    return _added(totals, running_units(*_joined(again, factors))) if again else totals


def _added(left: list[int], right: list[int]) -> list[int]:
    return [x + y for x, y in zip(left, right, strict=True)]


def _joined(blocks: list[_Parts], factors: Sequence[_Floats]) -> list[_Floats]:
    """Return, for each factor, its parts one after another; the same array for the same factor."""
    found = {key: numpy.concatenate([block[key] for block in blocks]) for key in blocks[0]}
    return [found[id(x)] for x in factors]


def _sums(factors: list[_Floats]) -> list[int]:
    """Return the sums for numbers of any size."""
    # A row for each limb of each product; none shifts further than the last.
    sums = [numpy.zeros((2 * k, k * _MOST_SHIFT)) for k in range(1, len(factors) + 1)]
    for start in range(0, len(factors[0]), _BLOCK):
        numbers = [_taken_apart(x[start : start + _BLOCK]) for x in factors]
        for rows, (shift, limbs) in zip(sums, accumulate(numbers, _times), strict=True):
            for row, limb in zip(rows, limbs, strict=True):
                found = numpy.bincount(shift, limb)
                row[: len(found)] += found
    return [_put_together(rows) for rows in sums]


def _put_together(rows: Any) -> int:
    shifts = numpy.flatnonzero(rows.any(axis=0)).tolist()
    return sum(int(row[shift]) << (shift + _LIMB * i) for i, row in enumerate(rows) for shift in shifts)


def _taken_apart(x: _Floats) -> _Numbers:
    """Return each number in units, as two limbs and a shift."""
    bits = numpy.ascontiguousarray(x).view(numpy.int64)
    exponent = (bits >> _FRACTION) & 0x7FF
    # Numbers with an exponent of 0 are subnormal: they lack the leading 1, and have the shift of exponent 1.
    is_normal = numpy.minimum(exponent, 1)
    exponent -= is_normal
    is_normal <<= _FRACTION
    integer = (bits & ((1 << _FRACTION) - 1)) | is_normal
    sign = bits >> 63  # -1 or 0; with these, two's complement negates
    integer ^= sign
    integer -= sign
    return exponent, [integer & _LOW, integer >> _LIMB]


def _times(left: _Numbers, right: _Numbers) -> _Numbers:
    limbs: list[_Integers] = [x * right[1][0] for x in left[1]]
    for x, limb in zip(left[1], limbs[1:], strict=False):
        limb += x * right[1][1]
    limbs.append(left[1][-1] * right[1][1])
    limbs.append(numpy.zeros_like(limbs[0]))
    for limb, above in pairwise(limbs):
        above += limb >> _LIMB
        limb &= _LOW
    return left[0] + right[0], limbs
