"""Clusters: the same bits as in this process, errors that say where, and nothing left behind."""

import asyncio
import os
import signal
import sys
import threading
import types

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import arrays, bits, exact_mean, failing_loss, module, samples, squared_error, stacked
from tl_arrayapi.distributed import evaluate, loss_and_grads, mean_loss, passes, train_with
from tl_arrayapi.distributed.sizing import pieces_together
from tl_arrayapi.errors import ArgumentError, ClusterError, StructureError

pytestmark = pytest.mark.usefixtures("backend")

pytest.importorskip("distributed")

each_number = pytest.mark.parametrize("count", [1, 2, 3])


def points(*values):
    return [(np.asarray(v),) for v in values]


def line(loss=failing_loss):
    return tl.ScalarModuleDef(loss, init_params=[1.0]).instantiate(dtype="float64")


# ---- the same bits
@each_number
def test_the_mean_loss_is_the_same_bits_on_any_number_of_workers(workers, count):
    m = module()
    assert mean_loss(m, stacked(500), workers(count), micro_batch=8) == mean_loss(m, stacked(500))


@each_number
def test_the_fast_mean_loss_is_the_same_bits_on_any_number_of_workers(workers, count):
    m = module()
    assert mean_loss(m, samples(500), workers(count), exact=False, micro_batch=8) == mean_loss(
        m, samples(500), exact=False, micro_batch=8
    )


@each_number
def test_weighted_losses_and_gradients_are_the_same_bits_on_any_number_of_workers(workers, count):
    m, weights = module(init_requires_grad=[True, False]), [float(i % 5) for i in range(400)]
    loss, grads = loss_and_grads(m, stacked(400), workers(count), weights=weights, micro_batch=4)
    expected, others = loss_and_grads(m, stacked(400), weights=weights)
    assert loss == expected
    assert bits(grads) == bits(others)


@each_number
def test_training_gives_the_same_bits_on_any_number_of_workers(workers, count):
    def trained(client):
        m, opt, lines = module(), tl.optim.adamw(0.01), []
        state = train_with(
            m, opt, m.init_optim(opt), 5, stacked(50), client, batch_size=20, micro_batch=4, log=lines.append
        )
        return bits(m.params), bits(state["m"] if "m" in state else state["first"]), lines, m.steps_done

    assert trained(workers(count)) == trained(None)


def test_every_library_gives_the_same_bits_on_a_worker(xp, workers, backend):
    m = tl.ScalarModuleDef(
        lambda w, x, y: tl.array_namespace(w, x, y).sum((tl.array_namespace(w).tanh(x @ w) - y) ** 2),
        init_params=[np.random.default_rng(2).normal(size=(40, 30))],
    ).instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)
    rng = np.random.default_rng(3)
    arrays = [xp.asarray(rng.normal(size=(12, 7, width))) for width in (40, 30)]
    if xp.name == "dask":  # samples are not cut through
        arrays = [x.rechunk({1: -1, 2: -1}) for x in arrays]
    rows = tl.stack_samples(*arrays)
    client = workers(1)
    loss, grads = loss_and_grads(m, rows, client, micro_batch=4)
    expected, others = loss_and_grads(m, rows, micro_batch=4)
    assert loss == expected
    alone = mean_loss(m, rows, client, micro_batch=4)
    assert alone == mean_loss(m, rows, micro_batch=4)
    if backend == "eager":  # the program of the loss alone may add up in another order
        assert alone == loss
    assert bits(map(xp.to_numpy, grads)) == bits(map(xp.to_numpy, others))


def test_products_that_depend_on_the_number_of_threads_give_the_same_bits(workers):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    rows = [tuple(np.random.default_rng(i).normal(size=(2, 300_000))) for i in range(5)]
    m = tl.ScalarModuleDef(lambda w, x, y: w * (x @ y), init_params=[1.0]).instantiate(dtype="float64")
    with threadpoolctl.threadpool_limits(1):
        single = [float(m.forward(row)) for row in rows]
    # A worker of Dask has one thread; let this process have several.
    with threadpoolctl.threadpool_limits(2):
        if [float(m.forward(row)) for row in rows] == single:
            pytest.skip("here the number of threads changes no product")
        assert mean_loss(m, rows) == mean_loss(m, rows, workers(1)) == exact_mean(single)


