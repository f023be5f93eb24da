"""What native kernels are told of a recipe: which of them has its arithmetic, and the numbers that it takes.

There is a kernel for each kind of recipe, in each of the languages that kernels are written in; they have one name and
one order of arguments in all of them.
"""

import functools
import math
from typing import Any

import numpy

from tl_arrayapi.init.gaussian import Gaussian, Truncated
from tl_arrayapi.init.normal_table import normal_table
from tl_arrayapi.init.recipes import Drawn, Range, Symmetric
from tl_arrayapi.init.splitmix64 import stream_key

__all__ = ["Arguments", "base_of", "described", "segments"]

Arguments = tuple[numpy.generic, ...]

_GOLDEN = 0x9E3779B97F4A7C15


def described(recipe: Drawn) -> tuple[str, Arguments] | None:
    """Return the name of a recipe's kernel and its arguments, typed; None for a kind that no kernel has been written
    for.
    """
    kind = numpy.dtype(recipe.format.compute).type
    if type(recipe) not in _KINDS:
        return None
    name, integers, floats = _KINDS[type(recipe)](recipe)
    return name, (*integers, *(kind(number) for number in floats))


def base_of(recipe: Drawn, start: int = 0) -> numpy.uint64:
    """Return what kernels add to a place behind ``start`` before they mix it into its draw."""
    return numpy.uint64((stream_key(recipe.seed) + start + _GOLDEN) % 2**64)


@functools.cache
def segments() -> numpy.ndarray[Any, Any]:
    """Return the table of the normal distribution in uint32, of shape (2048, 6): each draw reads one row."""
    rows = numpy.ascontiguousarray(numpy.array(normal_table(), numpy.uint32).T)
    rows.flags.writeable = False
    return rows


def _symmetric(recipe: Any) -> tuple[str, Arguments, tuple[float, ...]]:
    # Where there is one factor, the other is 1, which changes no bits.
    factor, bound = (*recipe.factors, 1.0)[:2]
    return "symmetric", (numpy.uint32(32 - recipe.format.bits), numpy.uint32(recipe.half)), (factor, bound)


def _range(recipe: Any) -> tuple[str, Arguments, tuple[float, ...]]:
    bits = recipe.format.bits
    units = 2.0 ** (bits // 2 - bits), 2.0**-bits
    floats = *units, recipe.head, recipe.tail, recipe.lo, recipe.last
    return "range", (numpy.uint32(32 - bits), numpy.uint32(bits // 2)), floats


def _gaussian(recipe: Any) -> tuple[str, Arguments, tuple[float, ...]]:
    draws, bounds = (0, 2**32), (-math.inf, math.inf)
    if isinstance(recipe, Truncated):
        draws, bounds = (recipe.first, recipe.count), (recipe.lo, recipe.hi)
    floats = *bounds, recipe.mean, recipe.std, recipe.head, recipe.tail
    return "gaussian", tuple(map(numpy.uint64, draws)), floats


_KINDS = {Symmetric: _symmetric, Range: _range, Gaussian: _gaussian, Truncated: _gaussian}
