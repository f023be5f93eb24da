"""Power series, for the places where the closed form of a derivative is a quotient of two small numbers."""

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["near_zero", "polynomial"]


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """Return the polynomial with these coefficients, the constant one first, by Horner's rule."""
    value = x * coefficients[-1] + coefficients[-2]
    for c in reversed(coefficients[:-2]):
        value = value * x + c
    return value


def near_zero(xp: Any, x: Any, bound: float, inside: Callable[[Any], Any], outside: Callable[[Any], Any]) -> Any:
    """Return ``inside(x)`` where ``|x| < bound`` and ``outside(x)`` elsewhere; neither sees what is the other's."""
    small = xp.abs(x) < bound
    here = inside(xp.where(small, x, xp.zeros_like(x)))
    there = outside(xp.where(small, xp.full_like(x, bound), x))
    return xp.where(small, here, there)
