"""SplitMix64: the 32-bit draw that belongs to a seed and an index, in Python integers and over whole ranges of indices.

A draw depends on nothing but (seed, index), so that any part of an array can be filled anywhere, in any order. The
Python integers are the reference; the array forms give the same bits with what integer arithmetic a library has:

- `Words`: one 64-bit integer an element, uint64 or int64. int64 wraps as uint64 does, but its right shift drags the
  sign along, which a mask takes off.
- `Limbs`: two 32-bit integers an element, uint32 or int32, for libraries without 64-bit integers.
- `Integer`: Python's own, one element at a time.

Which form a library can do is found by trying, in `draws_form`, and never by the library's name. The generator is that
of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
"""

import functools
import operator
from abc import ABC, abstractmethod
from typing import Any, SupportsIndex

from tl_arrayapi.errors import ArgumentError, BackendError, PlanError
from tl_arrayapi.init.fans import shown_integer
from tl_arrayapi.init.normal_table import normal_table

__all__ = [
    "Form",
    "Integer",
    "Limbs",
    "Words",
    "as_index",
    "as_seed",
    "available_dtypes",
    "draw",
    "draws_form",
    "mix",
    "stream_key",
    "unit_sample",
]

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_LOW32 = 2**32 - 1
_LOW64 = 2**64 - 1


# ---------------------------------------------------------------- the reference, in Python integers
def as_seed(seed: SupportsIndex) -> int:
    """Return ``seed`` as a Python integer; raise PlanError where it is no integer of [0, 2**64)."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise PlanError(f"a seed is an integer, got {seed!r} of type {type(seed).__name__}")
    value = operator.index(seed)
    if not 0 <= value <= _LOW64:
        raise PlanError(f"a seed is an integer of [0, 2**64), got {shown_integer(value)}")
    return value


def as_index(index: SupportsIndex) -> int:
    """Return a flat index as a Python integer; raise ArgumentError where it is negative or no integer."""
    if isinstance(index, bool) or not hasattr(index, "__index__"):
        raise ArgumentError(f"an index is an integer, got {index!r} of type {type(index).__name__}")
    value = operator.index(index)
    if value < 0:
        raise ArgumentError(f"an index counts elements from 0, got {shown_integer(value)}")
    return value


def mix(x: int) -> int:
    """Scramble 64 bits: one step of SplitMix64, a bijection of [0, 2**64)."""
    z = (x + _GOLDEN) & _LOW64
    z = (z ^ (z >> 30)) * _FIRST & _LOW64
    z = (z ^ (z >> 27)) * _SECOND & _LOW64
    return z ^ (z >> 31)


def stream_key(seed: SupportsIndex) -> int:
    """Return the 64-bit key of a seed's stream: the draw at index i is made from key + i."""
    return mix(as_seed(seed))


def draw(seed: SupportsIndex, index: SupportsIndex) -> int:
    """Return the 32 random bits at ``index`` of a seed's stream, as an integer of [0, 2**32)."""
    return mix((stream_key(seed) + as_index(index)) & _LOW64) & _LOW32


def unit_sample(seed: SupportsIndex, index: SupportsIndex) -> float:
    """Return the uniform sample of [0, 1) at flat ``index`` of a seed's stream: a multiple of 2**-32, exactly.

    Raise PlanError for a seed outside of [0, 2**64), ArgumentError for a negative index.

    >>> unit_sample(0, 0) == 0x4D197E6F / 2**32
    True
    """
    return draw(seed, index) / 2**32


