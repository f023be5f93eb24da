"""What the benchmark of checkpoints measures is everyone's work, and its report drops nothing."""

import tempfile

from benchmarks import checkpoints, saving
from benchmarks.checkpoints import judge, render
from benchmarks.worker import MEASUREMENTS

SECONDS = {"raw": [1.0, 3.0], "ours": [1.25, 4.0], "shards": [1.25, 3.75], "safetensors": [0.5, 0.5]}
FAST = {
    "versions": {"numpy": "2"},
    "checkpoints": {"seconds": {"write": SECONDS, "read": SECONDS}, "notes": {}, "bytes": 2 * 10**9},
}
NOTHING = {"versions": {}, "checkpoints": {"error": "OSError: No space left on device"}}


def test_fast_results_meet_every_goal():
    assert [(goal.measured, goal.met) for goal in judge(FAST)] == [(77.5, True), (80.0, True)] * 2


def test_what_was_not_measured_is_missed_and_told():
    assert [goal.met for goal in judge(NOTHING)] == [False] * 4
    text = render(NOTHING, judge(NOTHING), "command")
    assert text.count("**missed**") == 4
    assert "- OSError: No space left on device" in text


def test_the_report_has_times_with_spread_and_shares():
    text = render(FAST, judge(FAST), "command")
    assert "| write, and fsync | 2.00 s (1.50–2.50) | 1.00 GB/s | 100 % |" in text
    assert "| module.load, one file | 2.62 s (1.94–3.31) | 0.76 GB/s | 78 % |" in text


def test_everyone_is_measured_and_no_file_is_left(monkeypatch, tmp_path):
    monkeypatch.setattr(saving, "COUNT", 2)
    monkeypatch.setattr(saving, "SIZE", 1 << 12)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = MEASUREMENTS["checkpoints"]("2")
    assert {way: {who: len(times) for who, times in each.items()} for way, each in found["seconds"].items()} == {
        way: dict.fromkeys(checkpoints._TITLES[way], 2) for way in ("write", "read")
    }
    assert not list(tmp_path.iterdir())
