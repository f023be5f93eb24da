"""The seeds of a plan's parameters: of position and name, and with streams that share no draw."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_arrayapi import init
from tl_arrayapi.errors import PlanError
from tl_arrayapi.init import seeds
from tl_arrayapi.init.seeds import derived_seeds
from tl_arrayapi.init.splitmix64 import stream_key

ALL = 2**64


def seed_with(key):
    """Return the seed whose stream begins at ``key``: every step of the mixing, undone."""

    def unshifted(z, places):
        x = z
        for _ in range(64 // places):
            x = z ^ (x >> places)
        return x

    z = unshifted(key % ALL, 31) * pow(0x94D049BB133111EB, -1, ALL) % ALL
    z = unshifted(z, 27) * pow(0xBF58476D1CE4E5B9, -1, ALL) % ALL
    return (unshifted(z, 30) - 0x9E3779B97F4A7C15) % ALL


def keys_tried(monkeypatch, *keys):
    """Have the first seeds tried, one a parameter, be those of streams that begin at ``keys``; return all seeds tried.

    Later tries are what they were.
    """
    tried, hashed = [], seeds._hashed

    def found(seed, position, name, attempt):
        tried.append(seed_with(keys[position]) if attempt == 0 else hashed(seed, position, name, attempt))
        return tried[-1]

    monkeypatch.setattr(seeds, "_hashed", found)
    return tried


def draws(seed, count):
    return {(stream_key(seed) + i) % ALL for i in range(count)}


def test_a_seed_is_undone_right():
    assert [stream_key(seed_with(key)) for key in (0, 1, 2**63, ALL - 1)] == [0, 1, 2**63, ALL - 1]


def test_seeds_depend_on_the_seed_the_position_and_the_name():
    first = derived_seeds(0, ["a", "b"], [4, 4])
    assert len({*first, *derived_seeds(1, ["a", "b"], [4, 4]), *derived_seeds(0, ["b", "a"], [4, 4])}) == 6
    assert derived_seeds(0, ["a", "c"], [4, 4])[0] == first[0]
    assert derived_seeds(0, ["a", "b"], [7, 2]) == first


def test_ten_thousand_parameters_of_any_size_share_no_draw():
    counts = [2**45 >> (i % 46) for i in range(10_000)]
    found = derived_seeds(3, [f"p{i}" for i in range(10_000)], counts)
    windows = sorted(zip(map(stream_key, found), counts, strict=True))
    assert all(start + count <= after for (start, count), (after, _) in pairwise(windows))
    assert windows[-1][0] + windows[-1][1] <= windows[0][0] + ALL


def test_a_stream_that_runs_into_an_earlier_one_is_made_anew(monkeypatch):
    tried = keys_tried(monkeypatch, 1000, 1000 - 5, 1000 + 9, 1000 + 10, 1000 - 16)
    found = derived_seeds(0, list("abcde"), [10, 6, 3, 4, 5])
    # b would end in a's first draw, c begin in a's last; d begins after a, and e ends before it.
    assert [seed in found for seed in tried] == [True, False, True, False, True, True, True]
    windows = [draws(seed, count) for seed, count in zip(found, [10, 6, 3, 4, 5], strict=True)]
    assert len(set.union(*windows)) == 28


def test_streams_are_compared_around_the_end_of_the_integers(monkeypatch):
    tried = keys_tried(monkeypatch, 3, ALL - 4, ALL - 1)
    found = derived_seeds(0, list("abc"), [5, 8, 4])
    assert found[0] == tried[0]
    assert found[1] != tried[1]
    assert found[2] in tried[3:] or found[2] == tried[-1]
    assert not draws(found[0], 5) & draws(found[1], 8)
    assert draws(tried[1], 8) & draws(found[0], 5)


def test_equal_seeds_are_told_apart_where_nothing_is_drawn(monkeypatch):
    keys_tried(monkeypatch, 7, 7)
    first, second = derived_seeds(0, ["a", "b"], [0, 0])
    assert first != second


def test_streams_that_there_is_no_room_for_are_refused():
    with pytest.raises(PlanError, match="no room"):
        derived_seeds(0, ["a", "b", "c"], [2**63, 2**62, 2**62])


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=12), st.integers(0, ALL - 1))
def test_a_window_is_taken_exactly_where_no_draw_is_taken_already(windows, origin):
    found, taken = seeds._Windows(), set()
    for start, length in windows:
        numbers = {(origin + start + i) % ALL for i in range(max(length, 1))}
        assert found.take((origin + start) % ALL, max(length, 1)) == (not numbers & taken)
        taken |= numbers if not numbers & taken else set()


def test_the_plan_of_a_module_uses_them(monkeypatch):
    definition = SimpleNamespace(param_shapes=[(3, 3), (2, 4)], param_names=["a", "b"])
    keys_tried(monkeypatch, 100, 104)
    plan = init.Plan.for_module(definition, init.uniform(-1, 1), seed=0)
    first, second = plan.fill(dtype="float64")
    assert not np.isin(first, second).any()
    assert plan.inits[0].seed == seed_with(100)
    assert plan.inits[1].seed != seed_with(104)
