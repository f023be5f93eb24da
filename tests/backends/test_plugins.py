"""Another package adds a backend, or replaces one, through an entry point; one that is broken is left out."""

import subprocess
import sys
import textwrap

import pytest

from tests.sources import ROOT

PACKAGE = '''
"""A package of somebody else, with an array library and backends in it."""

import array_api_strict

from tl_arrayapi.backends import API_VERSION, Backend


class Added(Backend):
    name = "theirs.library"
    lazy = True

    @classmethod
    def matches(cls, namespace):
        return namespace.__name__ == "theirs.library"


class Replacing(Backend):
    name = "better-numpy"
    replaces = ("numpy",)

    @classmethod
    def matches(cls, namespace):
        return namespace.__name__ == "array_api_compat.numpy"


class Intruding(Replacing):
    """Describes NumPy without saying that it replaces the built-in backend."""

    name = "intruder"
    replaces = ()


class ForStrict(Backend):
    name = "for-strict"

    @classmethod
    def matches(cls, namespace):
        return namespace is array_api_strict


class FromTheFuture(Added):
    api_version = API_VERSION + 1


class NotDerived:
    api_version = API_VERSION
    name = "not derived"


class Raising(Backend):
    name = "raising"

    @classmethod
    def matches(cls, namespace):
        return namespace.nobody_has_this


instance = Added.matches
'''

LIBRARY = '''
"""An array library, of which an empty array is all that these tests need."""

import sys


class Array:
    def __array_namespace__(self, *, api_version=None):
        return sys.modules[__name__]


def empty(shape):
    return Array()
'''

PROJECT = """
[build-system]
requires = []
build-backend = "build"
backend-path = ["."]
"""

# A build backend in ten lines: the tests then need none that a fresh virtual environment lacks.
BUILD = """
import zipfile
from pathlib import Path


def build_wheel(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(Path(folder, "theirs-1.0-py3-none-any.whl"), "w") as wheel:
        for path in sorted(Path().glob("theirs*/*")):
            wheel.write(path)
        fields = ("Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any", "")
        wheel.writestr("theirs-1.0.dist-info/WHEEL", "\\n".join(fields))
        wheel.writestr("theirs-1.0.dist-info/RECORD", "".join(f"{name},,\\n" for name in wheel.namelist()))
    return "theirs-1.0-py3-none-any.whl"
"""


def distribution(folder, entries):
    """Lay down an installed package as pip would: its modules, and the metadata that names its entry points."""
    (folder / "theirs").mkdir(parents=True)
    (folder / "theirs" / "__init__.py").write_text(PACKAGE)
    (folder / "theirs" / "library.py").write_text(LIBRARY)
    info = folder / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
    (info / "entry_points.txt").write_text(f"[tl_arrayapi.backends]\n{lines}\n")
    return folder


def run(folder, code, *, warnings="error"):
    """Return what ``code`` prints in a new interpreter that sees the package installed in ``folder``."""
    start = f"import sys; sys.path.insert(0, {str(folder)!r})\nfrom tl_arrayapi import backends\n"
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-c", start + textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def test_a_plug_in_adds_a_library(tmp_path):
    folder = distribution(tmp_path, {"any": "theirs:Added"})
    code = """
    import theirs.library
    found = backends.get(theirs.library)
    print(type(found).__name__, found.name, found.lazy)
    print(found is backends.get("theirs.library") is backends.backend_of(theirs.library.empty(0)))
    print(backends.get(None).name, [x.name for x in backends.available()][-1])
    """
    words, _ = run(folder, code)
    assert words == ["Added", "theirs.library", "True", "True", "numpy", "theirs.library"]


def test_without_the_plug_in_the_library_gets_the_portable_backend(tmp_path):
    folder = distribution(tmp_path, {})
    words, _ = run(folder, "import theirs.library; print(type(backends.get(theirs.library)).__name__)")
    assert words == ["Backend"]


def test_a_plug_in_replaces_a_built_in_backend_that_it_names(tmp_path):
    folder = distribution(tmp_path, {"a": "theirs:Intruding", "b": "theirs:Replacing"})
    code = """
    import numpy
    for form in (None, "numpy", numpy):
        print(backends.get(form).name)
    print(backends.backend_of(numpy.ones(2)).name)
    """
    assert run(folder, code)[0] == ["better-numpy"] * 4


def test_the_built_in_backend_wins_over_a_plug_in_that_does_not_say_that_it_replaces_it(tmp_path):
    folder = distribution(tmp_path, {"a": "theirs:Intruding"})
    assert run(folder, "import numpy; print(type(backends.get(numpy)).__name__)")[0] == ["NumPyBackend"]


def test_a_known_library_without_a_backend_of_its_own_takes_a_plug_in_s(tmp_path):
    folder = distribution(tmp_path, {"a": "theirs:ForStrict"})
    assert run(folder, "print(backends.get('array_api_strict').name)")[0] == ["for-strict"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_package:Backend", "No module named 'no_such_package'"),
        ("theirs:Missing", "has no attribute 'Missing'"),
        ("theirs:FromTheFuture", "its api_version is 2, and this version of tl_arrayapi has 1"),
        ("theirs:NotDerived", "it lacks check, descend, device, "),
        ("theirs:instance", "it is a method, and a class is expected"),
        ("theirs:Raising", "nobody_has_this"),
    ],
)
def test_a_broken_plug_in_is_named_and_left_out_and_the_others_work(tmp_path, value, reason):
    folder = distribution(tmp_path, {"odd-one": value, "good": "theirs:Added"})
    code = """
    import theirs.library
    print(backends.get(None).name, type(backends.get(theirs.library)).__name__)
    """
    words, errors = run(folder, code, warnings="always")
    assert words == ["numpy", "Added"]
    assert "UserWarning: the backend" in errors
    assert "is left out" in errors
    assert reason in errors
    assert ("'raising'" if value.endswith("Raising") else "'odd-one'") in errors
    assert "'good'" not in errors


def test_a_broken_plug_in_is_reported_once(tmp_path):
    folder = distribution(tmp_path, {"odd-one": "no_such_package:Backend"})
    code = "import array_api_strict; backends.available(); backends.get(None); backends.get(array_api_strict)"
    _, errors = run(folder, code, warnings="always")
    assert errors.count("is left out") == 1


@pytest.mark.slow
def test_a_package_that_is_built_and_installed_adds_and_replaces_backends(tmp_path):
    entries = {"added": "theirs:Added", "replacing": "theirs:Replacing", "broken": "theirs:Missing"}
    source, target = distribution(tmp_path / "source", entries), tmp_path / "target"
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "build.py").write_text(BUILD)
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, timeout=240)
    code = "import theirs.library; print(backends.get(theirs.library).name, backends.get(None).name)"
    words, errors = run(target, code, warnings="always")
    assert words == ["theirs.library", "better-numpy"]
    assert errors.count("is left out") == 1
    assert "'broken'" in errors
