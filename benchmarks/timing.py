"""Time things side by side: rounds in which everyone runs in turn, medians over the rounds, and how far they spread.

A slow moment of the machine then falls on all of them. A ratio is taken within each round first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import Any

__all__ = ["BUDGET", "Spread", "interleave", "ratio", "spread"]

BUDGET = 0.1
"""Seconds that each peer has in a round."""


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles about it."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles of measurements."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(median(values), low, high)


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median over rounds of the ratio within a round."""
    return median(a / b for a, b in zip(above, below, strict=True))


def interleave(steps: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return, for each of ``steps``, the seconds that one call takes on average in each of the rounds.

    In a round each is called as often as fits in `BUDGET`, after one call that is not timed; each round begins with
    another.
    """
    repeats = {name: max(1, round(BUDGET / _seconds(step, 1))) for name, step in steps.items()}
    found: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for i in range(rounds):
        shift = i % len(names)
        for name in names[shift:] + names[:shift]:
            steps[name]()
            found[name].append(_seconds(steps[name], repeats[name]))
    return found


def _seconds(step: Callable[[], Any], repeats: int) -> float:
    start = perf_counter()
    for _ in range(repeats):
        step()
    return (perf_counter() - start) / repeats
