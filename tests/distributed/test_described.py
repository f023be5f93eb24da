"""Described modules on clusters: the workers fill their own, the same bits, and nothing but the plan goes there."""

import pytest

import tl_arrayapi as tl
from tests.distributed.problems import WIDTH, samples, squared_error
from tl_arrayapi import init
from tl_arrayapi.distributed import mean_loss
from tl_arrayapi.errors import ClusterError

SHAPES = [(WIDTH, 3), (3,)]
PLAN = init.Plan(SHAPES, [init.normal(0, 1, seed=1), init.uniform(-1, 1, seed=2)])


def test_workers_fill_a_described_module_and_find_the_same_mean(workers):
    definition = tl.ScalarModuleDef(squared_error, plan=PLAN)
    lazy, filled = (definition.instantiate(dtype="float64", lazy=lazily) for lazily in (True, False))
    found = mean_loss(lazy, samples(20), workers(2), micro_batch=5)
    assert not lazy.is_materialized
    assert found == mean_loss(filled, samples(20)) == mean_loss(lazy, samples(20))
    assert lazy.is_materialized


def test_the_error_of_a_module_without_values_says_what_to_do(workers):
    module = tl.ScalarModuleDef(squared_error, param_shapes=SHAPES).instantiate(dtype="float64", lazy=True)
    with pytest.raises(ClusterError, match=r"PlanError: .*apply a plan"):
        mean_loss(module, samples(20), workers(2))
