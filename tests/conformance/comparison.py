"""Which tests fail over our namespace and pass over the library itself."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["TRIES", "Comparison", "Outcomes", "compare"]

TRIES = 10

Outcomes = dict[str, list[str]]
"""The outcome of each test ("passed", "failed" or "skipped"), and the message of one that failed."""


@dataclass(frozen=True)
class Comparison:
    """Counts of both runs, and what failed over ours alone (with its message)."""

    inner: dict[str, int]
    ours: dict[str, int]
    extra: dict[str, str]
    missing: tuple[str, ...]


def _counts(outcomes: Outcomes) -> dict[str, int]:
    found = Counter(outcome for outcome, _ in outcomes.values())
    return {outcome: found[outcome] for outcome in ("passed", "failed", "skipped")}


def _failed(outcomes: Outcomes) -> set[str]:
    return {test for test, (outcome, _) in outcomes.items() if outcome == "failed"}


def _kind(message: str) -> str:
    """Return what a message says, whatever the numbers in it."""
    return re.sub(r"([-+]?(\d[\d.]*(e[-+]?\d+)?|nan|inf))+", "#", message.partition("\n")[0])


def compare(
    inner: Outcomes,
    ours: Outcomes,
    retry_inner: Callable[[Sequence[str], int], Outcomes],
    retry_ours: Callable[[Sequence[str]], Outcomes],
) -> Comparison:
    """Compare two runs of the suite, running again what differs.

    Some tests of special cases draw one example, at random, and fail only when they happen to meet such a case. A
    failure is an extra one when the test fails twice over ours, and never in the same way over the library, which
    ``retry_inner`` tries `TRIES` times, told which. ``missing`` are tests that passed over the library, and did not run
    over ours.
    """
    suspects = sorted(_failed(ours) - _failed(inner))
    again = retry_ours(suspects) if suspects else {}
    extra = {test: again[test][1] for test in suspects if test in _failed(again)}
    for attempt in range(1, TRIES + 1):
        theirs = retry_inner(sorted(extra), attempt) if extra else {}
        extra = {test: message for test, message in extra.items() if _kind(theirs[test][1]) != _kind(message)}
    passed = {test for test, (outcome, _) in inner.items() if outcome == "passed"}
    ran = {test for test, (outcome, _) in ours.items() if outcome != "skipped"}
    return Comparison(_counts(inner), _counts(ours), extra, tuple(sorted(passed - ran)))
