"""What the benchmark of the transforms measures is right, and nothing that it measured is dropped from its report."""

import json

import numpy as np
import pytest

import tl_arrayapi as tl
from benchmarks import curvature, depth, maps, transforms
from benchmarks.check import WrongResultError
from benchmarks.goals import judge_transforms
from benchmarks.report_transforms import WAYS, render
from benchmarks.worker import MEASUREMENTS

TIMES = {
    "vmap": [1e-3, 1e-3],
    "loop": [6e-2, 8e-2],
    "loop_by_hand": [3e-2, 3e-2],
    "batch_by_hand": [9e-4, 9e-4],
}
FAST = {
    "versions": {"numpy": "2"},
    "map": {"loss": {"seconds": TIMES}, "gradient": {"seconds": TIMES}},
    "hessian": {"seconds": {"ours": [2e-3], "hips": [3e-2]}, "notes": {"torch_func": "not installed: torch"}},
    "derivatives": {"seconds": {"W2": {"value": [2e-5], "gradient": [1e-4], "hvp": [5e-4]}}},
    "depth": {
        "depths": [4, 16],
        "megabytes": {"checkpoint": [10.0, 20.0], "plain": [12.0, 48.0]},
        "exponents": {"checkpoint": 0.5, "plain": 1.0},
        "seconds": {"checkpoint": [1.2], "plain": [1.0]},
    },
}
NOTHING = {"versions": {}, **{name: {"error": "MemoryError"} for name in ("map", "hessian", "derivatives", "depth")}}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("benchmarks.timing.TURN", 0.0)
    monkeypatch.setattr("benchmarks.timing.BATCH", 0.0)


def test_fast_results_meet_every_goal():
    assert [goal.what for goal in judge_transforms(FAST) if not goal.met] == []


def test_what_was_not_measured_is_missed():
    assert len(judge_transforms(NOTHING)) == len(judge_transforms(FAST)) == 5
    assert not any(goal.met for goal in judge_transforms(NOTHING))


def test_misses_and_failures_are_in_the_report():
    text = render(NOTHING, judge_transforms(NOTHING), "command")
    assert text.count("**missed**") == 5
    assert text.count("MemoryError") == 4
    assert "- hessian, torch.func: not installed: torch" in render(FAST, [], "command")


def test_the_report_has_times_with_spread_and_ratios():
    text = render(FAST, judge_transforms(FAST), "command")
    assert "| the loss | 1000 us ±0% | 70.0 ms ±7% | 30.0 ms ±0% | 900 us ±0% |" in text
    assert "| as a ratio to vmap | 1.00 | 70.0 | 30.0 | 0.90 |" in text
    assert "| HIPS autograd | 30.0 ms ±0% | 15.0 |" in text
    assert "| over the gradient's | 0.20 | 1.00 | 5.00 |" in text
    assert "| with checkpoint | 10.0 | 20.0 | 0.50 |" in text
    assert "takes 1000 ms ±0% without and 1200 ms ±0% with checkpoint" in text


def test_every_measurement_is_one_of_the_workers():
    asked = []
    transforms._measure(lambda *what: asked.append(what), 3, 1)
    assert asked[0] == ("versions",)
    assert {name for name, *_ in asked} <= MEASUREMENTS.keys()
    assert all(rounds == ["3"] for _, *rounds in asked[1:])


def test_the_map_the_loops_and_the_batch_agree(quick):
    found = maps.measure(1, samples=7)
    assert {of: tuple(result["seconds"]) for of, result in found.items()} == dict.fromkeys(
        ("loss", "gradient"), maps.WAYS
    )
    assert tuple(WAYS) == maps.WAYS


def test_a_wrong_map_is_refused(quick, monkeypatch):
    monkeypatch.setattr(maps, "losses_in_a_loop", lambda params, x, y: list(1.01 * y[:, 0]))
    with pytest.raises(WrongResultError, match="loop_by_hand over the samples"):
        maps.measure(1, samples=7)


def test_the_hessian_by_hand_is_that_of_the_function():
    x = np.random.default_rng(0).standard_normal(6)
    np.testing.assert_allclose(tl.hessian(curvature.rosenbrock)(x), curvature.hessian_by_hand(x), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(np.sum(curvature.residuals(x) ** 2), curvature.rosenbrock(x), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # PyTorch's own
@pytest.mark.parametrize(("peer", "module"), [("ours", "numpy"), ("hips", "autograd"), ("torch_func", "torch")])
def test_a_peer_gives_the_hessian(quick, monkeypatch, peer, module):
    pytest.importorskip(module)
    monkeypatch.setattr(curvature, "DIMENSIONS", 5)
    assert list(curvature.measure(1, (peer,))["seconds"]) == [peer]


def test_every_peer_has_a_title():
    assert curvature.PEERS.keys() <= curvature.TITLES.keys()


def test_checkpoint_needs_less_memory_the_deeper_the_network(quick):
    # Large enough that other threads of this process, which tracemalloc counts, too, do not matter.
    found = depth.measure(1, depths=(4, 16, 36), width=8, batch=16384)
    assert json.loads(json.dumps(found)) == found
    assert found["exponents"]["checkpoint"] < 0.6 < found["exponents"]["plain"]


def test_the_exponent_is_that_of_the_power_law():
    assert depth.exponent([4, 16, 64], [3 * d**0.5 for d in (4, 16, 64)]) == pytest.approx(0.5)


def test_the_peak_is_what_a_step_allocates_and_lets_go():
    assert depth.peak(lambda: np.sum(np.ones(10**6))) == pytest.approx(8.0, rel=0.01)
