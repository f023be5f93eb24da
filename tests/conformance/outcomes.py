"""A pytest plugin that writes what became of each test to the JSON file named by ``CONFORMANCE_OUTCOMES``.

It is loaded into the suite's own run, and also keeps Hypothesis from shrinking what fails: only whether a test fails is
asked here, and shrinking is most of the time of a failing one.
"""

import json
import os
from pathlib import Path

import pytest
from hypothesis import Phase, settings

_FOUND: dict[str, list[str]] = {}


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("unshrunk", settings(), phases=[Phase.explicit, Phase.generate])
    settings.load_profile("unshrunk")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    outcome, message = _FOUND.get(report.nodeid, ["passed", ""])
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        outcome, message = "failed", str(getattr(crash, "message", report.longrepr))
    elif report.skipped and outcome == "passed":
        outcome = "skipped"
    _FOUND[report.nodeid] = [outcome, message]


def pytest_sessionfinish(session: pytest.Session) -> None:
    Path(os.environ["CONFORMANCE_OUTCOMES"]).write_text(json.dumps(_FOUND), encoding="utf-8")
