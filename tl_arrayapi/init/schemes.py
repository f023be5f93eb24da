"""The initialisers: frozen descriptions of how a parameter is filled, and the value of each at one flat index.

A case compares by value and hashes, so that two plans can be compared and a fill can be repeated. What a case means for
whole arrays is in `fills`; here it is Python floats.
"""

import math
import operator
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, SupportsFloat, SupportsIndex

from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.fans import MAX_ELEMENTS, infer_fans, shown_integer
from tl_arrayapi.init.formats import FORMATS, FloatFormat
from tl_arrayapi.init.recipes import Constant, Gaussian, Payload, Range, Recipe, Symmetric
from tl_arrayapi.init.splitmix64 import as_index, as_seed

__all__ = [
    "Flat",
    "FloatInit",
    "KaimingUniform",
    "Normal",
    "Ones",
    "Uniform",
    "XavierUniform",
    "Zeros",
    "as_scheme",
    "flat",
    "kaiming_for",
    "kaiming_linear_weight",
    "kaiming_uniform",
    "normal",
    "ones",
    "uniform",
    "value_at",
    "xavier_for",
    "xavier_linear_weight",
    "xavier_uniform",
    "zeros",
]

_FLOAT64 = FORMATS["float64"]
# The largest |z| that Box-Muller makes from 32-bit draws is sqrt(2 ln(2**32 + 1)).
_FARTHEST = 6.7


class FloatInit(ABC):
    """How one parameter is filled; the base of every initialiser.

    Each is made by the function of its name, compares by value, hashes and cannot be changed.

    >>> isinstance(uniform(-1.0, 1.0, seed=7), FloatInit), uniform(0, 1) == uniform(0.0, 1.0, seed=0)
    (True, True)
    """

    name: ClassVar[str]

    @abstractmethod
    def recipe(self, form: FloatFormat) -> Recipe:
        """Return what this initialiser means in one floating format; raise PlanError where it does not fit."""

    def settings(self) -> dict[str, Any]:
        """Return what the function of this initialiser's name takes to make it again, as numbers and lists."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @property
    def count(self) -> int | None:
        """How many elements it fills; None where it fills any number of them."""
        return None


@dataclass(frozen=True)
class Zeros(FloatInit):
    """Made by `zeros`."""

    name = "zeros"

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the constant 0."""
        return Constant(0.0)


@dataclass(frozen=True)
class Ones(FloatInit):
    """Made by `ones`."""

    name = "ones"

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the constant 1."""
        return Constant(1.0)


@dataclass(frozen=True)
class Uniform(FloatInit):
    """Made by `uniform`."""

    name = "uniform"
    lo: float
    hi: float
    seed: int = 0

    def __post_init__(self) -> None:
        _set(self, lo=_number("lo", self.lo), hi=_number("hi", self.hi), seed=as_seed(self.seed))
        if self.lo >= self.hi:
            raise PlanError(f"uniform(lo, hi) needs lo < hi, got {self.lo} and {self.hi}")
        if math.isinf(self.hi - self.lo) and self.lo != -self.hi:
            raise PlanError(f"uniform({self.lo}, {self.hi}) is wider than the largest float: bring the bounds closer")

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the formula about 0 where the bounds lie evenly about it, and the general one elsewhere."""
        lo, hi = _fitted(self, self.lo, form), _fitted(self, self.hi, form)
        if lo == -hi:
            return _symmetric(self, hi, self.seed, form)
        if lo >= hi or hi - lo > FORMATS[form.compute].largest:
            problem = "are one number" if lo >= hi else "are too far apart"
            raise PlanError(f"the bounds of {self!r} {problem} in {form.name}: choose others, or a wider dtype")
        return Range(lo, hi, self.seed, form)


@dataclass(frozen=True)
class XavierUniform(FloatInit):
    """Made by `xavier_uniform`."""

    name = "xavier_uniform"
    fan_in: int
    fan_out: int
    seed: int = 0

    def __post_init__(self) -> None:
        _set(self, fan_in=_fan("fan_in", self.fan_in), fan_out=_fan("fan_out", self.fan_out), seed=as_seed(self.seed))

    @property
    def bound(self) -> float:
        """L = sqrt(6 / (fan_in + fan_out))."""
        return math.sqrt(6.0 / (self.fan_in + self.fan_out))

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the uniform formula about 0."""
        return _symmetric(self, self.bound, self.seed, form)


@dataclass(frozen=True)
class KaimingUniform(FloatInit):
    """Made by `kaiming_uniform`."""

    name = "kaiming_uniform"
    fan_in: int
    seed: int = 0

    def __post_init__(self) -> None:
        _set(self, fan_in=_fan("fan_in", self.fan_in), seed=as_seed(self.seed))

    @property
    def bound(self) -> float:
        """L = sqrt(6 / fan_in)."""
        return math.sqrt(6.0 / self.fan_in)

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the uniform formula about 0."""
        return _symmetric(self, self.bound, self.seed, form)


