"""Every function of the standard on Dask."""

import pytest

from tests.proof.prove import every_function_on, prove


# Dask makes the type of a chunk of indices from that of the complex array that they index.
@pytest.mark.filterwarnings("ignore:Casting complex values:numpy.exceptions.ComplexWarning:dask.array.utils")
@every_function_on("dask")
def test_a_function_does_what_the_catalogue_says(xp, function, dtype, tally, pytestconfig):
    prove(xp, function, dtype, tally, slow=pytestconfig.getoption("--slow"))
