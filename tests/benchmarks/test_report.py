"""Goals are judged, and pages written, without dropping anything."""

import pytest

from benchmarks.command import Benchmark
from benchmarks.eager import main
from benchmarks.goals import Goal, judge
from benchmarks.report import render, write
from benchmarks.timing import interleave, ratio, spread

FAST = {
    "versions": {"numpy": "2"},
    "workloads": {
        name: {
            "title": "a title",
            "seconds": {"ours": [1e-5, 1e-5], "torch_eager": [2.5e-5, 2.5e-5], "hips": [5e-5, 5e-5]},
            "notes": {"mygrad_eager": "ImportError: no mygrad"},
        }
        for name in ("W1", "W2", "W3", "W4", "W6")
    },
    "operations": {"seconds": {"ours": {"forward": [1e-6], "backward": [1.1e-6]}}},
    "memory": {"ours": {"megabytes": 80.0}, "torch_eager": {"megabytes": 90.0}},
    "dask": {"seconds": {"5": 0.01, "50": 0.011}, "tasks": {"5": 1, "50": 1}},
}
NOTHING = {"versions": {}, "workloads": {"W1": {"error": "MemoryError"}}}


def test_fast_results_meet_every_goal():
    assert [goal.what for goal in judge(FAST) if not goal.met] == []


def test_what_was_not_measured_is_missed():
    assert len(judge(NOTHING)) == len(judge(FAST))
    assert not any(goal.met for goal in judge(NOTHING))


@pytest.mark.parametrize(("measured", "at_least", "met"), [(1.1, False, False), (0.9, False, True), (0.9, True, False)])
def test_a_goal_bounds_from_the_side_it_says(measured, at_least, met):
    assert Goal("", measured, 1.0, at_least=at_least).met is met


def test_misses_and_failures_are_in_the_report():
    text = render(NOTHING, judge(NOTHING), "command")
    assert text.count("**missed**") == len(judge(NOTHING))
    assert "- W1: MemoryError" in text
    assert "- W1, MyGrad: ImportError: no mygrad" in render(FAST, [], "command")


def test_the_report_has_times_with_spread_and_ratios():
    text = render(FAST, judge(FAST), "command")
    assert "| **W1** a title | 10.0 us ±0% | – | – | 25.0 us ±0% | 50.0 us ±0% | – |" in text
    assert "| **W1** a title | 1.00 | – | – | 2.50 | 5.00 | – |" in text


def test_writing_replaces_only_what_is_between_the_comments(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- run -->\nold\n<!-- end of run -->\nafter\n")
    write(page, "run", "new\n")
    write(page, "run", "new\n")
    assert page.read_text() == "before\n<!-- run -->\n\nnew\n\n<!-- end of run -->\nafter\n"


def test_writing_into_a_page_without_the_comments_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="<!-- run -->"):
        write(page, "run", "new\n")
    assert page.read_text() == "nothing\n"


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        main(["--write", str(tmp_path / "missing.md")])
    assert refused.value.code == 2
    assert "missing.md" in capsys.readouterr().err


def test_a_ratio_is_taken_within_each_round():
    assert ratio([2.0, 40.0, 6.0], [1.0, 10.0, 2.0]) == 3.0


def test_the_spread_is_the_quartiles():
    found = spread([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.low, found.median, found.high) == (2.0, 3.0, 4.0)


def test_rounds_run_everyone_in_turn_and_begin_with_another_each_time(monkeypatch):
    monkeypatch.setattr("benchmarks.timing.TURN", 0.0)
    monkeypatch.setattr("benchmarks.timing.BATCH", 0.0)
    called = []
    found = interleave({name: lambda name=name: called.append(name) for name in "ab"}, rounds=2)
    assert "".join(called) == "aabb" + "bbaa"
    assert {name: len(times) for name, times in found.items()} == {"a": 2, "b": 2}


def test_a_benchmark_runs_for_each_number_of_threads_and_writes_a_section_each(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.command.run", lambda *what, threads: {"what": what, "threads": threads})
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- x, threads: {n} -->\n<!-- end of x, threads: {n} -->\n" for n in (1, 2)))
    benchmark = Benchmark(
        "x",
        "about",
        lambda measured, rounds, threads: measured("versions", str(rounds)),
        lambda results: [Goal("a goal", float(results["threads"]), 0.5)],
        lambda results, goals, command: f"{command}: {results['what']} {len(goals)} goals",
        threads=(1, 2),
    )
    assert benchmark.main(["--rounds", "4", "--write", str(page)]) == 1
    said = page.read_text()
    assert "python -m benchmarks.x --rounds 4 --threads 1: ('versions', '4') 1 goals" in said
    assert "python -m benchmarks.x --rounds 4 --threads 2: ('versions', '4') 0 goals" in said
    assert "missed: a goal" in capsys.readouterr().err
    assert benchmark.main(["--threads", "2"]) == 0