@dataclass(frozen=True)
class Normal(FloatInit):
    """Made by `normal`."""

    name = "normal"
    mean: float
    std: float
    seed: int = 0

    def __post_init__(self) -> None:
        _set(self, mean=_number("mean", self.mean), std=_number("std", self.std), seed=as_seed(self.seed))
        if self.std < 0:
            raise PlanError(f"normal(mean, std) needs a standard deviation of 0 or more, got {self.std}")

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the formula of Box and Muller."""
        if abs(self.mean) + _FARTHEST * self.std > form.largest:
            raise PlanError(f"{self!r} reaches beyond {form.largest}, the largest {form.name}: take a wider dtype")
        return Gaussian(self.mean, self.std, self.seed)


@dataclass(frozen=True, repr=False)
class Flat(FloatInit):
    """Made by `flat`; keeps its values as little-endian float64 bytes."""

    name = "flat"
    payload: bytes

    def __len__(self) -> int:
        return len(self.payload) // 8

    def __repr__(self) -> str:
        shown = ", ".join(str(value) for value in struct.unpack_from(f"<{min(len(self), 4)}d", self.payload))
        return f"flat([{shown}])" if len(self) <= 4 else f"flat([{shown}, ... {len(self)} values])"

    @property
    def values(self) -> tuple[float, ...]:
        """The values, in row-major order."""
        return struct.unpack(f"<{len(self)}d", self.payload)

    def settings(self) -> dict[str, Any]:
        """Return the values."""
        return {"values": list(self.values)}

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self)

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the values, rounded to the format."""
        values = form.round_all(self.values)
        for position, value in enumerate(values):
            if math.isinf(value):
                raise PlanError(
                    f"value {position} of flat(...), {self.values[position]}, is beyond {form.name}: take a wider dtype"
                )
        return Payload(values)


# ---------------------------------------------------------------- what users call
def zeros() -> Zeros:
    """Fill with 0.

    >>> value_at(zeros(), 5)
    0.0
    """
    return Zeros()


def ones() -> Ones:
    """Fill with 1.

    >>> value_at(ones(), 5)
    1.0
    """
    return Ones()


def uniform(lo: SupportsFloat, hi: SupportsFloat, seed: SupportsIndex = 0) -> Uniform:
    """Fill uniformly from [lo, hi): ``lo + u (hi - lo)``, where what would round to hi becomes the next value below.

    Raise PlanError where ``lo < hi`` does not hold, for bounds that are not finite, and for a seed outside of [0,
    2**64).

    >>> uniform(-1, 1, seed=7)
    Uniform(lo=-1.0, hi=1.0, seed=7)
    """
    return Uniform(lo, hi, seed)  # type: ignore[arg-type]


def xavier_uniform(fan_in: SupportsIndex, fan_out: SupportsIndex, seed: SupportsIndex = 0) -> XavierUniform:
    """Fill uniformly from [-L, L) with ``L = sqrt(6 / (fan_in + fan_out))``, without gain (Glorot and Bengio, 2010).

    Raise PlanError for a fan below 1 or above 2**53.

    >>> xavier_uniform(3, 2).bound == (6 / 5) ** 0.5
    True
    """
    return XavierUniform(fan_in, fan_out, seed)  # type: ignore[arg-type]


def kaiming_uniform(fan_in: SupportsIndex, seed: SupportsIndex = 0) -> KaimingUniform:
    """Fill uniformly from [-L, L) with ``L = sqrt(6 / fan_in)``, for what a relu follows (He et al., 2015).

    Raise PlanError for a fan below 1 or above 2**53.

    >>> kaiming_uniform(6).bound
    1.0
    """
    return KaimingUniform(fan_in, seed)  # type: ignore[arg-type]


def normal(mean: SupportsFloat, std: SupportsFloat, seed: SupportsIndex = 0) -> Normal:
    """Fill from the normal distribution of a mean and a standard deviation, by Box and Muller (1958).

    Raise PlanError for a negative deviation, and for numbers that are not finite.

    >>> normal(0, 0.02, seed=1)
    Normal(mean=0.0, std=0.02, seed=1)
    """
    return Normal(mean, std, seed)  # type: ignore[arg-type]


