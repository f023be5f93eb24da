"""The fixture that the tests of storage share."""

import pytest


@pytest.fixture
def path(tmp_path):
    """Give the path of a file that is not there."""
    return tmp_path / "m.safetensors"
