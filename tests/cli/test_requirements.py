"""What a command needs is checked at its start, and the message names the extra."""

import sys

import pytest

from tl_arrayapi.cli.requirements import DEMO, require
from tl_arrayapi.errors import MissingLibraryError


def test_what_is_installed_passes():
    require(DEMO, "demo")


def test_what_is_missing_is_named_with_the_extra(monkeypatch):
    for module in ("sklearn", "rich"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MissingLibraryError, match=r"scikit-learn, rich are not installed: pip install 'tl-arrayapi\[demo\]'"
    ):
        require(DEMO, "demo")


def test_one_missing_module_is_singular():
    with pytest.raises(MissingLibraryError, match="thing is not installed"):
        require({"no_module_of_this_name": "thing"}, "demo")
