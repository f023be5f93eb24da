"""Every function of the standard on PyTorch."""

import pytest

from tests.proof.prove import every_function_on, prove


# torch says that it copies.
@pytest.mark.filterwarnings("ignore:torch.searchsorted:UserWarning")
@every_function_on("torch")
def test_a_function_does_what_the_catalogue_says(xp, function, dtype, tally, pytestconfig):
    prove(xp, function, dtype, tally, slow=pytestconfig.getoption("--slow"))
