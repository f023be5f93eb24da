"""Every function of the standard on the reference implementation, which refuses what the standard does not have."""

from tests.proof.prove import every_function_on, prove


@every_function_on("array_api_strict")
def test_a_function_does_what_the_catalogue_says(xp, function, dtype, tally, pytestconfig):
    prove(xp, function, dtype, tally, slow=pytestconfig.getoption("--slow"))
