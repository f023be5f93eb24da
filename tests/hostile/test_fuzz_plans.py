"""Plans made to harm, by the ten thousand: our exceptions, or the truth."""

import pytest

from tests.hostile.fuzzing import tried
from tests.hostile.plan_files import mutated, said
from tl_arrayapi import init


def check_content(raw, plan):
    entries = said(raw)
    assert [name for name, *_ in entries] == list(plan.names)
    assert [shape for _, shape, *_ in entries] == list(plan.shapes)
    for (_, _, scheme, given), made in zip(entries, plan.inits, strict=True):
        assert made.name == scheme
        for key, value in given.items():
            if (
                key != "fan_out" or given.get("mode", "fan_in") != "fan_in"
            ):  # a mode that does not ask for it forgets it
                assert repr(setting(made, key)) == repr(meant(key, value))


def setting(made, key):
    return list(made.values) if key == "values" else getattr(made, key)


def meant(key, value):
    """Return a setting as it is meant: an integer stands for a float where one is expected."""
    if key in ("seed", "fan_in", "fan_out"):
        return value
    if key == "mode":
        assert value in ("fan_in", "fan_out")
        return value
    assert not isinstance(value, bool)
    return list(map(float, value)) if key == "values" else float(value)


def try_plans(path, seeds):
    def load(raw):
        path.write_bytes(raw)
        return init.Plan.from_json(path)

    return tried(seeds, mutated, load, check_content)


def test_mutated_plans_are_refused_or_read_as_what_they_say(scratch):
    assert 20 < try_plans(scratch, range(500)) < 250


@pytest.mark.slow
def test_many_mutated_plans_are_refused_or_read_as_what_they_say(scratch):
    assert try_plans(scratch, range(25_000))
