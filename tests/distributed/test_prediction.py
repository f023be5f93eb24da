"""A plan says what a run takes, and reads nothing for it."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import arrays, module, samples, stacked
from tl_arrayapi.distributed import evaluate, plan
from tl_arrayapi.distributed.costs import Costs
from tl_arrayapi.errors import ArgumentError, StructureError


def test_a_plan_has_the_tasks_and_the_bytes_of_the_run(workers):
    net, given = module(), stacked(3000)
    planned = plan(net, given, workers(2), costs=Costs(), chunk_size=500)
    done = evaluate(net, given, workers(2), chunk_size=500).record
    assert planned.tasks == sum(totals.pieces for totals in done.workers.values()) == 6
    assert planned.sent == pytest.approx(done.sent, rel=0.2)
    assert planned.workers == 2


@pytest.mark.slow
def test_costs_are_measured_on_the_cluster(workers):
    costs = plan(module(), stacked(3000), workers(2), chunk_size=500).costs
    assert costs.together  # a LocalCluster's scheduler lives in this process
    assert costs.cores is not None
    assert 0 < costs.sample < 1e-3
    assert 1e-5 < costs.worker_task < 1.0
    assert 0 < costs.client_byte < 1e-6
    assert costs.base > 10_000_000


def test_without_a_cluster_nothing_is_sent():
    planned = plan(module(), stacked(300), chunk_size=100)
    assert (planned.tasks, planned.sent, planned.wire, planned.workers) == (3, 0, 0, 1)
    assert planned.seconds > 0


def test_samples_are_not_read(tmp_path):
    x, y = arrays(64)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    paths = (str(tmp_path / "x.npy"), str(tmp_path / "y.npy"))
    planned = plan(module(), paths, workers=10, costs=Costs(), chunk_size=16)
    with open(paths[0], "r+b") as file:
        file.seek(-8 * x.size, 2)
        file.write(b"\xff" * 8 * x.size)  # NaN
    assert plan(module(), paths, workers=10, costs=Costs(), chunk_size=16) == planned
    assert planned.tasks == 4
    assert planned.sent == 8 * 18  # parameters alone


def test_more_workers_take_less_time_and_more_copies_of_parameters():
    given = tl.stack_samples(*arrays(4096))
    few, many = (plan(module(), given, workers=n, costs=Costs(sample=1e-2), chunk_size=16) for n in (2, 20))
    assert many.seconds < few.seconds / 5
    assert many.wire - few.wire == (20 - 2) * 8 * 18


def test_a_plan_is_shown_as_a_table():
    shown = str(plan(module(), samples(100), workers=3, costs=Costs(), chunk_size=10))
    assert "tasks               10" in shown
    assert "limited by" in shown
    assert len(shown.splitlines()) == 10


def test_what_is_not_known_before_it_is_read_is_refused():
    with pytest.raises(StructureError, match="nothing can be planned"):
        plan(module(), iter([arrays(4)]), workers=2, costs=Costs())


def test_no_workers_are_refused():
    with pytest.raises(ArgumentError, match="workers"):
        plan(module(), stacked(10), workers=0)
