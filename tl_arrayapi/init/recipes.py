"""What an initialiser means in one floating format: its rounded constants, and how values are made of random bits.

One formula serves Python floats and arrays. Where a value shall have the same bits in every library, each operation is
exact but the last, or rounds the same whether or not a compiler fuses a product into the sum that follows it.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.formats import FORMATS, FloatFormat
from tl_arrayapi.init.splitmix64 import Form, available_dtypes, draw, stream_key

__all__ = ["Constant", "Drawn", "Gaussian", "Payload", "Range", "Recipe", "Symmetric"]


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
    """Values made from draws of a seed's stream; ``per_element`` of them make one value."""

    seed: int
    per_element: ClassVar[int] = 1

    @abstractmethod
    def block(self, form: Form, start: int, offsets: Any, dtype: str) -> Any:
        """Return, in the floating ``dtype``, the values at ``start`` plus ``offsets / per_element``.

        ``offsets`` are integers as `Form.counting` makes them, in any shape.
        """

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
        self.head = _leading(width, FORMATS[form.compute].precision // 2, math.floor)
        self.tail = width - self.head

    def _values(self, upper: Any, lower: Any) -> Any:
        """Combine the halves of u, as floating integers; the smallest terms come first."""
        upper *= 2.0 ** (self.format.bits // 2 - self.format.bits)
        lower *= 2.0**-self.format.bits
        values = lower * self.head
        if self.tail:
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


class Gaussian(Drawn):
    """mean + std z, with z from two draws by the method of Box and Muller (1958): u1 is in (0, 1), u2 in [0, 1).

    Libraries round log, sqrt and cos differently, so the last bits may differ between them.
    """

    per_element: ClassVar[int] = 2

    def __init__(self, mean: float, std: float, seed: int) -> None:
        self.mean, self.std, self.seed = mean, std, seed

    def at(self, index: int) -> float:
        """Return the value at a flat index."""
        u1 = (draw(self.seed, 2 * index) + 1) / (2**32 + 1)
        u2 = draw(self.seed, 2 * index + 1) / 2**32
        return self.mean + self.std * (math.sqrt(-2.0 * math.log(u1)) * math.cos(2.0 * math.pi * u2))

    def block(self, form: Form, start: int, offsets: Any, dtype: str) -> Any:
        """Return the values of a block; they are computed in float64 where the library has it."""
        device = form.keywords.get("device")
        normal = _normal64 if "float64" in available_dtypes(form.xp, device) else _normal32
        z = normal(form, *(self._draws(form, 2 * start + second, offsets) for second in (0, 1)))
        z *= self.std
        z += self.mean
        return form.xp.astype(z, getattr(form.xp, dtype))


def _normal64(form: Form, first: Any, second: Any) -> Any:
    xp = form.xp
    u1 = form.numbers(first, 32, xp.float64)
    u1 += 1.0
    u1 *= 1.0 / (2**32 + 1)
    turns = form.numbers(second, 32, xp.float64)
    turns *= 2.0 * math.pi * 2.0**-32
    return xp.sqrt(-2.0 * xp.log(u1)) * xp.cos(turns)


def _normal32(form: Form, first: Any, second: Any) -> Any:
    """As `_normal64`, for libraries without float64: what is near 1 is kept as its distance from 1, to lose no bits."""
    xp = form.xp
    upper, lower = (xp.astype(half, xp.float32) for half in form.halves(first, 32))
    near_one = upper >= 2.0**15
    distance = ((65535.0 - upper) * 65536.0 + (65536.0 - lower)) * 2.0**-32
    u1 = (upper * 65536.0 + (lower + 1.0)) * 2.0**-32
    half = xp.asarray(0.5, dtype=xp.float32, **form.keywords)
    log = xp.where(near_one, xp.log1p(-xp.where(near_one, distance, half)), xp.log(u1))
    upper, lower = (xp.astype(half, xp.float32) for half in form.halves(second, 32))
    upper = upper - xp.astype(upper >= 2.0**15, xp.float32) * 65536.0
    turns = (upper * 65536.0 + lower) * 2.0**-32
    return xp.sqrt(-2.0 * log) * xp.cos(turns * (2.0 * math.pi))


def _leading(value: float, bits: int, to_integer: Any) -> float:
    """Keep so many leading bits of a positive number, whatever its exponent."""
    exponent = math.frexp(value)[1] - bits
    return math.ldexp(to_integer(math.ldexp(value, -exponent)), exponent)