def flat(values: Iterable[SupportsFloat]) -> Flat:
    """Fill with exactly these values, in row-major order: a sequence or a 1-d array of finite numbers.

    Raise PlanError for anything else.

    >>> flat([0.5, 1e-300]).values
    (0.5, 1e-300)
    """
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise PlanError(f"flat(values) takes a sequence or a 1-d array of numbers, got {values!r}")
    numbers = [_number(f"value {position} of flat(...)", value) for position, value in enumerate(values)]
    return Flat(struct.pack(f"<{len(numbers)}d", *numbers))


def xavier_for(shape: Iterable[SupportsIndex], seed: SupportsIndex = 0) -> XavierUniform:
    """Return `xavier_uniform` with the fans of a weight of ``shape``; raise ShapeError where it has none.

    >>> xavier_for((7, 3), seed=5)
    XavierUniform(fan_in=3, fan_out=7, seed=5)
    """
    return xavier_uniform(*infer_fans(shape), seed=seed)


def kaiming_for(shape: Iterable[SupportsIndex], seed: SupportsIndex = 0) -> KaimingUniform:
    """Return `kaiming_uniform` with the fan-in of a weight of ``shape``; raise ShapeError where it has none.

    >>> kaiming_for((8, 4, 3, 3))
    KaimingUniform(fan_in=36, seed=0)
    """
    return kaiming_uniform(infer_fans(shape)[0], seed=seed)


def xavier_linear_weight(out: SupportsIndex, in_: SupportsIndex, seed: SupportsIndex = 0) -> XavierUniform:
    """Return `xavier_uniform` for a matrix of shape ``(out, in_)``.

    >>> xavier_linear_weight(7, 3) == xavier_uniform(3, 7)
    True
    """
    return xavier_for((out, in_), seed=seed)


def kaiming_linear_weight(out: SupportsIndex, in_: SupportsIndex, seed: SupportsIndex = 0) -> KaimingUniform:
    """Return `kaiming_uniform` for a matrix of shape ``(out, in_)``.

    >>> kaiming_linear_weight(7, 3) == kaiming_uniform(3)
    True
    """
    return kaiming_for((out, in_), seed=seed)


def value_at(scheme: FloatInit, index: SupportsIndex) -> float:
    """Return the value that an initialiser gives to the element at a flat, row-major ``index``, as a Python float.

    It is the value of a float64 fill: bit for bit, but for `normal`, where a library's cosine may round otherwise.
    Raise ArgumentError for a negative index.

    >>> value_at(kaiming_uniform(3), 1)
    0.5216946174399691
    """
    return as_scheme(scheme).recipe(_FLOAT64).at(as_index(index))


def as_scheme(scheme: object) -> FloatInit:
    """Return ``scheme``; raise PlanError where it is no initialiser."""
    if not isinstance(scheme, FloatInit):
        raise PlanError(f"an initialiser is made by zeros(), uniform(-1, 1) and the like; got {scheme!r}")
    return scheme


# ---------------------------------------------------------------- checks
def _set(scheme: FloatInit, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(scheme, name, value)


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool | str | bytes) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise PlanError(f"{what} is a number, got {value!r} of type {type(value).__name__}")
    try:
        number = float(value)
    except (OverflowError, TypeError) as error:
        raise PlanError(f"{what} is a number that a float can hold: {error}") from error
    if not math.isfinite(number):
        raise PlanError(f"{what} is a finite number, got {number}")
    return number


def _fan(what: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise PlanError(f"{what} is an integer, got {value!r} of type {type(value).__name__}")
    fan = operator.index(value)
    if not 1 <= fan <= MAX_ELEMENTS:
        raise PlanError(f"{what} counts a unit's connections, from 1 to 2**53, got {shown_integer(fan)}")
    return fan


def _fitted(scheme: FloatInit, value: float, form: FloatFormat) -> float:
    rounded = form.round(value)
    if math.isinf(rounded):
        raise PlanError(f"{value} of {scheme!r} is beyond {form.largest}, the largest {form.name}: take a wider dtype")
    return rounded


def _symmetric(scheme: FloatInit, bound: float, seed: int, form: FloatFormat) -> Recipe:
    rounded = _fitted(scheme, bound, form)
    if not rounded:
        raise PlanError(
            f"the bound {bound} of {scheme!r} rounds to 0 in {form.name}, and all values with it: take a wider dtype"
        )
    if rounded < form.smallest_normal:
        # So few values are left below the bound that a product may round to it.
        return Range(-rounded, rounded, seed, form)
    return Symmetric(rounded, seed, form)
