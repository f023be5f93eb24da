"""Plans as files for fuzzing: sound ones to begin with, and what is made of them."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.hostile.mutation import Mutator, parsed, written
from tl_arrayapi import init


@cache
def sound_plans() -> tuple[bytes, ...]:
    """Return plans with every scheme, and without any parameter."""
    shape, column = (2, 3), (4,)
    every = [
        (shape, init.zeros()),
        (column, init.ones()),
        (shape, init.uniform(-1.0, 1.0, seed=2**64 - 1)),
        (shape, init.xavier_for(shape, seed=3)),
        (shape, init.kaiming_for(shape, seed=4)),
        (column, init.normal(0.5, 2.0, seed=5)),
        (column, init.flat([0.1, -0.0, 5e-324, 1e300])),
        (shape, init.constant(0.1)),
        (shape, init.eye()),
        (column, init.truncated_normal(0.0, 2.0, -1.0, 3.0, seed=6)),
        (shape, init.orthogonal(gain=0.5, seed=7)),
        (shape, init.xavier_normal(3, 2, seed=8, gain=2.0)),
        (shape, init.kaiming_normal(3, seed=9, mode="fan_out", fan_out=2)),
    ]
    plans = [init.Plan(*zip(*every[i : i + 3], strict=True)) for i in range(0, len(every), 3)]
    plans.append(init.Plan(*zip(*every, strict=True)))
    plans.append(init.Plan([], []))
    with TemporaryDirectory() as folder:
        path = Path(folder, "plan.json")
        return tuple(_written(plan, path) for plan in plans)


def _written(plan: init.Plan, path: Path) -> bytes:
    plan.to_json(path)
    return path.read_bytes()


def mutated(seed: int) -> bytes:
    """Return the hostile plan of a seed."""
    m = Mutator(f"plan {seed}")
    raw, other = m.one(sound_plans()), m.one(sound_plans())
    if m.chance(0.2):
        return m.bytes(raw, other)
    document = m.document(parsed(raw), parsed(other))
    return written(document, m.one((",", " , ", ",\n")), m.one((":", ": "))).encode("utf-8", "surrogatepass")


def said(raw: bytes) -> list[Any]:
    """Return what a plan truthfully says, as (name, shape, scheme, settings); AssertionError where it is none."""
    document = json.loads(raw.decode(), object_pairs_hook=_distinct, parse_constant=_refuse)
    assert sorted(document) == ["format", "parameters", "version"]
    assert document["format"] == "tl_arrayapi.plan"
    assert document["version"] in (1, 2)
    assert type(document["version"]) is int
    entries = []
    for parameter in document["parameters"]:
        assert sorted(parameter) == ["init", "name", "shape"]
        assert all(type(n) is int and n >= 0 for n in parameter["shape"])
        settings = dict(parameter["init"])
        entries.append((parameter["name"], tuple(parameter["shape"]), settings.pop("scheme"), settings))
    assert len({name for name, *_ in entries}) == len(entries)
    return entries


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def _refuse(word: str) -> Any:
    raise AssertionError(word)
