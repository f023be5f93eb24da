"""The list of libraries: every known one, and what an installed one can do."""

import json

from click.testing import CliRunner

from tl_arrayapi.backends import Library
from tl_arrayapi.cli import main
from tl_arrayapi.cli.backends_command import describe


def listed():
    result = CliRunner().invoke(main, ["backends", "--json"])
    assert result.exit_code == 0
    return {entry["name"]: entry for entry in json.loads(result.stdout)}


def test_json_lists_every_known_library():
    assert set(listed()) >= {"numpy", "cupy", "dask", "torch", "jax", "array_api_strict"}


def test_numpy_says_its_version_its_device_and_its_dtypes():
    import numpy

    entry = listed()["numpy"]
    assert entry["version"] == numpy.__version__
    assert entry["devices"] == ["cpu"]
    assert entry["dtypes"] == ["float16", "float32", "float64", "complex64", "complex128"]
    assert entry["lazy"] is False
    assert entry["problem"] is None


def test_dask_is_lazy():
    assert listed()["dask"]["lazy"] is True


def test_a_missing_library_names_its_extra():
    entry = describe(Library("cupy", False, None, "cuda12"))
    assert entry["problem"] == "not installed: pip install 'tl-arrayapi[cuda12]'"


def test_a_library_that_cannot_be_used_says_why_and_hides_no_other():
    entry = describe(Library("no_such_library", True, "1.0", None))
    assert "no_such_library" in entry["problem"]


def test_the_table_shows_what_json_says():
    result = CliRunner().invoke(main, ["backends"])
    assert result.exit_code == 0
    for entry in listed().values():
        assert entry["name"] in result.stdout
        for device in entry.get("devices", []):
            assert device in result.stdout
