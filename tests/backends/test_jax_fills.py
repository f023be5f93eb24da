"""JAX's fills: the portable fill's bits from one compiled function, whatever the seed and the bounds."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.drawn import RECIPES, reference
from tl_arrayapi import init
from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.formats import FORMATS

jax = pytest.importorskip("jax")

from tl_arrayapi.backends.jax import fills  # noqa: E402  (after importorskip)

SHAPE = (7, 3, 11)
# Each kind of arithmetic and each format once: XLA takes a quarter of a second for each.
FEW = ["about 0, float32", "range, bfloat16", "normal off 0, float64", "truncated off 0, float32", "range, float16"]


def few(names):
    return [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in names]


def filled(recipe, shape, device=None):
    """Return the values as a NumPy array; uint16 for bfloat16, its bits."""
    found = jax.numpy.reshape(fills.filled(recipe, shape, recipe.format.name, device), (-1,))
    return np.asarray(found.view("uint16") if recipe.format.name == "bfloat16" else found)


@pytest.mark.parametrize("name", few(name for name in RECIPES if not name.startswith("tiny")))
def test_every_kind_has_the_bits_of_the_portable_fill(name):
    with jax.enable_x64(True):
        assert filled(RECIPES[name], SHAPE).tobytes() == reference(RECIPES[name], 231).tobytes()


@pytest.mark.parametrize("name", ["normal, float32"])
def test_without_64_bit_numbers_the_bits_are_the_same(name):
    with jax.enable_x64(False):
        assert filled(RECIPES[name], SHAPE).tobytes() == reference(RECIPES[name], 231).tobytes()


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("tiny")])
def test_numbers_that_xla_flushes_to_zero_are_kept(name):
    kind, dtype = name.split(", ")
    tiny = {"float32": 1e-38, "float64": 1e-307}[dtype]
    scheme = {
        "tiny about 0": init.uniform(-tiny, tiny, seed=7),
        "tiny range": init.uniform(0, tiny, seed=7),
        "tiny normal": init.normal(0, tiny, seed=7),
    }[kind]
    with jax.enable_x64(True):
        found = np.asarray(init.materialize(scheme, (50,), jax.numpy, dtype))
    assert found.tobytes() == reference(RECIPES[name], 50).tobytes()


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=100)
def test_recipes_that_are_not_called_tiny_meet_no_number_that_xla_flushes(data):
    dtype = data.draw(st.sampled_from(["float32", "float64", "bfloat16"]))
    form = FORMATS[dtype]
    least = FORMATS[form.compute].smallest_normal
    size = least * data.draw(st.floats(1, 2)) * 2.0 ** data.draw(st.integers(-5, 60))
    seed, ratio = data.draw(st.integers(0, 2**64 - 1)), data.draw(st.sampled_from([1e-3, 1.0, 1e5]))
    scheme = data.draw(
        st.sampled_from(
            [
                init.uniform(-size, size, seed),
                init.uniform(0, size, seed),
                init.uniform(size, 3 * size, seed),
                init.normal(0, size, seed),
                init.normal(size * ratio, size, seed),
            ]
        )
    )
    try:
        recipe = scheme.recipe(form)
    except PlanError:
        assume(False)
    assume(not recipe.is_tiny)
    with jax.enable_x64(True):
        assert filled(recipe, (333,)).tobytes() == reference(recipe, 333).tobytes()


def test_one_function_serves_every_seed_and_all_bounds():
    def fill(scheme):
        return fills.filled(scheme.recipe(FORMATS["float32"]), (13, 17), "float32", None)

    fill(init.uniform(-1, 1))
    before = fills._compiled.cache_info().currsize
    for seed in range(3):
        for scheme in (init.uniform(-1 - seed, 1 + seed, seed), init.kaiming_uniform(4 + seed, 2**64 - 1 - seed)):
            fill(scheme)
    assert fills._compiled.cache_info().currsize == before
    recipe = init.uniform(-1, 1).recipe(FORMATS["float32"])
    pattern = fills._Pattern(recipe, fills._numbers(recipe))
    assert fills._compiled(pattern, (13, 17), np.dtype("float32"), None)._cache_size() == 1


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (5, 1)])
def test_arrays_of_few_elements_or_none_are_filled(shape):
    recipe = RECIPES["about 0, float32"]
    assert filled(recipe, shape).tobytes() == reference(recipe, int(np.prod(shape))).tobytes()


def test_places_beyond_32_bits_are_counted_in_two_halves():
    shape = (2**20, 2**5, 2**10 + 1)

    @jax.jit
    def last():
        upper, lower = fills._Traced(np.zeros(2, np.uint32)).places(shape)
        return upper[-2:, -1, -2:], lower[-2:, -1, -2:]

    upper, lower = (np.asarray(half).astype(object) for half in last())
    count = 2**25 * (2**10 + 1)
    row = 2**5 * (2**10 + 1)
    assert (upper * 2**32 + lower).tolist() == [[count - row - 2, count - row - 1], [count - 2, count - 1]]


def test_an_array_is_filled_where_a_sharding_has_it():
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:1]), ("rows",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))
    found = init.materialize(init.uniform(-1, 1, 3), (8, 3), jax.numpy, "float32", sharding)
    assert found.sharding == sharding
    assert np.asarray(found).tobytes() == init.materialize(init.uniform(-1, 1, 3), (8, 3)).tobytes()


def test_a_fill_may_be_part_of_a_function_that_is_compiled():
    found = jax.jit(lambda: init.materialize(init.normal(0, 1, 3), (5, 3), jax.numpy) * 1.0)()
    assert np.asarray(found).tobytes() == init.materialize(init.normal(0, 1, 3), (5, 3)).tobytes()
