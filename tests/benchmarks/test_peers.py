"""The peers that need NumPy alone give what float64 gives; a wrong one is refused."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.check import WrongResultError, check
from benchmarks.peers import EAGER, prepare
from benchmarks.workloads import workload


@pytest.mark.parametrize("name", ["W1", "W2", "W3", "W6", "W7"])
@pytest.mark.parametrize("peer", ["ours", "naive", "h2"])
def test_a_peer_agrees_with_float64(peer, name):
    made = workload(name)
    check(peer, prepare(peer, made), made, made.truth())


@pytest.mark.parametrize("peer", EAGER)
def test_a_peer_leaves_the_workloads_arrays_alone(peer):
    pytest.importorskip({"torch_eager": "torch", "hips": "autograd", "mygrad_eager": "mygrad"}.get(peer, "numpy"))
    made, again = workload("W2"), workload("W2")
    prepare(peer, made).step()
    for a, b in zip((*made.params, *made.inputs), (*again.params, *again.inputs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_wrong_gradient_is_refused():
    made = workload("W1")
    runner = prepare("naive", made)
    loss, (gw, gb) = runner.loss_and_grads()
    with pytest.raises(WrongResultError, match="gradient 1"):
        check("x", replace(runner, loss_and_grads=lambda: (loss, [gw, 1.001 * gb])), made, made.truth())


def test_an_update_that_is_not_made_is_refused():
    made = workload("W1")
    with pytest.raises(WrongResultError, match="parameter after 3 steps 0"):
        check("x", replace(prepare("naive", made), step=lambda: None), made, made.truth())


def test_a_loss_that_is_not_a_number_is_refused():
    made = workload("W1")
    runner = prepare("naive", made)
    with pytest.raises(WrongResultError, match="loss 0"):
        check("x", replace(runner, loss_and_grads=lambda: (np.nan, [])), made, made.truth())
