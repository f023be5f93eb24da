"""The benchmark of clusters times nothing but right means, and drops nothing that it did or could not measure."""

import json

import numpy as np
import pytest

from benchmarks import on_cluster
from benchmarks.by_block import CASES
from benchmarks.check import WrongResultError
from benchmarks.cluster import PARTS
from benchmarks.foretold import far
from benchmarks.goals import judge_cluster
from benchmarks.report_cluster import render
from benchmarks.worker import MEASUREMENTS
from tl_arrayapi.distributed.costs import Costs

BY_HAND = {"mean by hand": [1.2, 1.2], "tree by hand": [1.1, 1.1], "futures by hand": [1.0, 1.0]}
PLANNED = {what: {"foretold": 1.1e6, "measured": 1.0e6} for what in ("tasks", "sent", "wire", "memory", "seconds")}
FAST = {
    "versions": {"numpy": "2"},
    "dask": {"seconds": {of: {"exact": [1.2, 1.2], "fast": [1.0, 1.0], **BY_HAND} for of in ("mlp", "logistic")}},
    "loop": {"seconds": {of: {"mean_loss": [0.01], "loop, eager": [0.6]} for of in ("mlp", "logistic")}},
    "bare": {"seconds": {"1 bare": [2.0], "2 bare": [0.9], "2 workers": [1.0]}},
    "processor": {"seconds": {"NumPy": [1.0], "exact": [1.2]}},
    "libraries": {
        "seconds": {"exact": [1.0], "scikit-learn": [2.0]},
        "notes": {"dask-ml": "No module named 'dask_ml'"},
    },
    "torch": {"seconds": {"in process": [1.0], "DataLoader": [2.0]}},
    "memory": {"megabytes": {"250000": 10.0, "2000000": 11.0}},
    "simulator": {
        "local": {n: {"foretold": 1.2, "limit": "the workers", "seconds": [1.0]} for n in ("1", "2", "4", "8")},
        "costs": {name: getattr(Costs(), name) for name in Costs.__dataclass_fields__},
        "far": far(Costs(), 36.0, 10**7),
    },
    "plan": {"planned": {"in memory": PLANNED, "files": PLANNED}},
}
NOTHING = {"versions": {}, **{part: {"error": "MemoryError"} for part in PARTS}}


def test_fast_results_meet_every_goal():
    assert [goal.what for goal in judge_cluster(FAST) if not goal.met] == []


def test_what_was_not_measured_is_missed():
    assert len(judge_cluster(NOTHING)) == len(judge_cluster(FAST))
    assert not any(goal.met for goal in judge_cluster(NOTHING))


def test_the_fastest_by_hand_counts():
    (goal,) = [goal for goal in judge_cluster(FAST) if goal.what.startswith("a network, exact: time over the best")]
    assert goal.measured == pytest.approx(1.2)


def test_what_is_foretold_may_be_off_to_either_side():
    late = {**FAST, "simulator": {"local": {"1": {"foretold": 0.7, "seconds": [1.0]}}}}
    (goal,) = [goal for goal in judge_cluster(late) if goal.what == "the simulator on 1 local worker: off by"]
    assert goal.measured == pytest.approx(30.0)
    assert not goal.met


def test_the_report_has_all_parts_and_what_is_missing():
    text = render(FAST, judge_cluster(FAST), "command")
    assert "| tl_arrayapi, exact | 1200 ms (1200–1200) | 600 ns | 1.20 |" in text
    assert "- dask-ml: No module named 'dask_ml'" in text
    assert "| 4 | 1.20 s | 1.00 s (1.00–1.00) | +20 % | the workers |" in text
    assert "| files: MB over the wire | 1.10 | 1.00 | +10 % |" in text
    assert "10.0 MB over 250,000 rows and 11.0 MB over 2,000,000 rows" in text
    assert text.count("**missed**") == 0
    assert render(NOTHING, judge_cluster(NOTHING), "command").count("MemoryError") == len(PARTS)


def test_what_is_foretold_is_never_better_than_workers_that_wait_for_nothing():
    found = far(Costs(), 36.0, 10**7)
    assert all(0 < run["efficiency"] <= 1 for rows in found.values() for run in rows.values())
    seconds = [run["seconds"] for run in found["mean loss of a loss a hundred times as slow"].values()]
    assert seconds[0] > 5 * seconds[1] > 5 * seconds[2]


@pytest.mark.parametrize("name", CASES)
def test_a_sample_and_a_block_have_the_same_losses(name):
    case = CASES[name]
    arrays = case.rows(50)
    mapped = case.module().losses(arrays)
    assert np.allclose(mapped, case.losses(*arrays), rtol=1e-4, atol=1e-5)
    assert case.mean(arrays, size=7) == pytest.approx(float(np.mean(mapped, dtype="f8")), rel=1e-5)


def test_a_wrong_mean_is_not_timed():
    with pytest.raises(WrongResultError, match="half: the mean is"):
        on_cluster._checked({"whole": lambda: 1.0, "half": lambda: 0.5}, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["loop", "dask", "bare", "torch"])
def test_parts_are_measured(part, monkeypatch):
    pytest.importorskip("torch" if part == "torch" else "distributed")
    monkeypatch.setattr(on_cluster, "MANY", dict.fromkeys(on_cluster.MANY, 6400))
    monkeypatch.setattr(on_cluster, "LOOPED", 200)
    monkeypatch.setattr(on_cluster, "LOADED", 3000)
    found = MEASUREMENTS["cluster"](part, "1")
    assert json.loads(json.dumps(found)) == found
    assert found["seconds"]
