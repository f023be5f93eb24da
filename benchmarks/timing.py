"""Time things side by side: rounds in which everyone runs in turn, medians over the rounds, and how far they spread.

A slow moment of the machine then falls on all of them. A ratio is taken within each round first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import Any

__all__ = ["TURN", "Spread", "fastest", "interleave", "ratio", "spread"]

TURN = 0.1
"""Seconds that each has in a round."""

BATCH = 0.002
"""Seconds that calls are timed together: far more than the clock's own time, less than a scheduler's slice."""


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
    """Return, for each of ``steps``, the seconds that one call takes in each of the rounds.

    In a round each has its turn of `TURN` seconds, in which it is called in short batches, the first of them untimed;
    the fastest batch counts, so that what interrupts the process does not. Each round begins with another.
    """
    found: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for i in range(rounds):
        shift = i % len(names) if names else 0
        for name in names[shift:] + names[:shift]:
            found[name].append(fastest(steps[name]))
    return found


def fastest(step: Callable[[], Any]) -> float:
    """Return the seconds of a call in the fastest of the batches that fit in one turn; at least one is timed."""
    repeats = max(1, round(BATCH / _seconds(step, 1)))
    end = perf_counter() + TURN
    best = _seconds(step, repeats)
    while perf_counter() < end:
        best = min(best, _seconds(step, repeats))
    return best


def _seconds(step: Callable[[], Any], repeats: int) -> float:
    start = perf_counter()
    for _ in range(repeats):
        step()
    return (perf_counter() - start) / repeats
