"""Every function of the standard, for every dtype and on every library: calls drawn by Hypothesis, each checked."""

from types import FunctionType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.autograd.standard import EXTENSIONS, FUNCTIONS
from tests.proof.calls import Function, calls
from tests.proof.catalogue import CATALOGUE
from tests.proof.checks import checks_of
from tests.proof.shapes import features

# Calls of each function and dtype.
CALLS = {"numpy": 10, "torch": 6, "jax": 2, "dask": 2, "array_api_strict": 4}
# JAX compiles for each new shape, and Dask makes a graph for each call: they have one dtype a kind, float32 apart.
ONE_A_KIND = ("float64", "float32", "complex128", "int64", "uint8", "bool")
DTYPES = {"jax": ONE_A_KIND, "dask": ONE_A_KIND}

QUICK = {"numpy": ("float64", "int64", "bool")}
QUICK_CALLS = 3

# What an extension has from the main namespace.
SHARED = {"linalg": {"matmul", "matrix_transpose", "tensordot", "vecdot"}, "fft": set()}

# Not "explain", which costs seconds a failure.
PHASES = (Phase.generate, Phase.shrink)


def cases() -> list[Any]:
    """Return (function, dtype, library), by library; all but the quick ones are marked slow."""
    return [
        pytest.param(
            function,
            dtype,
            library,
            id=f"{function}-{dtype}-{library}",
            marks=() if dtype in QUICK.get(library, ()) else pytest.mark.slow,
        )
        for function in CATALOGUE.values()
        for library in CALLS
        for dtype in function.dtypes
        if dtype in DTYPES.get(library, function.dtypes)
    ]


# Dask makes the type of a chunk of indices from that of the complex array that they index.
@pytest.mark.filterwarnings("ignore:Casting complex values:numpy.exceptions.ComplexWarning:dask.array.utils")
# torch says that it copies.
@pytest.mark.filterwarnings("ignore:torch.searchsorted:UserWarning")
@pytest.mark.parametrize(("function", "dtype", "xp"), cases(), indirect=["xp"])
def test_a_function_does_what_the_catalogue_says(xp, function: Function, dtype: str, tally, pytestconfig):
    count = CALLS[xp.name] if pytestconfig.getoption("--slow") else QUICK_CALLS

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(function, dtype, xp.name))
    def on_each(call: Any) -> None:
        special = features(call.operands, call.layout)
        with np.errstate(all="ignore"):
            for check in checks_of(function, call):
                name = check(xp, function, call)
                tally.add(str(function), xp.name, name, dtype, special)
                if name == "refused":
                    return  # there is nothing to differentiate

    on_each()


def test_the_catalogue_has_every_function_of_the_standard():
    extensions = {f"{where}.{name}" for where, names in EXTENSIONS.items() for name in names}
    assert set(CATALOGUE) == {*FUNCTIONS, *extensions, "__array_namespace_info__"}


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
