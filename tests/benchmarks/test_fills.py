"""The benchmark of the fills times nothing but right fills, and drops nothing that it did or could not measure."""

import json

import numpy as np
import pytest

from benchmarks import filling
from benchmarks.check import WrongResultError
from benchmarks.fills import render
from benchmarks.goals import judge_fills
from benchmarks.worker import MEASUREMENTS
from tl_arrayapi.backends.numpy import tiers

SECONDS = {
    "generator": [4e-2, 4e-2],
    "numpy 1": [5e-2, 6e-2],
    "numpy 2": [3e-2, 3e-2],
    "numba 1": [8e-3, 8e-3],
    "torch": [4e-2, 4e-2],
    "ours on torch": [5e-2, 5e-2],
    "jax": [2e-1, 2e-1],
    "ours on jax": [3e-2, 3e-2],
    "dask 1": [6e-2, 6e-2],
    "dask 2": [3e-2, 3e-2],
}
FAST = {"versions": {"numpy": "2"}, "fills": {"seconds": SECONDS, "notes": {"cupy": "there is no GPU"}}}
NOTHING = {"versions": {}, "fills": {"error": "MemoryError"}}


def test_fast_fills_meet_every_goal():
    assert [goal.what for goal in judge_fills(FAST) if not goal.met] == []


def test_what_was_not_measured_is_missed():
    assert len(judge_fills(NOTHING)) == len(judge_fills(FAST))
    assert not any(goal.met for goal in judge_fills(NOTHING))


def test_a_gpu_has_a_goal_where_there_is_one():
    on_a_gpu = {"fills": {"seconds": {"cupy": [1e-4], "ours on cupy": [2e-4]}}}
    assert [goal.met for goal in judge_fills(on_a_gpu) if "cupy" in goal.what] == [False]
    assert not any("cupy" in goal.what for goal in judge_fills(FAST))


def test_the_report_has_times_ratios_and_what_is_missing():
    text = render(FAST, judge_fills(FAST), "command")
    assert "| NumPy, one thread, into memory | 55.0 ms ±5% | 6.00 ns | 1.38 | numpy.random" in text
    assert "- cupy: there is no GPU" in text
    assert "- MemoryError" in render(NOTHING, judge_fills(NOTHING), "command")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("benchmarks.timing.TURN", 0.0)
    monkeypatch.setattr("benchmarks.timing.BATCH", 0.0)
    monkeypatch.setattr(filling, "COUNT", 5000)
    monkeypatch.setattr(tiers, "LOADING", tiers.LOADING)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.slow
def test_every_fill_is_measured_or_has_a_note(small, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    found = filling.measure(1)
    assert json.loads(json.dumps(found)) == found
    measured = {name for name in filling.FILLS if not any(noted in name for noted in found["notes"])}
    assert set(found["seconds"]) == measured
    assert "fills" in MEASUREMENTS


def test_a_wrong_fill_is_not_timed(small):
    with pytest.raises(WrongResultError, match="other values"):
        filling._ours(np.zeros(5000, "float32"))