def test_a_dask_module_computes_within_its_task(workers):
    dask_array = pytest.importorskip("dask.array")

    def loss(w, x):
        import dask

        # The sum of 1 where a task computes for itself, and of 0 where it would hand tasks to its own cluster.
        return w * x * float(dask.config.get("scheduler", None) == "synchronous")

    m = tl.ScalarModuleDef(loss, init_params=[1.0]).instantiate(xp=dask_array, dtype="float64")
    assert mean_loss(m, [(dask_array.asarray(np.asarray(1.0)),)], workers(1)) == 1.0


def test_how_parameters_lie_in_memory_changes_no_bit(workers):
    m, n = module(), module()
    n.set_params([np.asfortranarray(p) for p in m.params])
    expected = mean_loss(m, samples(40))
    assert mean_loss(n, samples(40)) == expected
    assert mean_loss(n, samples(40), workers(1)) == expected


def test_threads_of_one_worker_give_the_same_bits(threads):
    m = module()
    assert mean_loss(m, stacked(300), threads, micro_batch=8) == mean_loss(m, stacked(300))


def test_an_address_and_a_cluster_do_as_well_as_a_client(workers):
    client, m = workers(1), module()
    expected = mean_loss(m, samples(9))
    assert mean_loss(m, samples(9), client.scheduler.address) == expected
    assert mean_loss(m, samples(9), client.cluster) == expected


def test_a_lambda_that_closes_over_values_is_sent(workers):
    factor = 3.0
    assert mean_loss(line(lambda w, x: factor * w * x), points(1.0, 2.0), workers(1)) == 4.5


def test_a_worker_steps_nothing_in_this_process(threads):
    m = module()
    before = bits(m.params)
    mean_loss(m, samples(9), threads)
    assert bits(m.params) == before


# ---- what travels
class Noted:
    """A loss that notes in a file each time a process loads it."""

    def __init__(self, path):
        self.path = path

    def __call__(self, w, x):
        return w * x

    def __setstate__(self, state):
        self.__dict__.update(state)
        with open(self.path, "a") as file:
            print(os.getpid(), file=file)


def test_a_module_is_loaded_once_on_each_worker(workers, tmp_path):
    client = workers(2)
    mean_loss(line(Noted(str(tmp_path / "loads"))), points(*range(40)), client, micro_batch=1)
    loads = (tmp_path / "loads").read_text().split()
    assert len(loads) == len(set(loads)) <= 2


def test_parameters_do_not_travel_in_the_task_graph(workers):
    # Dask warns of a graph above 10 MB, and a warning is an error here.
    m = tl.ScalarModuleDef(lambda w, x: tl.array_namespace(w, x).sum(w) * x, init_params=[np.ones(2_000_000)])
    assert mean_loss(m.instantiate(dtype="float64"), points(1.0, 2.0), workers(1), micro_batch=1) == 3_000_000.0


def test_samples_do_not_travel_in_the_task_graph(workers):
    m = tl.ScalarModuleDef(lambda w, x: tl.array_namespace(w, x).sum(x) * w, init_params=[1.0])
    rows = [(np.ones(2_000_000),)] * 2
    assert mean_loss(m.instantiate(dtype="float64"), rows, workers(1), micro_batch=1) == 2_000_000.0


def test_progress_ends_with_all_samples(workers):
    seen = []
    mean_loss(
        module(), stacked(300), workers(2), micro_batch=8, chunk_size=8, progress=lambda *counts: seen.append(counts)
    )
    assert seen[-1] == (300, 300)
    assert seen == sorted(seen)
    assert len(seen) == 38


@pytest.fixture
def quick(monkeypatch):
    """Have pieces put together as if they took little time, on a machine that is busy as well."""
    monkeypatch.setattr(passes, "pieces_together", lambda seconds, *more: pieces_together(1e-4, *more))


