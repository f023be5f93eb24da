"""The comparison of clusters: one number everywhere, to the last bit."""

import io

import pytest

import tl_arrayapi as tl
from tl_arrayapi.cli import digits
from tl_arrayapi.cli.evaluation import Comparison, compare, local_cluster
from tl_arrayapi.errors import ClusterError
from tl_arrayapi.report.progress import Lines


def test_equal_means_are_the_same_bits():
    comparison = Comparison(0.25, {1: 0.25, 2: 0.25, 3: 0.25})
    assert comparison.same_bits
    assert comparison.line == "workers 1, 2, 3: same bits: yes"


def test_one_bit_makes_the_difference():
    comparison = Comparison(0.1 + 0.2, {1: 0.1 + 0.2, 2: 0.3})
    assert not comparison.same_bits
    assert comparison.line == "workers 1, 2: same bits: no"


def test_a_process_that_differs_from_all_workers_makes_the_difference():
    assert not Comparison(0.3, {1: 0.1, 2: 0.1}).same_bits


def test_zero_and_minus_zero_differ_and_nan_is_itself():
    assert not Comparison(0.0, {1: -0.0}).same_bits
    assert Comparison(float("nan"), {1: float("nan")}).same_bits


def test_a_cluster_that_does_not_start_is_an_error_of_ours(monkeypatch):
    def fails(**keywords):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", fails)
    with pytest.raises(ClusterError, match="2 workers did not start"):
        local_cluster(2)


def test_a_local_cluster_gives_the_mean_of_this_process():
    module = digits.definition().instantiate_float_with_runtime_plan(tl.Options(), digits.plan(0))
    samples = tl.stack_samples(*module.asarrays(x[:70] for x in digits.load(0).held_out_one_by_one))
    said = io.StringIO()
    comparison = compare(module, samples, (2,), Lines(said))
    assert comparison.same_bits
    assert comparison.in_process == module.mean_loss(samples)
    assert said.getvalue().splitlines() == [
        f"mean loss 1/2  in this process: {comparison.in_process!r}",
        f"mean loss 2/2  on 2 workers: {comparison.in_process!r}",
    ]
