"""Count tests per library, print the counts, and fail a run in which a library lost tests: the floor."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.libraries import VARIANTS, installed

__all__ = ["NO_LIBRARY", "Counts", "below_floor"]

NO_LIBRARY = "no library"
OUTCOMES = ("passed", "skipped", "xfailed", "failed")
_PROPERTY = "tests.library"


def below_floor(passed: dict[str, int], floor: dict[str, int], missing: set[str]) -> list[str]:
    """Return one line for each library of ``floor`` that passed fewer tests than it, those ``missing`` excepted."""
    return [
        f"{library}: {passed.get(library, 0)} passed, the floor is {least}"
        for library, least in floor.items()
        if library not in missing and passed.get(library, 0) < least
    ]


class Counts:
    """A pytest plug-in. Each item carries its library's name as a user property, which pytest-xdist passes on."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.outcomes: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.short: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            callspec = getattr(item, "callspec", None)
            library = callspec.params.get("xp", NO_LIBRARY) if callspec is not None else NO_LIBRARY
            item.user_properties.append((_PROPERTY, str(library)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # The report that a worker crashed has no properties.
        library = dict(report.user_properties).get(_PROPERTY, NO_LIBRARY)
        outcomes = self.outcomes[library]
        if report.failed:
            outcomes[report.nodeid] = "failed"
        elif report.skipped or report.when == "call":
            outcomes.setdefault(report.nodeid, "xfailed" if hasattr(report, "wasxfail") else report.outcome)

    def counts(self) -> dict[str, Counter[str]]:
        """Return, for each library in the order of the variants, how many tests had which outcome."""
        order = [*VARIANTS, NO_LIBRARY]
        names = sorted(self.outcomes, key=lambda name: order.index(name) if name in order else len(order))
        return {name: Counter(self.outcomes[name].values()) for name in names}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        path: Path | None = self.config.getoption("--floor")
        if path is None or hasattr(self.config, "workerinput"):
            return
        missing = {name for name, variant in VARIANTS.items() if not installed(variant.module)}
        passed = {name: counter["passed"] for name, counter in self.counts().items()}
        self.short = below_floor(passed, json.loads(path.read_text()), missing)
        if self.short and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.outcomes:
            return
        terminalreporter.section("tests per library")
        for name, counter in self.counts().items():
            absent = name in VARIANTS and not installed(VARIANTS[name].module)
            words = ", ".join(f"{counter[word]} {word}" for word in OUTCOMES if counter[word])
            terminalreporter.write_line(f"{name:<18} {words}{' (not installed)' if absent else ''}")
        for line in self.short:
            terminalreporter.write_line(f"BELOW THE FLOOR {line}: tests of this library were lost or skipped", red=True)
