"""What may happen to a run besides a worker's end: stragglers, late workers, chunks that kill, a client that dies."""

import functools
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.faults import first, forgets
from tests.distributed.problems import bits, module, stacked
from tests.sources import ROOT
from tl_arrayapi.distributed import evaluate, loss_and_grads, train_with
from tl_arrayapi.errors import ClusterError

pytest.importorskip("distributed")


def loss(w, x):
    return w * x * x


def line(function):
    return tl.ScalarModuleDef(function, init_params=[1.0]).instantiate(dtype="float64")


def points(count):
    return tl.stack_samples(np.random.default_rng(0).normal(size=count))


def fails_once(note, w, x):
    if first(note):
        raise OSError("a hiccup of the disk")
    return loss(w, x)


def waits_once(note, release, w, x):
    """Have the first who comes wait until it is told that all else is done."""
    if first(note):
        deadline = time.monotonic() + 60
        while not os.path.exists(release) and time.monotonic() < deadline:
            time.sleep(0.02)
    return loss(w, x)


def kills(w, x):
    if x == 7.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return loss(w, x)


@pytest.fixture
def own():
    """Give a function that starts workers, which end with the test, and returns their client."""
    from contextlib import ExitStack

    from distributed import Client, LocalCluster

    with ExitStack() as stack:

        def start(count):
            local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
            cluster = stack.enter_context(LocalCluster(n_workers=count, threads_per_worker=1, **local))
            return stack.enter_context(Client(cluster, set_as_default=False))

        yield start


def test_a_task_that_fails_once_is_tried_again(workers, tmp_path):
    faulty = functools.partial(fails_once, str(tmp_path / "failed"))
    found = evaluate(line(faulty), points(40), workers(2), chunk_size=4, micro_batch=1)
    assert (tmp_path / "failed").exists()
    assert found.mean == evaluate(line(loss), points(40), micro_batch=1).mean
    assert not found.skipped


def test_what_a_slow_worker_keeps_is_given_to_another_too(workers, tmp_path):
    slow = functools.partial(waits_once, str(tmp_path / "slow"), str(tmp_path / "release"))
    try:
        found = evaluate(line(slow), points(40), workers(2), chunk_size=4, micro_batch=1, timeout=45)
    finally:
        (tmp_path / "release").touch()
    assert (tmp_path / "slow").exists()
    assert found.record.duplicated >= 1
    assert found.mean == evaluate(line(loss), points(40), micro_batch=1).mean
    assert found.record.samples_done == 40
    assert forgets(workers(2)) == []


@pytest.mark.slow
def test_a_worker_that_joins_late_takes_part(own):
    client = own(1)

    def join(done, total):
        if len(client.scheduler_info()["workers"]) == 1:
            client.cluster.scale(2)
            client.wait_for_workers(2, timeout=30)

    found = evaluate(module(), stacked(20_000), client, chunk_size=64, progress=join)
    assert len(found.record.workers) == 2
    assert found.mean == evaluate(module(), stacked(20_000)).mean


@pytest.mark.slow
def test_a_chunk_that_kills_every_worker_is_an_error_that_names_it(own):
    client = own(2)
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    samples = tl.stack_samples(np.r_[4.0:8.0])
    with pytest.raises(ClusterError, match=r"samples 0 to 3.*workers"):
        evaluate(line(kills), samples, client, chunk_size=4, micro_batch=1)
    assert forgets(client) == []


@pytest.mark.slow
def test_data_whose_last_copy_is_lost_are_an_error_that_names_the_chunk(own):
    import dask

    client = own(2)
    (address, worker), (other, _) = client.run(os.getpid).items()
    values = np.random.default_rng(0).normal(size=50)
    kept = [client.scatter(values, workers=[where], hash=False) for where in (other, address)]
    samples = [dask.delayed(lambda x: (x,))(future) for future in kept]
    os.kill(worker, signal.SIGKILL)
    client.wait_for_workers(2, timeout=30)
    with pytest.raises(ClusterError, match="Delayed 1"):
        evaluate(line(loss), samples, client, timeout=60)


# ---- the client
TRAIN = """
import os, signal, sys
import tests.distributed.test_trouble as trouble

def log(text):
    if text.startswith("step 4:"):
        os.kill(os.getpid(), signal.SIGKILL)

trouble.train(sys.argv[1], sys.argv[2], log)
"""


def train(client, checkpoint, log=None):
    """Take eight steps, from where the checkpoint is; return the parameters and the state."""
    m, opt = module(), tl.optim.momentum(0.01)
    more = {} if checkpoint is None else {"checkpoint": checkpoint, "checkpoint_every": 2, "resume": True}
    state = train_with(m, opt, m.init_optim(opt), 8, stacked(300), client, batch_size=50, log=log, **more)
    return bits(m.params), m.steps_done, [bits(x) for x in state.values() if isinstance(x, list)]


@pytest.mark.slow
def test_a_client_that_is_killed_goes_on_from_its_checkpoint_to_the_same_bits(workers, tmp_path):
    client, checkpoint = workers(2), str(tmp_path / "m.safetensors")
    words = [sys.executable, "-c", TRAIN, client.scheduler.address, checkpoint]
    ended = subprocess.run(words, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert tl.read_checkpoint(checkpoint).step == 4
    assert train(client, checkpoint) == train(None, None)
    assert forgets(client) == []


# ---- chaos
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sys.exit", "segfault"])
def test_chaos_changes_no_bit(own, mode):
    from distributed.chaos import KillWorker

    client = own(3)
    client.cluster.adapt(minimum=3, maximum=3, interval="200 ms")
    before, deadline = set(client.run(os.getpid).values()), time.monotonic() + 30
    expected, loss_and_grads_here = evaluate(module(), stacked(20_000)).mean, loss_and_grads(module(), stacked(5_000))
    client.register_plugin(KillWorker(delay="3 s", mode=mode))
    now = before
    while now == before and time.monotonic() < deadline:
        assert evaluate(module(), stacked(20_000), client, chunk_size=250).mean == expected
        loss, grads = loss_and_grads(module(), stacked(5_000), client, chunk_size=250)
        assert (loss, bits(grads)) == (loss_and_grads_here[0], bits(loss_and_grads_here[1]))
        now = now & set(client.run(os.getpid, on_error="ignore").values())
    assert now < before


def test_notes_of_faults_are_left_once(tmp_path: Path):
    assert first(str(tmp_path / "note"))
    assert not first(str(tmp_path / "note"))
