"""docs/citizenship.md says what is tested."""

import os
import re
import subprocess
import sys

import pytest

from tests.citizenship.tables import DOCUMENT, with_tables
from tests.citizenship.test_scipy import scipy_version
from tests.citizenship.walked import ROOT
from tests.libraries import installed
from tl_arrayapi.autograd.primitive import PRIMITIVES
from tl_arrayapi.autograd.special import COMPOSITES


def test_the_tables_of_scipy_functions_are_those_of_the_tests():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == with_tables(text), "run python -m tests.citizenship.tables"


def test_every_special_function_is_described():
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text[text.index("## Special functions") : text.index("## scikit-learn")]
    described = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert described == {name for where, name in PRIMITIVES if where == "special"} | set(COMPOSITES)


@pytest.mark.skipif(not installed("scipy") or scipy_version() < (1, 17), reason="needs SciPy 1.17 or newer")
def test_the_example_with_scipy_runs():
    (code,) = re.findall(r"^```py\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert len(re.findall(r"[-\d.]+", ran.stdout)) == 3
