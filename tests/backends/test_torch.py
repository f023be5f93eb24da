"""What PyTorch does otherwise."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi import backends
from tl_arrayapi.errors import DeviceError, WatchedError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parametrize("xp", ["torch"], indirect=True)


def test_a_tensor_that_requires_grad_is_refused_and_told_to_detach(xp):
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(WatchedError, match=r"args\[0\].*requires_grad=True.*\.detach\(\)"):
        backends.get(torch).check(x, "args[0]")
    with pytest.raises(WatchedError, match=r"\.detach\(\)"):
        tl.grad(lambda x: xp.sum(x))(x)
    backends.get(torch).check(x.detach(), "args[0]")


@pytest.mark.parametrize("name", ["meta", "cuda:99", "gpu", "cpu:1x", 1.5])
def test_a_device_that_holds_no_data_or_is_not_there_is_refused(xp, name):
    with pytest.raises(DeviceError, match=r"torch has no device .* here: it has cpu"):
        backends.get(torch).device(name)


def test_conjugated_and_negated_views_are_resolved(xp):
    backend = backends.get(torch)
    x = xp.asarray(np.asarray([1 + 2j, 3 - 1j]))
    views = {"conjugate": torch.conj(x), "negative": torch.conj(x).imag}
    for name, view in views.items():
        expected = {"conjugate": [1 - 2j, 3 + 1j], "negative": [-2.0, 1.0]}[name]
        np.testing.assert_array_equal(backend.to_host(view), expected)
        kept = backend.result(view)
        assert not kept.is_conj()
        assert not kept.is_neg()
        np.testing.assert_array_equal(kept.numpy(), expected)


def test_a_result_of_its_own_memory_is_not_copied(xp):
    x = xp.asarray([1.0, 2.0])
    assert backends.get(torch).result(x) is x


def test_the_precision_of_products_is_given_back_after_an_error(xp):
    before = torch.get_float32_matmul_precision()
    inside = "high" if before != "high" else "medium"

    def fail():
        with backends.get(torch).precision(inside):
            assert torch.get_float32_matmul_precision() == inside
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_float32_matmul_precision() == before


def test_relu_keeps_nan_and_signs_as_maximum_does(xp):
    relu = backends.get(torch).functions["relu"]
    found = relu(xp.asarray([np.nan, -1.0, 2.0, np.inf]))
    np.testing.assert_array_equal(xp.to_numpy(found), [np.nan, 0.0, 2.0, np.inf])
