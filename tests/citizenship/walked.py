"""`tests.citizenship.walk` run once for each library, mode and package, in a process of its own."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.libraries import installed

__all__ = ["LIBRARIES", "ROOT", "outcomes"]

ROOT = Path(__file__).parents[2]
LIBRARIES = {
    "numpy": "array_api_compat.numpy",
    "torch": "array_api_compat.torch",
    "array_api_strict": "array_api_strict",
}


@cache
def outcomes(library: str, mode: str = "first", package: str = "scipy") -> dict[str, str]:
    """Return what the walk says of every call of ``package`` on arrays of ``library``."""
    if not installed(library):
        pytest.skip(f"{library} is not installed")
    ran = subprocess.run(
        [sys.executable, "-m", "tests.citizenship.walk", LIBRARIES[library], mode, package],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    found: dict[str, str] = json.loads(ran.stdout)
    return found
