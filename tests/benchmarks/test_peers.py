"""The peers that need NumPy alone give what float64 gives; a wrong one is refused."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.check import FellBackError, WrongResultError, check, check_compiled
from benchmarks.peers import COMPILED, EAGER, ON_COMPILERS, TITLES, Runner, prepare, probe
from benchmarks.workloads import workload

NEEDS = {
    "torch_eager": "torch",
    "torch_compiled": "torch",
    "jax_jit": "jax",
    "ours_torch": "torch",
    "ours_jax": "jax",
    "hips": "autograd",
    "mygrad_eager": "mygrad",
}


@pytest.mark.parametrize("name", ["W1", "W2", "W3", "W6", "W7"])
@pytest.mark.parametrize("peer", ["ours", "ours_compiled", "naive", "h2", "jax_jit"])
def test_a_peer_agrees_with_float64(peer, name):
    pytest.importorskip(NEEDS.get(peer, "numpy"))
    made = workload(name)
    runner = prepare(peer, made)
    check(peer, runner, made, made.truth())
    check_compiled(peer, runner, made)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # PyTorch's own
@pytest.mark.parametrize("name", ["W1", "W7"])
@pytest.mark.parametrize("peer", ["torch_compiled", "ours_torch", "ours_jax"])
def test_a_compiler_agrees_with_float64_and_makes_one_program(peer, name):
    pytest.importorskip(NEEDS[peer])
    made = workload(name)
    runner = prepare(peer, made)
    check(peer, runner, made, made.truth())
    assert runner.programs() == 1


@pytest.mark.parametrize("peer", sorted({*EAGER, *COMPILED} - {"torch_compiled"}))
def test_a_peer_leaves_the_workloads_arrays_alone(peer):
    pytest.importorskip(NEEDS.get(peer, "numpy"))
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


@pytest.mark.parametrize("programs", [0, 2])
def test_a_compiler_that_did_not_make_one_program_is_refused(programs):
    runner = Runner(lambda: None, list, programs=lambda: programs)
    with pytest.raises(FellBackError, match=f"x on W1: {programs} programs for one step, expected 1"):
        check_compiled("x", runner, workload("W1"))


def test_a_peer_that_does_not_compile_has_no_programs_to_count():
    check_compiled("x", Runner(lambda: None, list), workload("W1"))


def test_a_step_at_a_great_rate_shows_the_gradients():
    rng = np.random.default_rng(0)
    before, grads = rng.standard_normal((2, 100)).astype(np.float32)
    (found,) = probe.gradients([before], [before - np.float32(probe.RATE) * grads])
    np.testing.assert_allclose(found, grads, rtol=1e-5, atol=1e-8)


def test_every_peer_has_a_title():
    assert {*EAGER, *COMPILED, *ON_COMPILERS} <= TITLES.keys()
