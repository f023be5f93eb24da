"""What every initialiser is: a frozen description that says what it means in one floating format."""

import math
import operator
from abc import ABC, abstractmethod
from dataclasses import MISSING, fields
from typing import Any, ClassVar, SupportsIndex

from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.fans import MAX_ELEMENTS, shown_integer
from tl_arrayapi.init.formats import FORMATS, FloatFormat
from tl_arrayapi.init.recipes import Recipe
from tl_arrayapi.init.splitmix64 import as_index

__all__ = ["FloatInit", "as_fan", "as_number", "as_scheme", "assign", "fitted", "value_at"]


class FloatInit(ABC):
    """How one parameter is filled; the base of every initialiser.

    Each is made by the function of its name, compares by value, hashes and cannot be changed. Its fields are what that
    function takes.

    >>> from tl_arrayapi import init
    >>> isinstance(init.uniform(-1.0, 1.0, seed=7), FloatInit), init.uniform(0, 1) == init.uniform(0.0, 1.0, seed=0)
    (True, True)
    """

    name: ClassVar[str]

    @abstractmethod
    def recipe(self, form: FloatFormat) -> Recipe:
        """Return what this initialiser means in one floating format; raise PlanError where it does not fit."""

    def settings(self) -> dict[str, Any]:
        """Return what the function of this initialiser's name takes to make it again, as numbers, words and lists.

        Left out is what has its default, but the seed.
        """
        values = {field: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {
            field.name: value
            for field, value in values.items()
            if field.name == "seed" or field.default is MISSING or value != field.default
        }

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise PlanError where it cannot fill an array of ``shape``."""
        # Most can fill any.
        return


def as_scheme(scheme: object) -> FloatInit:
    """Return ``scheme``; raise PlanError where it is no initialiser."""
    if not isinstance(scheme, FloatInit):
        raise PlanError(f"an initialiser is made by zeros(), uniform(-1, 1) and the like; got {scheme!r}")
    return scheme


def value_at(scheme: FloatInit, index: SupportsIndex) -> float:
    """Return the value that an initialiser gives to the element at a flat, row-major ``index``, as a Python float.

    It is that of a float64 fill, bit for bit. Raise ArgumentError for a negative index, and PlanError for `eye` and
    `orthogonal`, whose values depend on the shape.

    >>> from tl_arrayapi import init
    >>> value_at(init.kaiming_uniform(3), 1)
    0.5216946174399691
    """
    return as_scheme(scheme).recipe(FORMATS["float64"]).at(as_index(index))


# ---------------------------------------------------------------- checks
def assign(scheme: FloatInit, **values: Any) -> None:
    """Set fields of a frozen initialiser that is being made."""
    for name, value in values.items():
        object.__setattr__(scheme, name, value)


def as_number(what: str, value: Any) -> float:
    """Return ``value`` as a float; raise PlanError where it is no finite number."""
    if isinstance(value, bool | str | bytes) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise PlanError(f"{what} is a number, got {value!r} of type {type(value).__name__}")
    try:
        number = float(value)
    except (OverflowError, TypeError) as error:
        raise PlanError(f"{what} is a number that a float can hold: {error}") from error
    if not math.isfinite(number):
        raise PlanError(f"{what} is a finite number, got {number}")
    return number


def as_fan(what: str, value: Any) -> int:
    """Return ``value`` as an integer; raise PlanError where it counts no connections."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise PlanError(f"{what} is an integer, got {value!r} of type {type(value).__name__}")
    fan = operator.index(value)
    if not 1 <= fan <= MAX_ELEMENTS:
        raise PlanError(f"{what} counts a unit's connections, from 1 to 2**53, got {shown_integer(fan)}")
    return fan


def fitted(scheme: FloatInit, value: float, form: FloatFormat) -> float:
    """Return ``value`` rounded to the format; raise PlanError where it is beyond the largest number there."""
    rounded = form.round(value)
    if math.isinf(rounded):
        raise PlanError(f"{value} of {scheme!r} is beyond {form.largest}, the largest {form.name}: take a wider dtype")
    return rounded
