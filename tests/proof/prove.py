"""A test of one function, for one dtype and on one library: calls drawn by Hypothesis, each checked and counted.

There is a file of tests for each library, so that workers can share them.
"""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.libraries import Library
from tests.proof.calls import ALL, Call, Function, calls
from tests.proof.catalogue import CATALOGUE
from tests.proof.checks import checks_of
from tests.proof.shapes import features
from tests.proof.tally import Tally

__all__ = ["every_function_on", "prove"]

# Calls of each function and dtype.
CALLS = {"numpy": 10, "torch": 6, "jax": 2, "dask": 2, "array_api_strict": 4}
# JAX compiles for each new shape, and Dask makes a graph for each call: they have one dtype a kind, float32 apart.
ONE_A_KIND = ("float64", "float32", "complex128", "int64", "uint8", "bool")
# PyTorch has few functions of its wider unsigned integers.
DTYPES = {
    "torch": tuple(name for name in ALL if name not in ("uint64", "uint32", "uint16")),
    "jax": ONE_A_KIND,
    "dask": ONE_A_KIND,
}

QUICK = {"numpy": ("float64", "int64", "bool")}
QUICK_CALLS = 3

# Not "explain", which costs seconds a failure.
PHASES = (Phase.generate, Phase.shrink)


def every_function_on(library: str) -> Callable[[Callable[..., None]], Any]:
    """Parametrize a test by the functions of the catalogue and their dtypes; all but the quick ones are slow."""
    cases = [
        pytest.param(
            function,
            dtype,
            library,
            id=f"{function}-{dtype}-{library}",
            marks=() if dtype in QUICK.get(library, ()) else pytest.mark.slow,
        )
        for function in CATALOGUE.values()
        for dtype in function.dtypes
        if dtype in DTYPES.get(library, function.dtypes)
    ]
    return pytest.mark.parametrize(("function", "dtype", "xp"), cases, indirect=["xp"])


def prove(xp: Library, function: Function, dtype: str, tally: Tally, slow: bool) -> None:
    """Check what the catalogue promises, on calls that are the same in every run."""

    # A seed of its own, or every function would be given the same shapes and layouts.
    @seed(zlib.crc32(f"{function} {dtype} {xp.name}".encode()))
    @settings(
        max_examples=CALLS[xp.name] if slow else QUICK_CALLS,
        deadline=None,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(function, dtype, xp.name))
    def on_each(call: Call) -> None:
        special = features(call.operands, call.layout)
        with np.errstate(all="ignore"):
            for check in checks_of(function, call):
                name = check(xp, function, call)
                tally.add(str(function), xp.name, name, dtype, special)
                if name == "refused":
                    return  # there is nothing to differentiate

    on_each()
