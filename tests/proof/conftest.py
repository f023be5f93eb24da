"""The `tally` fixture."""

import pytest

from tests.proof.tally import Tally


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """Give the counter of executed checks."""
    found = request.config.pluginmanager.getplugin("proof-tally")
    assert isinstance(found, Tally)
    return found
