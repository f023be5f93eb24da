"""What counts as an extra failure, and the run of a suite that tells."""

import json
import textwrap

import pytest

from tests.conformance.__main__ import main, modules, row, run
from tests.conformance.comparison import TRIES, compare

PASSED, FAILED, SKIPPED = ["passed", ""], ["failed", "why"], ["skipped", ""]


def again(outcome):
    return lambda tests, attempt=1: dict.fromkeys(tests, outcome)


def test_a_test_that_fails_over_ours_alone_is_an_extra_failure():
    found = compare({"a": PASSED, "b": FAILED}, {"a": FAILED, "b": FAILED}, again(PASSED), again(FAILED))
    assert found.extra == {"a": "why"}
    assert found.inner == {"passed": 1, "failed": 1, "skipped": 0}
    assert found.ours == {"passed": 0, "failed": 2, "skipped": 0}


def test_a_failure_that_does_not_come_back_is_none():
    assert compare({"a": PASSED}, {"a": FAILED}, again(PASSED), again(PASSED)).extra == {}


def test_a_failure_that_the_library_also_shows_in_time_is_none():
    ours, theirs = ["failed", "out=(-0+1e3j), not 0\nours"], ["failed", "out=(nan+0j), not 1\nthe library's"]
    assert compare({"a": PASSED}, {"a": FAILED}, again(theirs), again(ours)).extra == {}


def test_the_library_is_tried_often_enough_to_meet_a_special_case():
    def late(tests, attempt):
        return dict.fromkeys(tests, FAILED if attempt == TRIES else PASSED)

    assert compare({"a": PASSED}, {"a": FAILED}, late, again(FAILED)).extra == {}


def test_another_failure_of_the_library_excuses_nothing():
    found = compare({"a": PASSED}, {"a": FAILED}, again(["failed", "no such dtype"]), again(FAILED))
    assert found.extra == {"a": "why"}


def test_nothing_runs_again_where_nothing_differs():
    assert compare({"a": FAILED}, {"a": FAILED}, None, None).extra == {}


def test_a_test_that_does_not_run_over_ours_is_missing():
    found = compare({"a": PASSED, "b": PASSED, "c": SKIPPED}, {"b": SKIPPED, "c": SKIPPED}, None, None)
    assert found.missing == ("a", "b")


SUITE = {
    "conftest.py": """
        def pytest_addoption(parser):
            parser.addoption("--max-examples", type=int)
            parser.addoption("--disable-deadline", action="store_true")
            parser.addoption("--derandomize", action="store_true")
    """,
    "array_api_tests/test_some.py": """
        import os
        import pytest

        namespace = {}
        exec(os.environ["ARRAY_API_TESTS_MODULE"][6:-2], namespace)
        xp = namespace["xp"]

        def test_sum():
            assert float(xp.sum(xp.asarray([1.0, 2.0]))) == 3.0

        @pytest.mark.parametrize("name", ["linalg", "no such"])
        def test_name(name):
            assert hasattr(xp, name)

        def test_only_over_the_library():
            assert "tl_arrayapi" not in xp.__name__, "not the library"

        def test_left_out():
            pytest.skip("not here")
    """,
}


@pytest.fixture
def suite(tmp_path):
    for name, text in SUITE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def test_outcomes_of_a_run_are_those_of_its_tests(suite):
    outcomes = run(suite, modules("array_api_strict")[1], ["array_api_tests"], 1)
    place = "array_api_tests/test_some.py::test_"
    assert outcomes.pop(place + "only_over_the_library")[0] == "failed"
    assert {test.removeprefix(place): outcome for test, (outcome, _) in outcomes.items()} == {
        "sum": "passed",
        "name[linalg]": "passed",
        "name[no such]": "failed",
        "left_out": "skipped",
    }


@pytest.mark.slow
def test_the_command_writes_what_it_found_and_fails(suite, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tests.conformance.__main__.commit_of", lambda suite: "c0ffee")
    asked = ["--suite", str(suite), "--library", "numpy", "--json", str(tmp_path / "found.json")]
    assert main([*asked, "--keep", str(tmp_path)]) == 1
    assert '"passed"' in (tmp_path / "numpy.json").read_text()
    (result,) = json.loads((tmp_path / "found.json").read_text())
    assert list(result["extra"]) == ["array_api_tests/test_some.py::test_only_over_the_library"]
    assert result["suite"] == "c0ffee"
    assert row(result) in capsys.readouterr().out
    assert row(result).endswith("| 3 / 1 / 1 | 2 / 2 / 1 | 1 |")


def test_a_suite_that_cannot_run_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="pytest ended with 4"):
        run(tmp_path, modules("numpy")[0], ["array_api_tests"], 1)
