"""What an initialiser means in one floating format: its rounded constants, and how values are made of random bits.

One formula serves Python floats and arrays. Where a value shall have the same bits in every library, each operation is
exact but the last, or rounds the same whether or not a compiler fuses a product into the sum that follows it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.formats import FORMATS, FloatFormat
from tl_arrayapi.init.splitmix64 import Form, draw, stream_key

__all__ = ["Constant", "Drawn", "Filled", "Payload", "Range", "Recipe", "Symmetric", "Whole", "halved", "last_place"]

Filled = Callable[["Drawn", tuple[int, ...], str], Any]


class Recipe(ABC):
    """How to compute the values of one initialiser in one format."""

    @abstractmethod
    def at(self, index: int) -> float:
        """Return the value at a flat index."""


class Constant(Recipe):
    """The same value everywhere."""

    def __init__(self, value: float) -> None:
        self.value = value

    def at(self, index: int) -> float:
        """Return the value."""
        return self.value


class Payload(Recipe):
    """Values given one by one, each of the format already."""

    def __init__(self, values: tuple[float, ...]) -> None:
        self.values = values

    def at(self, index: int) -> float:
        """Return the value given for this index."""
        if index >= len(self.values):
            raise PlanError(f"index {index} is beyond the {len(self.values)} values of flat(...)")
        return self.values[index]


class Drawn(Recipe):
    """Values made from draws of a seed's stream, one draw a value.

    ``least`` divides every number that is met on the way: below the smallest normal one, libraries that flush such
    numbers to zero compute other values.
    """

    seed: int
    format: FloatFormat
    least: float

    @abstractmethod
    def block(self, form: Form, start: int, offsets: Any, dtype: str) -> Any:
        """Return, in the floating ``dtype``, the values at ``start`` plus ``offsets``.

        ``offsets`` are integers as `Form.counting` makes them, in any shape.
        """

    @property
    def is_tiny(self) -> bool:
        """Whether numbers may be met that some libraries flush to zero."""
        return self.least < FORMATS[self.format.compute].smallest_normal

    def _draws(self, form: Form, start: int, offsets: Any) -> Any:
        return form.draws(stream_key(self.seed) + start, offsets)


class Symmetric(Drawn):
    """bound * (2u - 1), where 2u - 1 is exact: one rounding, so the bits are the same everywhere."""

    def __init__(self, bound: float, seed: int, form: FloatFormat) -> None:
        self.bound, self.seed, self.format = bound, seed, form
        self.half = 2.0 ** (form.bits - 1)
        scale = bound / self.half
        # What an integer of [-half, half) is multiplied with: one number, where that rounds no more than once.
        fits = scale >= FORMATS[form.compute].smallest_normal
        self.factors = (scale,) if fits else (1.0 / self.half, bound)
        self.least = scale

    def _values(self, numbers: Any) -> Any:
        numbers -= self.half
        for factor in self.factors:
            numbers *= factor
        return numbers

    def at(self, index: int) -> float:
        """Return the value at a flat index."""
        return float(self._values(float(draw(self.seed, index) >> (32 - self.format.bits))))

    def block(self, form: Form, start: int, offsets: Any, dtype: str) -> Any:
        """Return the values of a block."""
        draws = self._draws(form, start, offsets)
        return self._values(form.numbers(draws, self.format.bits, getattr(form.xp, dtype)))


class Range(Drawn):
    """lo + u (hi - lo), where what would round to hi becomes the next value below.

    u and the width are halved into pieces whose products are exact, after Dekker, "A floating-point technique for
    extending the available precision" (1971). Then only sums round, and fusing a product into one changes nothing.
    """

    def __init__(self, lo: float, hi: float, seed: int, form: FloatFormat) -> None:
        self.lo, self.hi, self.seed, self.format = lo, hi, seed, form
        self.last = form.below(hi)
        # The width in the format's precision, as an upper and a lower part of half as many bits.
        width = _leading(hi - lo, form.precision, round)
        self.head, self.tail = halved(width, form)
        self.has_tail = self.tail != 0.0
        self.least = min(last_place(width, form) * 2.0**-form.bits, last_place(lo, form))

    def _values(self, upper: Any, lower: Any) -> Any:
        """Combine the halves of u, as floating integers; the smallest terms come first."""
        upper *= 2.0 ** (self.format.bits // 2 - self.format.bits)
        lower *= 2.0**-self.format.bits
        values = lower * self.head
        if self.has_tail:
            values = lower * self.tail + (values + upper * self.tail)
        return values + upper * self.head + self.lo

    def at(self, index: int) -> float:
        """Return the value at a flat index."""
        bits = self.format.bits
        number = draw(self.seed, index) >> (32 - bits)
        values = self._values(float(number >> bits // 2), float(number % 2 ** (bits // 2)))
        return min(float(values), self.last)

    def block(self, form: Form, start: int, offsets: Any, dtype: str) -> Any:
        """Return the values of a block."""
        xp, kind = form.xp, getattr(form.xp, dtype)
        halves = form.halves(self._draws(form, start, offsets), self.format.bits)
        values = self._values(*(xp.astype(half, kind) for half in halves))
        return xp.minimum(values, xp.asarray(self.last, dtype=kind, **form.keywords))


class Whole(Recipe):
    """An array that is made as a whole, from its shape: no value of it belongs to an index alone.

    ``has_parts`` says whether `part` makes no more than it returns.
    """

    has_parts: ClassVar[bool] = False

    def at(self, index: int) -> float:
        """Raise PlanError."""
        raise PlanError("a value of this initialiser depends on the shape of its array: materialize the array")

    @abstractmethod
    def array(self, shape: tuple[int, ...], xp: Any, dtype: str, device: Any, filled: Filled) -> Any:
        """Return the array of ``shape`` in the namespace ``xp``, on ``device``, of the dtype called ``dtype``.

        ``filled(recipe, shape, dtype)`` gives an array of draws there.
        """

    def part(
        self,
        shape: tuple[int, ...],
        start: Sequence[int],
        stop: Sequence[int],
        xp: Any,
        dtype: str,
        device: Any,
        filled: Filled,
    ) -> Any:
        """Return the part ``[start[k]:stop[k], ...]`` of that array."""
        return self.array(shape, xp, dtype, device, filled)[tuple(map(slice, start, stop))]


# ---------------------------------------------------------------- numbers as a format holds them
def halved(value: float, form: FloatFormat) -> tuple[float, float]:
    """Split a number of the format's compute dtype in two of half as many bits: the leading ones, and the rest."""
    head = _leading(value, FORMATS[form.compute].precision // 2, math.floor)
    return head, value - head


def last_place(value: float, form: FloatFormat) -> float:
    """Return the last place of a number in the format's compute dtype, a power of two; infinity for 0."""
    return math.ldexp(1.0, FORMATS[form.compute].quantum(value)) if value else math.inf


def _leading(value: float, bits: int, to_integer: Any) -> float:
    """Keep so many leading bits of a positive number, whatever its exponent."""
    exponent = math.frexp(value)[1] - bits
    return math.ldexp(to_integer(math.ldexp(value, -exponent)), exponent)
