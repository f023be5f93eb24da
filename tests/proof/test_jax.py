"""Every function of the standard on JAX."""

from tests.proof.prove import every_function_on, prove


@every_function_on("jax")
def test_a_function_does_what_the_catalogue_says(xp, function, dtype, tally, pytestconfig):
    prove(xp, function, dtype, tally, slow=pytestconfig.getoption("--slow"))
