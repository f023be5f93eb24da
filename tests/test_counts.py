"""Tests are counted per library, a library that lost tests fails the run, and slow tests wait to be asked for."""

import json

import pytest

from tests.counts import NO_LIBRARY, Counts, below_floor
from tests.sources import ROOT

pytest_plugins = ["pytester"]

CONFTEST = "from tests.conftest import *\n"

SUITE = """
import pytest


@pytest.mark.parametrize("xp", ["numpy", "dask", "numpy-readonly"])
@pytest.mark.parametrize("n", range(3))
def test_of_a_library(xp, n):
    if (xp, n) == ("dask", 1):
        pytest.skip("not on dask")


def test_of_none():
    pass


@pytest.mark.slow
def test_slow():
    pass
"""

BROKEN = """
import pytest


@pytest.fixture
def broken(xp):
    raise RuntimeError


@pytest.mark.parametrize("xp", ["numpy"])
def test_setup_fails(xp, broken):
    pass


@pytest.mark.parametrize("xp", ["numpy"])
def test_call_fails(xp):
    assert not xp


@pytest.mark.parametrize("xp", ["numpy"])
@pytest.mark.xfail(strict=True, reason="known")
def test_known_failure(xp):
    assert not xp
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """A folder with a small suite that has this suite's options and counts."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_suite=SUITE)
    return pytester


def floor(suite, **counts):
    path = suite.path / "floor.json"
    path.write_text(json.dumps(counts))
    return f"--floor={path}"


def test_the_summary_prints_the_counts_of_each_library_in_the_order_of_the_variants(suite):
    suite.runpytest_subprocess().stdout.fnmatch_lines(
        [
            "numpy              3 passed",
            "numpy-readonly     3 passed",
            "dask               2 passed, 1 skipped",
            "no library         1 passed",
        ],
        consecutive=True,
    )


def test_failures_in_setup_and_call_are_counted_and_a_known_failure_is_no_pass(suite):
    suite.makepyfile(test_suite=BROKEN)
    result = suite.runpytest_subprocess()
    result.stdout.fnmatch_lines(["numpy * 1 xfailed, 2 failed"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.slow
def test_a_run_at_its_floor_passes(suite):
    result = suite.runpytest_subprocess(floor(suite, numpy=3, dask=2))
    assert result.ret == pytest.ExitCode.OK
    assert "BELOW" not in result.stdout.str()


@pytest.mark.slow
@pytest.mark.parametrize("how", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_a_library_below_its_floor_fails_the_run_and_is_named(suite, how):
    result = suite.runpytest_subprocess(*how, floor(suite, numpy=3, dask=3))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["BELOW THE FLOOR dask: 2 passed, the floor is 3: *"])
    assert result.stdout.str().count("BELOW") == 1


def test_a_library_that_is_not_installed_has_no_floor():
    assert below_floor({"numpy": 5}, {"numpy": 5, "jax": 4}, {"jax"}) == []
    assert below_floor({"numpy": 5}, {"numpy": 6, "jax": 4}, set()) == [
        "numpy: 5 passed, the floor is 6",
        "jax: 0 passed, the floor is 4",
    ]


def test_a_floor_that_is_not_there_stops_the_run(suite):
    result = suite.runpytest_subprocess("--floor=nowhere.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is no file nowhere.json*"])


def test_a_required_library_that_is_missing_stops_the_run_and_names_its_extra(suite):
    hide = "import tests.conftest\ntests.conftest.installed = lambda module: module != 'dask.array'\n"
    suite.makeconftest(CONFTEST + hide)
    result = suite.runpytest_subprocess("--require-libraries=numpy, dask")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*required libraries are missing: dask: pip install 'tl-arrayapi[[]dask]'*"])


def test_a_required_library_that_is_not_known_stops_the_run(suite):
    result = suite.runpytest_subprocess("--require-libraries=numpy,nunpy")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*not known: nunpy; known: numpy, *"])


@pytest.mark.slow
@pytest.mark.parametrize(("options", "runs"), [([], False), (["--slow"], True), (["-m", "slow"], True)], ids=str)
def test_slow_tests_run_when_they_are_asked_for(suite, options, runs):
    names = suite.runpytest_subprocess("-v", *options).stdout.str()
    assert ("test_slow PASSED" in names) == runs


def test_the_report_of_a_crashed_worker_is_counted(pytestconfig):
    counts = Counts(pytestconfig)
    counts.pytest_runtest_logreport(pytest.TestReport("here", ("here", 1, "here"), {}, "failed", "crashed", "call"))
    assert counts.counts() == {NO_LIBRARY: {"failed": 1}}