@pytest.mark.usefixtures("quick")
def test_pieces_that_take_little_time_are_put_together(workers):
    client, seen = workers(2), []
    found = evaluate(module(), stacked(300), client, micro_batch=8, progress=lambda *counts: seen.append(counts))
    assert sum(worker.pieces for worker in found.record.workers.values()) == 38
    assert found.record.tasks < 20
    assert (len(seen), seen[-1]) == (found.record.tasks, (300, 300))
    assert found.mean == mean_loss(module(), stacked(300), micro_batch=8)


@pytest.mark.usefixtures("quick")
def test_blocks_are_put_together_where_they_are(workers):
    import dask.array as da
    from distributed import wait

    client = workers(2)
    held = client.persist([da.from_array(x, chunks=(8, -1)) for x in arrays(300)])
    with client.as_current():
        wait(held)
    found = evaluate(module(), held, client, micro_batch=2)
    assert sum(worker.pieces for worker in found.record.workers.values()) == 38
    assert found.record.tasks < 30
    assert found.mean == mean_loss(module(), stacked(300), micro_batch=2)


@pytest.mark.usefixtures("quick")
@pytest.mark.eager("the loss branches on its data")
def test_pieces_of_a_task_that_fails_are_sent_one_by_one(workers):
    rows = points(*([1.0] * 100 + [-5.0] + [1.0] * 100))
    found = evaluate(line(), rows, workers(2), micro_batch=8, bad="skip")
    assert [(skipped.number, skipped.samples) for skipped in found.skipped] == [(12, 8)]
    assert (found.count, found.record.resent > 1) == (193, True)
    with pytest.raises(ClusterError, match=r"chunk 12 \(samples 96 to 103\).*no loss for -5"):
        mean_loss(line(), rows, workers(2), micro_batch=8)


# ---- errors
@pytest.mark.eager("the loss branches on its data")
def test_an_error_of_the_loss_names_the_chunk_and_keeps_the_cause(workers, left_behind):
    rows = points(*([1.0] * 100 + [-5.0] + [1.0] * 100))
    with pytest.raises(ClusterError, match=r"chunk 12 \(samples 96 to 103\).*no loss for -5") as caught:
        mean_loss(line(), rows, workers(2), micro_batch=8)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "This was sample 100." in caught.value.__cause__.__notes__
    assert left_behind(workers(2)) == 0


@pytest.mark.eager("the loss branches on its data")
def test_an_error_in_training_keeps_the_last_whole_step(workers, left_behind):
    rows, opt = points(1.0, 2.0, -3.0), tl.optim.sgd(0.01)
    m, n = line(), line()
    good = [float(x) for (column,) in tl.minibatches(rows, 1, 0, 0) for x in column].index(-3.0)
    with pytest.raises(ClusterError, match="no loss for -3"):
        train_with(m, opt, m.init_optim(opt), 3, rows, workers(1), batch_size=1, log=None)
    train_with(n, opt, n.init_optim(opt), good, rows, batch_size=1, log=None)
    assert bits(m.params) == bits(n.params)
    assert left_behind(workers(1)) == 0


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_an_interrupt_leaves_no_tasks_behind(workers, left_behind, kind):
    def interrupt(done, total):
        raise kind

    with pytest.raises(kind):
        mean_loss(module(), stacked(2000), workers(2), micro_batch=8, progress=interrupt)
    assert left_behind(workers(2)) == 0


def test_work_that_is_done_leaves_no_tasks_behind(workers, left_behind):
    loss_and_grads(module(), stacked(300), workers(2), micro_batch=4)
    assert left_behind(workers(2)) == 0


def test_a_loss_that_cannot_be_pickled_is_refused_by_name(workers):
    lock = threading.Lock()

    def guarded(w, x):
        with lock:
            return w * x

    with pytest.raises(ClusterError, match=r"guarded.*cannot be sent.*lock"):
        mean_loss(line(guarded), points(1.0), workers(1))