# ---------------------------------------------------------------- the same bits over arrays
class Form(ABC):
    """One way to compute draws with the integers of one dtype of a library, on a device."""

    width: int

    def __init__(self, xp: Any, dtype: str, device: Any = None) -> None:
        self.xp = xp
        self.name = dtype
        self.dtype = getattr(xp, dtype)
        self.signed = dtype.startswith("int")
        self.keywords = {} if device is None else {"device": device}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.xp.__name__}, {self.name!r})"

    def counting(self, count: int, step: int = 1) -> Any:
        """Return 0, step, 2 step, ..., ``count`` of them."""
        values = self.xp.arange(count, dtype=self.dtype, **self.keywords)
        return values if step == 1 else values * self.constant(step)

    @abstractmethod
    def draws(self, base: int, offsets: Any) -> Any:
        """Return fresh integers whose low 32 bits are the draws at ``base + offsets``.

        ``base`` is a stream's key plus an index.
        """

    @abstractmethod
    def low(self, x: Any) -> Any:
        """Return the low 32 bits of ``x`` alone, as integers of 32 bits: those of draws, or of a product."""

    @abstractmethod
    def high_product(self, x: Any, y: Any) -> Any:
        """Return the upper 32 bits of the 64 of ``x * y``, for integers of 32 bits; ``y`` may be a 0-d `constant`."""

    def is_zero(self, x: Any) -> Any:
        """Return 1 where ``x`` is 0, and 0 elsewhere, as integers of the form."""
        return self.xp.astype(x == 0, self.dtype)

    def levelled(self, x: Any) -> tuple[Any, Any]:
        """Return integers below 2**31 moved to the left by 4 bits as often as there is room, 7 times at most, and how
        often that was; it may overwrite ``x``.
        """
        level: Any = 0
        for places in (16, 8, 4):
            has_room = self.is_zero(self.shifted(x, 31 - places))
            x = x << has_room * places
            level = has_room * (places // 4) + level
        return x, level

    def floats(self, x: Any, dtype: str) -> Any:
        """Return integers below 2**31 as floats of the ``dtype`` of that name, rounded to the nearest, ties to even."""
        return self.xp.astype(x, getattr(self.xp, dtype))

    def clipped(self, values: Any, lo: float, hi: float, dtype: str) -> Any:
        """Return floats of the ``dtype`` of that name, with those beyond a bound brought back to it."""
        kind = getattr(self.xp, dtype)
        lower, upper = (self.xp.asarray(bound, dtype=kind, **self.keywords) for bound in (lo, hi))
        return self.xp.minimum(self.xp.maximum(values, lower), upper)

    def looked_up(self, column: int, places: Any) -> Any:
        """Return, for each of ``places``, what a column of `normal_table` holds there."""
        return self.xp.take(self.table[column], self.xp.astype(places, self.xp.int32), axis=0)

    @functools.cached_property
    def table(self) -> tuple[Any, ...]:
        """The columns of `normal_table` as integers of the form, made when they are first asked for."""
        keywords = {"dtype": self.dtype, **self.keywords}
        return tuple(
            self.xp.asarray(list(column if self._holds_32_bits else map(self._reduced, column)), **keywords)
            for column in normal_table()
        )

    @property
    def _holds_32_bits(self) -> bool:
        return self.width > 32 or not self.signed

    def halves(self, draws: Any, bits: int) -> tuple[Any, Any]:
        """Split the top ``bits`` (2 to 32) of the draws into an upper and a lower half; the lower has bits // 2."""
        low = bits // 2
        upper = (draws >> (32 - bits + low)) & (2 ** (bits - low) - 1)
        return upper, (draws >> (32 - bits)) & (2**low - 1)

    @abstractmethod
    def numbers(self, draws: Any, bits: int, dtype: Any) -> Any:
        """Return the top ``bits`` of the draws as integers of a floating ``dtype``; it may overwrite the draws."""

    def constant(self, value: int) -> Any:
        """Return an integer, reduced to the width of the dtype, as a 0-d array.

        Some libraries refuse a Python integer that does not fit the signed dtype, wherever it stands.
        """
        return self.xp.asarray(self._reduced(value), dtype=self.dtype, **self.keywords)

    def _reduced(self, value: int) -> int:
        value &= 2**self.width - 1
        return value - 2**self.width if self.signed and value >> (self.width - 1) else value

    def shifted(self, x: Any, places: int) -> Any:
        """Return ``x`` shifted right, with zeros coming in from the left."""
        moved = x >> places
        if self.signed:
            moved &= 2 ** (self.width - places) - 1
        return moved


class Words(Form):
    """Draws with one 64-bit integer an element.

    Augmented assignments work in place where the library can, and so keep a block within the processor's cache.
    """

    width = 64

    def draws(self, base: int, offsets: Any) -> Any:
        """Return the mixed words; their low 32 bits are the draws."""
        z = offsets + self.constant(base + _GOLDEN)
        z ^= self.shifted(z, 30)
        z *= self.constant(_FIRST)
        z ^= self.shifted(z, 27)
        z *= self.constant(_SECOND)
        z ^= self.shifted(z, 31)
        return z

    def low(self, x: Any) -> Any:
        """Return the low halves."""
        return x & _LOW32

    def high_product(self, x: Any, y: Any) -> Any:
        """Return the upper half of the product, which a word holds."""
        return self.shifted(x * y, 32)

    def numbers(self, draws: Any, bits: int, dtype: Any) -> Any:
        """Return the top ``bits`` of the draws as floats."""
        if bits < 32:
            draws >>= 32 - bits
        draws &= 2**bits - 1
        return self.xp.astype(draws, dtype)


class Limbs(Form):
    """Draws with two 32-bit integers an element, the upper and the lower half of a word.

    int32 wraps as uint32 does; every right shift is masked, so that one code serves both.
    """

    width = 32

    def draws(self, base: int, offsets: Any) -> Any:
        """Return the lower halves of the mixed words, which are the draws; offsets are below 2**31."""
        base += _GOLDEN
        low_base = self.constant(base)
        low = offsets + low_base
        # The carry out of the top bit, written without comparing: signed integers would compare wrongly.
        carry = self.shifted((offsets & low_base) | ((offsets | low_base) & ~low), 31)
        return self.mixed(carry + self.constant(base >> 32), low)

    def mixed(self, high: Any, low: Any) -> Any:
        """Return the lower half of the words whose halves, the golden number added, are given."""
        high, low = self._times(*self._folded(high, low, 30), _FIRST)
        high, low = self._times(*self._folded(high, low, 27), _SECOND)
        return self._folded(high, low, 31)[1]

    def low(self, x: Any) -> Any:
        """Return ``x``: its integers have no more bits."""
        return x

    def high_product(self, x: Any, y: Any) -> Any:
        """Return the upper half of the product from those of 16-bit pieces, for 32 bits hold no larger ones."""
        x0, x1 = x & 0xFFFF, self.shifted(x, 16)
        y0, y1 = y & 0xFFFF, self.shifted(y, 16)
        p01, p10 = x0 * y1, x1 * y0
        middle = self.shifted(x0 * y0, 16) + (p01 & 0xFFFF) + (p10 & 0xFFFF)
        return x1 * y1 + self.shifted(p01, 16) + self.shifted(p10, 16) + self.shifted(middle, 16)

    def numbers(self, draws: Any, bits: int, dtype: Any) -> Any:
        """Return the top ``bits`` of the draws as floats."""
        if bits < 32:
            return self.xp.astype(self.shifted(draws, 32 - bits), dtype)
        upper, lower = self.halves(draws, bits)
        return self.xp.astype(upper, dtype) * 65536.0 + self.xp.astype(lower, dtype)

    def _folded(self, high: Any, low: Any, places: int) -> tuple[Any, Any]:
        """Return z ^ (z >> places)."""
        return high ^ self.shifted(high, places), low ^ ((high << (32 - places)) | self.shifted(low, places))

    def _times(self, high: Any, low: Any, factor: int) -> tuple[Any, Any]:
        """Return z * factor, of which the low limbs alone make a product of 64 bits."""
        lower, upper = self.constant(factor), self.constant(factor >> 32)
        return self.high_product(low, lower) + high * lower + low * upper, low * lower


class Integer(Form):
    """Draws in Python's integers, for one element: what the other forms have to agree with."""

    def __init__(self) -> None:
        """Take no library."""

    def draws(self, base: int, offsets: Any) -> int:
        """Return the mixed word."""
        return mix((base + offsets) & _LOW64)

    def low(self, x: int) -> int:
        """Return the low half."""
        return x & _LOW32

    def high_product(self, x: int, y: int) -> int:
        """Return the upper half of the product."""
        return x * y >> 32

    def is_zero(self, x: int) -> int:
        """Return 1 for 0, and 0 for others."""
        return int(x == 0)

    def floats(self, x: int, dtype: str) -> float:
        """Return ``x`` as a Python float."""
        return float(x)

    def clipped(self, values: float, lo: float, hi: float, dtype: str) -> float:
        """Return a float brought back between the bounds."""
        return min(max(values, lo), hi)

    def looked_up(self, column: int, places: int) -> int:
        """Return one entry of the table."""
        return normal_table()[column][places]

    def constant(self, value: int) -> int:
        """Return ``value``."""
        return value

    def shifted(self, x: int, places: int) -> int:
        """Return ``x`` shifted right."""
        return x >> places

    def numbers(self, draws: int, bits: int, dtype: Any) -> float:
        """Return the top ``bits`` of the draw as a float."""
        return float((draws & _LOW32) >> (32 - bits))


# ---------------------------------------------------------------- which form a library can do
_FORMS: tuple[tuple[type[Form], str], ...] = (
    (Words, "uint64"),
    (Words, "int64"),
    (Limbs, "uint32"),
    (Limbs, "int32"),
)
# What libraries raise for a dtype, an operation or an integer that they do not have.
_LACKING = (AttributeError, TypeError, ValueError, OverflowError, RuntimeError)
# The second and third of these bases carry from the low 32 bits into the upper ones, and out of all 64.
_TRIALS = (0x123456789ABCDEF, 2**63 - 5 - _GOLDEN, -5 - _GOLDEN)


def available_dtypes(xp: Any, device: Any = None) -> frozenset[str]:
    """Return the names of the dtypes that ``xp`` says it has on ``device``; those it shows, where it cannot say."""
    information = getattr(xp, "__array_namespace_info__", None)
    if information is None:
        names = ("int32", "int64", "uint32", "uint64", "float16", "bfloat16", "float32", "float64")
        return frozenset(name for name in names if hasattr(xp, name))
    return frozenset(information().dtypes(device=device))


def draws_form(xp: Any, device: Any = None) -> Form:
    """Return the fastest form of the draws that ``xp`` computes rightly on ``device``.

    It is tried once per namespace, device and set of dtypes (JAX's depends on a switch). Raise BackendError where no
    form works.
    """
    kind, dtype = _tried(xp, device, available_dtypes(xp, device))
    # Each caller has a form of its own: the table that it keeps may belong to a trace, which ends.
    return kind(xp, dtype, device)


@functools.lru_cache(maxsize=64)
def _tried(xp: Any, device: Any, dtypes: frozenset[str]) -> tuple[type[Form], str]:
    for form, dtype in _FORMS:
        if dtype in dtypes and _works(form, xp, dtype, device):
            return form, dtype
    raise BackendError(
        f"{xp.__name__} has no integers to compute SplitMix64 with: it takes 64 or 32 bits that wrap around, shifts "
        "and bitwise operations. Give the library a backend with a fill of its own"
    )


def _works(kind: type[Form], xp: Any, dtype: str, device: Any) -> bool:
    try:
        form = kind(xp, dtype, device)
        return (
            all(
                [int(found[i]) & _LOW32 for i in range(4)] == [mix((base + 3 * i) & _LOW64) & _LOW32 for i in range(4)]
                for base in _TRIALS
                for found in [form.draws(base, form.counting(4, 3))]
            )
            and int(form.high_product(form.constant(_LOW32), form.constant(_LOW32))) & _LOW32 == _LOW32 - 1
        )
    except _LACKING:
        return False
