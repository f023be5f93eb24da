"""What CuPy does otherwise."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.drawn import RECIPES, reference
from tl_arrayapi import backends
from tl_arrayapi.errors import DeviceError, DTypeError

pytestmark = [pytest.mark.gpu, pytest.mark.parametrize("xp", ["cupy"], indirect=True)]


def test_a_device_goes_by_its_number(xp):
    backend = backends.get("cupy")
    first = xp.cuda.Device(0)
    assert backend.device("cuda") == backend.device("cuda:0") == backend.device(0) == backend.device(first) == first
    for name in ("cuda:99", "cpu", "cuda:x"):
        with pytest.raises(DeviceError, match="cuda:0"):
            backend.device(name)


def test_views_share_memory_and_results_own_theirs(xp):
    backend = backends.get("cupy")
    whole = xp.asarray(np.arange(6.0))
    assert backend.memory(whole) == backend.memory(whole[2:])
    assert backend.memory(whole) != backend.memory(backend.result(whole[2:]))
    assert backend.result(whole) is whole


def test_a_fill_happens_on_its_device(xp):
    found = tl.init.materialize(tl.init.ones(), (3,), xp.namespace, device="cuda:0")
    assert found.device == xp.cuda.Device(0)
    np.testing.assert_array_equal(xp.to_numpy(found), np.ones(3, "float32"))


@pytest.mark.parametrize("name", [name for name in RECIPES if "bfloat16" not in name])
def test_every_kind_has_the_bits_of_the_portable_fill(xp, name):
    recipe = RECIPES[name]
    found = backends.get("cupy").draw(recipe, (7, 11, 13), recipe.format.name, None)
    assert xp.to_numpy(found).tobytes() == reference(recipe, 1001).tobytes()


def test_a_fill_larger_than_the_grid_has_its_values_to_the_end(xp):
    recipe, count = RECIPES["about 0, float32"], 2**24 + 3
    found = backends.get("cupy").draw(recipe, (count,), "float32", None)
    assert xp.to_numpy(found[-1001:]).tobytes() == reference(recipe, 1001, count - 1001).tobytes()


def test_bfloat16_is_refused(xp):
    with pytest.raises(DTypeError, match="bfloat16"):
        backends.get("cupy").dtype("bfloat16")


def test_waiting_synchronises_the_device(xp):
    x = xp.ones((512, 512), dtype=xp.float32)
    for _ in range(50):
        x = x @ x / 512
    backends.get("cupy").wait([x])
    assert xp.cuda.get_current_stream().done
