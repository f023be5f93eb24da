"""A measurement runs with the threads asked for, and what did not give a time says why."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks import peers, worker
from benchmarks.peers import naive


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("benchmarks.timing.TURN", 0.0)
    monkeypatch.setattr("benchmarks.timing.BATCH", 0.0)


def test_every_pool_of_threads_is_told_how_many_there_are(monkeypatch):
    seen = {}

    def started(command, env, **_):
        seen.update(env)
        return SimpleNamespace(returncode=0, stdout='noise\n{"a": 1}\n', stderr="")

    monkeypatch.setattr(worker.subprocess, "run", started)
    assert worker.run("versions", threads=3) == {"a": 1}
    assert {seen[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")} == {"3"}


def test_a_measurement_that_fails_gives_its_last_line(monkeypatch, capsys):
    done = SimpleNamespace(returncode=1, stdout="", stderr="Traceback\nMemoryError: no memory\n")
    monkeypatch.setattr(worker.subprocess, "run", lambda *_, **__: done)
    assert worker.run("versions", threads=1) == {"error": "MemoryError: no memory"}
    assert "Traceback" in capsys.readouterr().err


def test_a_peer_that_fell_back_has_no_time_and_a_note(quick, monkeypatch):
    monkeypatch.setattr(
        peers, "prepare", lambda peer, made: replace(naive.prepare(made), programs=lambda: {"naive": 1, "h2": 2}[peer])
    )
    found = worker.time_workload("W1", "1", "naive", "h2")
    assert json.loads(json.dumps(found)) == found
    assert list(found["seconds"]) == ["naive"]
    assert found["notes"] == {"h2": "FellBackError: NumPy, H2 on W1: 2 programs for one step, expected 1"}


def test_a_peer_that_is_wrong_or_missing_is_not_timed(quick, monkeypatch):
    def prepared(peer, made):
        if peer == "missing":
            raise ImportError("no missing")
        return replace(naive.prepare(made), step=lambda: None)

    monkeypatch.setattr(peers, "prepare", prepared)
    found = worker.time_workload("W1", "1", "missing", "naive")
    assert found["seconds"] == {}
    assert found["notes"]["missing"] == "ImportError: no missing"
    assert found["notes"]["naive"].startswith("WrongResultError: NumPy, naive on W1: parameter after 3 steps")
