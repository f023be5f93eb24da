"""Initialisers that draw nothing: zeros, ones, constant, eye and flat."""

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, SupportsFloat

from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.formats import FloatFormat
from tl_arrayapi.init.matrices import Identity
from tl_arrayapi.init.recipes import Constant, Payload, Recipe
from tl_arrayapi.init.schemes.base import FloatInit, as_number, assign, fitted

__all__ = ["Eye", "Filled", "Flat", "Ones", "Zeros", "constant", "eye", "flat", "ones", "zeros"]


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
class Filled(FloatInit):
    """Made by `constant`."""

    name = "constant"
    value: float

    def __post_init__(self) -> None:
        assign(self, value=as_number("value", self.value))

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the value, rounded to the format."""
        return Constant(fitted(self, self.value, form))


@dataclass(frozen=True)
class Eye(FloatInit):
    """Made by `eye`."""

    name = "eye"

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the identity."""
        return Identity()

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise PlanError for what is no matrix."""
        if len(shape) != 2:
            raise PlanError(f"eye() fills a matrix, and shape {shape} is none: give it two dimensions")


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

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise PlanError for a shape of more or fewer elements than there are values."""
        count = math.prod(shape)
        if count != len(self):
            raise PlanError(f"{self!r} has {len(self)} values, but shape {shape} has {count} elements: give one each")

    def recipe(self, form: FloatFormat) -> Recipe:
        """Return the values, rounded to the format."""
        values = form.round_all(self.values)
        for position, value in enumerate(values):
            if math.isinf(value):
                raise PlanError(
                    f"value {position} of flat(...), {self.values[position]}, is beyond {form.name}: take a wider dtype"
                )
        return Payload(values)


def zeros() -> Zeros:
    """Fill with 0.

    >>> from tl_arrayapi import init
    >>> init.value_at(zeros(), 5)
    0.0
    """
    return Zeros()


def ones() -> Ones:
    """Fill with 1.

    >>> from tl_arrayapi import init
    >>> init.value_at(ones(), 5)
    1.0
    """
    return Ones()


def constant(value: SupportsFloat) -> Filled:
    """Fill with one finite number, rounded to the dtype.

    >>> from tl_arrayapi import init
    >>> init.materialize(constant(0.1), (2,))
    array([0.1, 0.1], dtype=float32)
    """
    return Filled(value)  # type: ignore[arg-type]


def eye() -> Eye:
    """Fill a matrix with the identity: 1 where the row is the column, and 0 elsewhere. It need not be square.

    Raise PlanError, when it meets a shape, for one that is no matrix's.

    >>> from tl_arrayapi import init
    >>> init.materialize(eye(), (2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """
    return Eye()


def flat(values: Iterable[SupportsFloat]) -> Flat:
    """Fill with exactly these values, in row-major order: a sequence or a 1-d array of finite numbers.

    Raise PlanError for anything else.

    >>> flat([0.5, 1e-300]).values
    (0.5, 1e-300)
    """
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise PlanError(f"flat(values) takes a sequence or a 1-d array of numbers, got {values!r}")
    numbers = [as_number(f"value {position} of flat(...)", value) for position, value in enumerate(values)]
    return Flat(struct.pack(f"<{len(numbers)}d", *numbers))
