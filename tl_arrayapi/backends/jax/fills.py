"""Fill JAX's arrays with drawn values in one compiled function a kind of recipe and shape.

Seeds, bounds and other numbers are arguments of that function, so that it is compiled once for all of them. It draws
with 32-bit integers, whether 64-bit ones are switched on or not.
"""

import copy
import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy
import numpy

from tl_arrayapi.init.recipes import Drawn
from tl_arrayapi.init.splitmix64 import Limbs, stream_key

__all__ = ["filled"]


def filled(recipe: Drawn, shape: Sequence[int], dtype: Any, device: Any) -> Any:
    """Return an array of ``shape`` of what ``recipe`` draws, on a device, or spread as a sharding says."""
    numbers = _numbers(recipe)
    pattern = _Pattern(recipe, numbers)
    key = stream_key(recipe.seed) + _GOLDEN
    base = numpy.asarray([key >> 32 & _LOW32, key & _LOW32], numpy.uint32)
    kind = numpy.dtype(recipe.format.compute)
    given = {name: jax.tree.map(kind.type, value) for name, value in numbers.items()}
    return _compiled(pattern, tuple(shape), numpy.dtype(dtype), device)(base, given)


_GOLDEN = 0x9E3779B97F4A7C15
_LOW32 = 2**32 - 1


def _numbers(recipe: Drawn) -> dict[str, Any]:
    """Return the floats of a recipe and its tuples of floats, by name: what differs from one fill to the next."""
    return {
        name: value
        for name, value in vars(recipe).items()
        if isinstance(value, float) or (isinstance(value, tuple) and all(isinstance(part, float) for part in value))
    }


class _Pattern:
    """A recipe without its numbers and its seed: what a function is compiled for. Equal ones share it."""

    def __init__(self, recipe: Drawn, numbers: dict[str, Any]) -> None:
        self.recipe = recipe
        rest = {name: value for name, value in vars(recipe).items() if name not in numbers and name != "seed"}
        lengths = ((name, len(value) if isinstance(value, tuple) else 0) for name, value in numbers.items())
        self.identity = (type(recipe), tuple(rest.items()), tuple(lengths))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pattern) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def with_numbers(self, numbers: dict[str, Any]) -> Drawn:
        """Return the recipe with other numbers, which may be traced."""
        made = copy.copy(self.recipe)
        vars(made).update(numbers)
        return made


class _Traced(Limbs):
    """Draws of a stream whose key is an argument of the function that is compiled."""

    def __init__(self, base: Any) -> None:
        super().__init__(jax.numpy, "uint32")
        self.base = base

    def draws(self, base: int, offsets: Any) -> Any:
        """Return the draws at ``offsets``, which have an upper half and a lower one."""
        upper, lower = offsets
        low = lower + self.base[1]
        carry = jax.numpy.astype(low < lower, self.dtype)
        return self.mixed(upper + self.base[0] + carry, low)

    def places(self, shape: tuple[int, ...]) -> tuple[Any, Any]:
        """Return the upper and the lower half of the flat index of each element of an array of ``shape``."""
        upper: Any = 0
        lower = jax.numpy.zeros(shape, self.dtype)
        for axis in range(len(shape)):
            stride = math.prod(shape[axis + 1 :])
            along = jax.lax.broadcasted_iota(self.dtype, shape, axis)
            if math.prod(shape) <= 2**32:
                lower = lower + along * self.constant(stride)
                continue
            more, less = self._times(jax.numpy.zeros_like(along), along, stride)
            lower = lower + less
            upper = upper + more + jax.numpy.astype(lower < less, self.dtype)
        return upper, lower


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: _Pattern, shape: tuple[int, ...], dtype: Any, device: Any) -> Any:
    def function(base: Any, numbers: dict[str, Any]) -> Any:
        recipe, form = pattern.with_numbers(numbers), _Traced(base)
        values = recipe.block(form, 0, form.places(shape), recipe.format.compute)
        return jax.numpy.astype(values, dtype)

    sharding = jax.sharding.SingleDeviceSharding(device) if isinstance(device, jax.Device) else device
    return jax.jit(function, out_shardings=sharding)
