"""The catalogue has every function of the standard, and the standard's list is not of our own making."""

from types import FunctionType
from typing import Any

import pytest

from tests.autograd.standard import EXTENSIONS, FUNCTIONS
from tests.proof.catalogue import CATALOGUE, FAMILIES

# What an extension has from the main namespace.
SHARED = {"linalg": {"matmul", "matrix_transpose", "tensordot", "vecdot"}, "fft": set()}


def test_the_catalogue_has_every_function_of_the_standard():
    extensions = {f"{where}.{name}" for where, names in EXTENSIONS.items() for name in names}
    assert set(CATALOGUE) == {*FUNCTIONS, *extensions, "__array_namespace_info__"}
    assert sum(map(len, FAMILIES.values())) == len(CATALOGUE)  # each once


def test_the_list_of_the_standard_is_that_of_its_reference_implementation():
    strict = pytest.importorskip("array_api_strict")
    own = {"set_array_api_strict_flags", "get_array_api_strict_flags", "reset_array_api_strict_flags"}
    assert functions_of(strict, strict.__all__) - own == {*FUNCTIONS, "__array_namespace_info__"}
    for where, names in EXTENSIONS.items():
        module = getattr(strict, where)
        written_there = {n for n in functions_of(module, dir(module)) if vars(module)[n].__module__ == module.__name__}
        assert written_there | SHARED[where] == set(names)


def functions_of(module: Any, names: list[str]) -> set[str]:
    found = {name for name in names if isinstance(getattr(module, name), FunctionType)}
    return {name for name in found if name.startswith("__") or not name.startswith("_")}
