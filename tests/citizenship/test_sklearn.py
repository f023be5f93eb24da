"""scikit-learn with array_api_dispatch on traced arrays: kernels, scalers and fits are differentiated through."""

import importlib.metadata

import pytest

from tests.citizenship.scipy_calls import LEARNED, LEARNED_REFUSED
from tests.citizenship.walked import LIBRARIES, outcomes
from tests.libraries import installed


def _version() -> tuple[int, ...]:
    return tuple(int(part) for part in importlib.metadata.version("scikit-learn").split(".")[:2])


pytestmark = pytest.mark.skipif(
    not installed("sklearn") or _version() < (1, 9), reason="needs scikit-learn 1.9 or newer"
)


@pytest.mark.parametrize("call", [call for group in LEARNED.values() for call in group])
@pytest.mark.parametrize("library", LIBRARIES)
def test_gradient_through_scikit_learn_agrees_with_central_differences(library, call):
    assert outcomes(library, "first", "sklearn")[call] == "right"


@pytest.mark.parametrize("call", [call for group in LEARNED_REFUSED.values() for call in group])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_score_that_becomes_a_number_refuses_a_watched_array(library, call):
    outcome = outcomes(library, "first", "sklearn")[call]
    assert outcome.startswith("refused: WatchedError")
    assert "stop_gradient" in outcome
