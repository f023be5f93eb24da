"""Which initialiser each parameter gets: one scheme for all of them, or rules by name."""

import dataclasses
import difflib
import fnmatch
from collections.abc import Callable, Mapping, Sequence

from tl_arrayapi.errors import PlanError, ShapeError
from tl_arrayapi.init.schemes import FloatInit, as_scheme, zeros

__all__ = ["Rule", "chosen"]

Rule = FloatInit | Callable[[tuple[int, ...], int], FloatInit]
"""An initialiser, whose seed is replaced where it has one, or a function of (shape, seed)."""

_EVERYTHING = "*"


def chosen(
    scheme: Rule | Mapping[str, Rule], shapes: Sequence[tuple[int, ...]], names: Sequence[str], seeds: Sequence[int]
) -> list[FloatInit]:
    """Return the initialiser of each parameter; see `Plan.for_module`.

    >>> from tl_arrayapi import init
    >>> chosen({"*.bias": init.ones(), "*": init.xavier_for}, [(2,), (3, 2)], ["a.bias", "a.weight"], [1, 2])
    [Ones(), XavierUniform(fan_in=2, fan_out=3, seed=2, gain=1.0)]
    """
    rules = dict(scheme) if isinstance(scheme, Mapping) else {_EVERYTHING: scheme}
    for pattern, rule in rules.items():
        _check_rule(pattern, rule)
    patterns = [_first_match(rules, name) for name in names]
    if isinstance(scheme, Mapping):
        _check_use(list(rules), patterns, names)
    return [
        _made(rules[pattern], pattern, name, shape, seed)
        for pattern, name, shape, seed in zip(patterns, names, shapes, seeds, strict=True)
        if pattern is not None
    ]


def _check_rule(pattern: object, rule: object) -> None:
    if not isinstance(pattern, str):
        raise PlanError(f"a rule's pattern is a string such as '*.weight', got {pattern!r}")
    if not isinstance(rule, FloatInit) and not callable(rule):
        raise PlanError(
            f"a scheme is an initialiser, a function of (shape, seed) such as xavier_for, or a mapping from patterns "
            f"of names to these; got {rule!r}"
        )


def _matches(pattern: str, name: str) -> bool:
    # As it stands, too: brackets may be part of a name.
    return pattern == name or fnmatch.fnmatchcase(name, pattern)


def _first_match(rules: Mapping[str, Rule], name: str) -> str | None:
    return next((pattern for pattern in rules if _matches(pattern, name)), None)


def _check_use(rules: list[str], patterns: list[str | None], names: Sequence[str]) -> None:
    """Raise unless every parameter has a rule and every rule a parameter, naming all that have not."""
    left = [name for name, pattern in zip(names, patterns, strict=True) if pattern is None]
    problems = [f"no rule matches {_listed(left)}: add a rule, such as '*'"] if left else []
    problems += [_unused(rule, patterns, names) for rule in rules if rule not in patterns]
    if problems:
        raise PlanError("the rules do not fit the parameters: " + "; ".join(problems))


def _unused(rule: str, patterns: list[str | None], names: Sequence[str]) -> str:
    earlier = {first for first, name in zip(patterns, names, strict=True) if first is not None and _matches(rule, name)}
    if earlier:
        hiding = _listed(sorted(earlier))
        return f"the rule {rule!r} comes after {hiding}, and nothing is left for it: put it before"
    near = difflib.get_close_matches(rule, names, 1, cutoff=0.0)
    advice = f"the nearest name is {near[0]!r}" if near else "there are none"
    return f"the rule {rule!r} matches no parameter: {advice}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _made(rule: Rule, pattern: str, name: str, shape: tuple[int, ...], seed: int) -> FloatInit:
    if isinstance(rule, FloatInit):
        return dataclasses.replace(rule, seed=seed) if hasattr(rule, "seed") else rule  # type: ignore[type-var]
    if pattern == _EVERYTHING and len(shape) < 2:
        return zeros()
    try:
        return as_scheme(rule(shape, seed))
    except (PlanError, ShapeError) as error:
        by = "" if pattern == _EVERYTHING else f", by the rule {pattern!r}"
        raise PlanError(f"parameter {name!r}{by}: {error}") from error
