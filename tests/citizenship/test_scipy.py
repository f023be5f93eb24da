"""SciPy's functions on traced arrays: right gradients, or an error; never a gradient that is silently wrong.

SciPy 1.17 is the first in which as many of its functions take arrays of any library. Whether they do is decided when
SciPy is imported: each library has a process of its own.
"""

import importlib.metadata

import pytest

from tests.citizenship.scipy_calls import REFUSED, RIGHT, function_name
from tests.citizenship.walked import LIBRARIES, outcomes
from tests.libraries import installed

# What SciPy's own code does that a library does not take, traced or not.
NOT_ON_STRICT = {
    "integrate.tanhsinh": "SciPy passes Python's bool for a dtype",
    "elementwise.find_minimum": "SciPy passes Python's bool for a dtype",
}


# Under vmap SciPy takes arrays for lazy ones, for which it has less.
LAZY = (
    "stats.differential_entropy(x, axis=None)",
    "stats.lmoment(x, axis=None)",
    "stats.epps_singleton_2samp(v, w).statistic",
)


def scipy_version() -> tuple[int, ...]:
    return tuple(int(part) for part in importlib.metadata.version("scipy").split(".")[:2])


pytestmark = pytest.mark.skipif(not installed("scipy") or scipy_version() < (1, 17), reason="needs SciPy 1.17 or newer")


def calls(table: dict[str, list[str]]) -> list[str]:
    return [call for group in table.values() for call in group]


@pytest.mark.parametrize("call", calls(RIGHT))
@pytest.mark.parametrize("library", LIBRARIES)
def test_gradient_through_scipy_agrees_with_central_differences(library, call):
    if library == "array_api_strict" and function_name(call) in NOT_ON_STRICT:
        pytest.skip(NOT_ON_STRICT[function_name(call)])
    assert outcomes(library)[call] == "right"


@pytest.mark.parametrize("call", calls(REFUSED))
@pytest.mark.parametrize("library", LIBRARIES)
def test_scipy_function_that_cannot_be_differentiated_refuses_a_watched_array(library, call):
    outcome = outcomes(library)[call]
    assert outcome.startswith("refused: ")
    error = outcome.removeprefix("refused: ")
    kind = error.partition(":")[0]
    if kind in ("WatchedError", "NoRuleError"):
        assert "stop_gradient" in error
    else:
        # NumPy's ufuncs and mixtures of libraries refuse in their own words; an attribute is one that NumPy's arrays
        # have and the standard's have not.
        assert kind in ("TypeError", "NamespaceError", "AttributeError", "ValueError")


@pytest.mark.slow
@pytest.mark.parametrize("call", calls(RIGHT))
def test_second_derivative_through_scipy_agrees_with_central_differences_of_the_first(call):
    if call.startswith("stats.epps_singleton_2samp"):
        pytest.skip("it inverts a nearly singular matrix: differences of its gradient keep four digits")
    assert outcomes("numpy", "second")[call] == "right"


@pytest.mark.slow
@pytest.mark.parametrize("call", calls(RIGHT))
def test_scipy_under_vmap_is_a_loop_or_refuses(call):
    outcome = outcomes("numpy", "mapped")[call]
    # What decides by a value, or selects a number of elements that depends on values, has none for all examples.
    refusals = ("refused: ",) if call in LAZY else ("refused: WatchedError", "refused: NoRuleError")
    assert outcome == "right" or outcome.startswith(refusals)


def test_dozens_of_functions_of_every_part_are_right():
    names = {function_name(call) for call in calls(RIGHT)}
    assert len(names) > 200
    for part in ("special", "stats", "integrate", "signal", "vq", "fft"):
        assert any(name.startswith(f"{part}.") for name in names)
