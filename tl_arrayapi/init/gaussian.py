"""The normal distribution, whole or between two bounds, in arithmetic that every library does alike.

log, cos and sqrt differ between libraries in their last bits. The inverse of the distribution's function is therefore
looked up: a polynomial on each of many segments, in 32-bit integers. Only the last steps are floating.
"""

from collections.abc import Callable
from typing import Any

from tl_arrayapi.init.formats import FORMATS, FloatFormat
from tl_arrayapi.init.recipes import Drawn, halved, last_place
from tl_arrayapi.init.splitmix64 import Form, Integer

__all__ = ["FARTHEST", "Gaussian", "Truncated"]

FARTHEST = 6.34
"""No draw gives a larger |z|: that of the probability 2**-33 is 6.338."""

_WIDE = FORMATS["float64"]
_Z_BITS = 28
_LOW_BITS = 20


class Gaussian(Drawn):
    """mean + std z, where z is the inverse of the standard normal distribution at (r + 1/2) / 2**32, r being the draw.

    z is monotone in r, and within 2**-28 of the inverse in float32 and narrower dtypes, within 2**-31 in float64.
    tests/init/normal_table.py makes the coefficients, and says how they are stored.

    Where the mean is 0, the product with std rounds once. Elsewhere it is put together from exact products of halves,
    so that only sums round, and fusing a product into one changes nothing.
    """

    def __init__(self, mean: float, std: float, seed: int, form: FloatFormat) -> None:
        compute = FORMATS[form.compute]
        self.mean, self.std, self.seed, self.format = compute.round(mean), compute.round(std), seed, form
        self.is_wide, self.is_centred = compute is _WIDE, self.mean == 0.0
        self.head, self.tail = halved(self.std, form)
        unit = 2.0 ** -(_Z_BITS + _LOW_BITS) if self.is_wide else 2.0**-_Z_BITS
        self.least = min(last_place(self.std, form) * unit, last_place(self.mean, form)) if mean else self.std * unit

    def at(self, index: int) -> float:
        """Return the value at a flat index."""
        return float(self.block(Integer(), index, 0, self.format.compute))

    def block(self, form: Form, start: int, offsets: Any, dtype: str) -> Any:
        """Return the values of a block."""
        return self.values(form, form.low(self._draws(form, start, offsets)), dtype)

    def values(self, form: Form, draws: Any, dtype: str) -> Any:
        """Return the values that belong to ``draws``, integers of 32 bits."""
        is_upper = form.shifted(draws, 31)
        c0, c0_low, slope, x = _segments(form, draws, is_upper)
        # |z| is c0 - slope x: a whole number of 2**-28, and, where float64 has the bits for it, one of 2**-48.
        whole = c0 - form.high_product(slope, x)
        rest = None
        if self.is_wide:
            rest = form.floats(c0_low(), dtype) - form.floats(form.shifted(form.low(slope * x), 32 - _LOW_BITS), dtype)
            rest = rest * 2.0 ** -(_Z_BITS + _LOW_BITS)
        sign = form.floats(is_upper, dtype) * 2.0 - 1.0
        if not self.is_centred:
            return self._shifted(form, sign, whole, rest, dtype)
        z = form.floats(whole, dtype) * 2.0**-_Z_BITS
        return sign * (z if rest is None else z + rest) * self.std

    def _shifted(self, form: Form, sign: Any, whole: Any, rest: Any, dtype: str) -> Any:
        """Return mean + std z from pieces of z of 11 bits at most, the smallest first."""
        parts = [whole & 1023, form.shifted(whole, 10) & 1023, form.shifted(whole, 20)]
        pieces = [sign * (form.floats(part, dtype) * 2.0 ** (10 * k - _Z_BITS)) for k, part in enumerate(parts)]
        if rest is not None:
            pieces.insert(0, sign * rest)
        values = pieces[0] * self.tail
        for piece in pieces[1:]:
            values = values + piece * self.tail
        for piece in pieces:
            values = values + piece * self.head
        return values + self.mean


class Truncated(Gaussian):
    """The part of a `Gaussian` that lies between two bounds, by inversion: no draw is in vain.

    A draw is spread evenly over those whose values the Gaussian has between the bounds; they are found by bisection, in
    float64, as z is monotone. The bounds hold to the last bit: what rounds beyond one becomes that one.
    """

    def __init__(self, mean: float, std: float, lo: float, hi: float, seed: int, form: FloatFormat) -> None:
        super().__init__(mean, std, seed, form)
        self.lo, self.hi = lo, hi
        wide = Gaussian(mean, std, seed, _WIDE)
        self.first = _first(lambda draw: wide.values(Integer(), draw, "float64") >= lo)
        self.count = _first(lambda draw: wide.values(Integer(), draw, "float64") > hi) - self.first

    def block(self, form: Form, start: int, offsets: Any, dtype: str) -> Any:
        """Return the values of a block."""
        draws = form.low(self._draws(form, start, offsets))
        if self.count < 2**32:
            draws = form.high_product(draws, form.constant(self.count)) + form.constant(self.first)
        return form.clipped(self.values(form, draws, dtype), self.lo, self.hi, dtype)


def _segments(form: Form, draws: Any, is_upper: Any) -> tuple[Any, Callable[[], Any], Any, Any]:
    """Return what |z| = c0 - slope x is made of at each draw: c0, its further bits when asked, the slope, and x."""
    # The lower half of the draws counts from the end of the lower tail, the complement of the upper half likewise.
    m = (draws ^ is_upper * (2**31 - 1)) & (2**31 - 1)
    m, level = form.levelled(m)
    segment = level * 256 + form.shifted(m, 23)
    c0, c1, c2, c3, c4 = (form.looked_up(column, segment) for column in (0, 2, 3, 4, 5))
    x = (m & (2**23 - 1)) << 4
    slope = c3 - form.high_product(c4, x)
    slope = c2 - form.high_product(slope, x)
    return c0, lambda: form.looked_up(1, segment), c1 - form.high_product(slope, x), x


def _first(holds: Callable[[int], bool]) -> int:
    """Return the least draw for which a monotone condition holds; 2**32 where it holds for none."""
    low, high = 0, 2**32
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
