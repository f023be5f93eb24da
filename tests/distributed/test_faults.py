"""Workers that end, at every step of every kind of task: the same bits, and nothing left behind."""

import logging

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import bits, module, stacked
from tl_arrayapi.distributed import evaluate, loss_and_grads, train_with

pytest.importorskip("distributed")

from tests.distributed.faults import MEMORY, forgets, striking, struck

# What happens to what goes to workers, and to the tasks there, in the order in which it does.
SENT = [("Replica-", "memory"), ("Version-", "memory"), ("Bundle-", "memory")]
WORK = [("tl-losses-", "waiting"), ("tl-losses-", "executing"), ("tl-losses-", "memory"), ("tl-losses-", "released")]
MERGE = [("tl-merge-", "waiting"), ("tl-merge-", "executing"), ("tl-merge-", "memory")]


@pytest.fixture(scope="module")
def started():
    """Give a function that starts two workers, or gives those started before; what was started ends with the tests."""
    from distributed import Client, LocalCluster

    clients = []

    def start():
        if not clients:
            cluster = LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                memory_limit=MEMORY,
                silence_logs=logging.CRITICAL,
            )
            clients.append(Client(cluster, set_as_default=False))
        return clients[0]

    def end():
        while clients:
            client = clients.pop()
            client.close()
            client.cluster.close()

    start.anew = end
    yield start
    end()


@pytest.fixture
def client(started, request):
    """Give a client of two workers, which end in these tests: their nannies replace them, unless they retire."""
    client = started()
    client.wait_for_workers(2, timeout=60)
    yield client
    # At times the scheduler keeps scattered data of a worker that ended; what others left must not disturb the next.
    if forgets(client) or request.node.callspec.params["how"] == "retired":
        started.anew()


def wide_loss(w, x):
    """A loss of so many parameters that gradients are merged on the workers."""
    xp = tl.array_namespace(w, x)
    return (xp.sum(w * w) * 1e-4 - x) ** 2


def wide():
    return tl.ScalarModuleDef(wide_loss, init_params=[np.linspace(-1.0, 1.0, 10_000)]).instantiate(dtype="float64")


def numbers(count):
    return tl.stack_samples(np.random.default_rng(0).normal(size=count))


def check_losses(client):
    """Have losses computed of pieces that the client holds, and compare all that comes of it."""
    found = evaluate(module(), stacked(4000), client, chunk_size=500, losses=True, receipt=True)
    here = evaluate(module(), stacked(4000), losses=True, receipt=True)
    assert (found.mean, found.sum, found.variance, found.count) == (here.mean, here.sum, here.variance, 4000)
    assert bits([found.losses]) == bits([here.losses])
    assert found.receipt == here.receipt
    assert found.record.samples_done == 4000
    return found


def check_gradients(client):
    """Have gradients computed that workers merge, and compare them."""
    loss, grads = loss_and_grads(wide(), numbers(4000), client, chunk_size=200)
    expected, others = loss_and_grads(wide(), numbers(4000))
    assert loss == expected
    assert bits(grads) == bits(others)


def check_training(client):
    """Take some steps, and compare parameters and the optimiser's state."""

    def trained(client):
        m, opt = module(), tl.optim.adam(0.01)
        state = train_with(m, opt, m.init_optim(opt), 4, stacked(200), client, batch_size=64, log=None)
        return bits(m.params), {name: bits(x) for name, x in state.items() if isinstance(x, list)}

    assert trained(client) == trained(None)


def name_of(value):
    return value.strip("-_") if isinstance(value, str) else value.__name__


CRASHES = [("Bundle-", "memory"), ("tl-losses-", "executing")]
TRAINING = [("Version-", "memory"), ("tl-gradients-", "executing")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "prefix", "state", "how"),
    [
        *[(check_losses, *step, how) for step in (*SENT, *WORK) for how in ("killed", "retired")],
        *[(check_gradients, *step, how) for step in MERGE for how in ("killed", "retired")],
        *[(check_losses, *step, how) for step in CRASHES for how in ("crashed", "out of memory")],
        *[(check_training, *step, how) for step in TRAINING for how in ("killed", "retired")],
    ],
    ids=name_of,
)
def test_a_worker_that_ends_at_any_step_changes_no_bit(client, tmp_path, check, prefix, state, how):
    with striking(client, tmp_path / "struck", how, prefix, state):
        check(client)
    struck(tmp_path / "struck")
