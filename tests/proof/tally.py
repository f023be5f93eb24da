"""Count the checks that ran, by function, library, check and dtype: a pytest plug-in that writes them as JSON.

Under pytest-xdist each worker hands its counts to the controller, which adds them up.
"""

import json
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Tally"]

_OUTPUT = "tests.proof.tally"
_PACKAGES = ("numpy", "torch", "jax", "dask", "array-api-strict", "array-api-compat")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


class Tally:
    """The counts: ``checks`` of "function|library|check|dtype", and ``features`` of "feature|library", which say what
    was special about the operands.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.checks: Counter[str] = Counter()
        self.features: Counter[str] = Counter()

    def add(self, function: str, library: str, check: str, dtype: str, features: Iterable[str]) -> None:
        """Count one executed check."""
        self.checks[f"{function}|{library}|{check}|{dtype}"] += 1
        self.features.update(f"{feature}|{library}" for feature in features)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_OUTPUT] = [dict(self.checks), dict(self.features)]
        elif self.path is not None:
            versions = {name: found for name in _PACKAGES if (found := _version(name))}
            counts = {"versions": versions, "checks": self.checks, "features": self.features}
            self.path.write_text(json.dumps(counts, indent=0, sort_keys=True) + "\n", encoding="utf-8")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        checks, features = getattr(node, "workeroutput", {}).get(_OUTPUT, ({}, {}))
        self.checks.update(checks)
        self.features.update(features)