def test_a_loss_from_a_module_that_workers_lack_is_named(workers, monkeypatch):
    client, only_here = workers(1), types.ModuleType("only_here")
    exec("def loss(w, x):\n    return w * x\n", only_here.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", only_here)
    with pytest.raises(ClusterError, match=r"cannot load the module with the loss 'loss'.*only_here"):
        mean_loss(line(only_here.loss), points(1.0), client)


def test_an_address_where_nobody_listens_is_refused():
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "200ms"}),
        pytest.raises(ClusterError, match="does not answer"),
    ):
        mean_loss(module(), samples(3), "tcp://127.0.0.1:9")


def test_a_cluster_without_workers_is_refused():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, timeout="200ms", set_as_default=False) as client,
        pytest.raises(ClusterError, match="no workers"),
    ):
        mean_loss(module(), samples(3), client)


def test_an_asynchronous_client_is_refused(workers):
    from distributed import Client

    async def ask():
        async with Client(workers(1).scheduler.address, asynchronous=True, set_as_default=False) as client:
            with pytest.raises(ArgumentError, match="asynchronous"):
                mean_loss(module(), samples(3), client)

    asyncio.run(ask())


def test_a_closed_client_is_refused(workers):
    from distributed import Client

    with Client(workers(1).scheduler.address, set_as_default=False) as client:
        pass
    with pytest.raises(ClusterError, match="the client is closed"):
        mean_loss(module(), samples(3), client)


def test_samples_are_refused_before_a_cluster_is_asked():
    with pytest.raises(StructureError, match="no samples"):
        mean_loss(module(), [], "tcp://127.0.0.1:9")


@pytest.fixture
def unlike(monkeypatch):
    """Give a client of two workers that say different things of themselves."""
    from distributed import Client, get_worker

    from tl_arrayapi.distributed.replica import Replica

    monkeypatch.setattr(Replica, "fingerprint", property(lambda self: f"BLAS of {get_worker().name}"))
    with Client(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", set_as_default=False
    ) as two:
        yield two


def test_workers_that_differ_are_named_and_refused(unlike):
    with pytest.raises(ClusterError, match=r"BLAS of 0.*BLAS of 1|BLAS of 1.*BLAS of 0"):
        mean_loss(module(), stacked(100), unlike, micro_batch=8)


def test_workers_that_differ_are_warned_of_where_bits_do_not_matter(unlike):
    with pytest.warns(UserWarning, match="may give different bits"):
        found = mean_loss(module(), stacked(100), unlike, micro_batch=8, exact=False)
    assert found == mean_loss(module(), stacked(100), micro_batch=8, exact=False)


# ---- faults
def test_a_scheduler_that_goes_is_an_error_and_not_a_wait(tmp_path):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster, timeout="500ms", set_as_default=False) as client,
        pytest.raises(ClusterError),
    ):
        mean_loss(module(), stacked(2000), client, micro_batch=8, progress=lambda done, total: cluster.close())


class KillsOnce:
    """The squared error, but for the first process that meets the sample: it is killed."""

    def __init__(self, path, sample):
        self.path = path
        self.sample = sample

    def __call__(self, w, b, x, y):
        if np.asarray(tl.stop_gradient(x) if hasattr(x, "tape") else x).tobytes() == self.sample:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return squared_error(w, b, x, y)


@pytest.mark.eager("the loss branches on its data")
def test_a_killed_worker_changes_no_bit(tmp_path):
    from distributed import Client, LocalCluster

    rows, marker = samples(300), tmp_path / "killed"
    m = module(KillsOnce(str(marker), rows[250][0].tobytes()))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        found = mean_loss(m, rows, client, micro_batch=2)
    assert marker.exists()
    assert found == mean_loss(module(), rows)


def test_what_is_no_address_of_a_scheduler_is_refused():
    module = tl.ScalarModule.create(lambda w, x: w * x, [1.0])
    with pytest.raises(tl.errors.ArgumentError, match="tcp://"):
        tl.distributed.mean_loss(module, [module.asarrays((1.0,))], "nonsense")


def test_an_address_with_tls_asks_for_a_client_with_certificates():
    with pytest.raises(ArgumentError, match=r"TLS.*Security"):
        mean_loss(module(), samples(3), "tls://127.0.0.1:9")
