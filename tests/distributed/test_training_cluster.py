"""Gradients and training on clusters: the bits of this process, data sent ahead, and nothing left behind."""

import os
import signal

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import arrays, bits, module, stacked
from tl_arrayapi.distributed import loss_and_grads, train_with
from tl_arrayapi.distributed.gradients import Gradients
from tl_arrayapi.distributed.runner import Terms, connected
from tl_arrayapi.distributed.samples import open_samples
from tl_arrayapi.errors import ClusterError

pytest.importorskip("distributed")

WIDE = 300


def wide_loss(w, v, x, y):
    xp = tl.array_namespace(w, v, x, y)
    return (xp.tanh(x @ w) @ v - y) ** 2


def wide(dtype="float64"):
    """Return a module whose parameters and samples are too large to travel with a task."""
    rng = np.random.default_rng(5)
    values = [rng.normal(size=(WIDE, 40)) / 17, rng.normal(size=40)]
    return tl.ScalarModuleDef(wide_loss, init_params=values).instantiate(dtype=dtype)


def wide_samples(count, dtype="float64"):
    rng = np.random.default_rng(6)
    return tl.stack_samples(rng.normal(size=(count, WIDE)).astype(dtype), rng.normal(size=count).astype(dtype))


def trained(m, client, rows, steps=3, **more):
    opt, lines = tl.optim.adamw(0.01), []
    arguments = {"batch_size": 50, "log": lines.append, **more}
    state = train_with(m, opt, m.init_optim(opt), steps, rows, client, **arguments)
    return bits(m.params), [bits(x) for x in state.values() if isinstance(x, list)], lines


@pytest.mark.parametrize(("count", "dtype"), [(1, "float64"), (2, "float32"), (2, "float64"), (3, "float64")])
def test_large_parameters_and_samples_train_to_the_same_bits_on_any_number_of_workers(workers, count, dtype):
    rows = wide_samples(120, dtype)
    assert trained(wide(dtype), workers(count), rows) == trained(wide(dtype), None, rows)


@pytest.mark.parametrize(("count", "chunk_size"), [(2, None), (2, 100), (3, 32)])
def test_large_gradients_are_merged_to_the_same_bits(workers, count, chunk_size):
    m, rows, weights = wide(), wide_samples(500), [float(i % 3) for i in range(500)]
    loss, grads = loss_and_grads(m, rows, workers(count), weights=weights, block=16, chunk_size=chunk_size)
    expected, others = loss_and_grads(m, rows, weights=weights, block=16)
    assert loss == expected
    assert bits(grads) == bits(others)


def test_accumulation_blocks_and_small_tasks_give_the_same_bits_on_workers(workers):
    for more in ({"accumulate": 3}, {"block": 4, "micro_batch": 1}, {"block": 1, "batch_size": 7}):
        assert trained(module(), workers(2), stacked(90), **more) == trained(module(), None, stacked(90), **more)


def test_a_loss_with_a_key_draws_the_same_on_workers(workers):
    def loss(w, x, *, key):
        xp = tl.array_namespace(w, x)
        kept = tl.random.bernoulli(key, 0.5, x.shape) if key is not None else xp.ones_like(x, dtype=xp.bool)
        return xp.sum(xp.where(kept, w * x, xp.zeros_like(x)) ** 2)

    def made():
        return tl.ScalarModuleDef(loss, init_params=[np.arange(1.0, 6.0)]).instantiate(dtype="float64")

    rows = tl.stack_samples(arrays(60)[0])
    assert trained(made(), workers(2), rows) == trained(made(), None, rows)


def test_samples_of_several_shapes_train_to_the_same_bits_on_workers(workers):
    def made():
        return tl.ScalarModuleDef(
            lambda w, x: tl.array_namespace(w, x).sum((w * x) ** 2), init_params=[1.0]
        ).instantiate(dtype="float64")

    rng = np.random.default_rng(3)
    rows = [(rng.normal(size=n % 5 + 1),) for n in range(90)]
    assert trained(made(), workers(2), rows) == trained(made(), None, rows)


def test_dask_arrays_train_to_the_same_bits(workers):
    da = pytest.importorskip("dask.array")
    x, y = arrays(90)
    chunked = (da.from_array(x, chunks=(40, -1)), da.from_array(y, chunks=(40, -1)))
    assert trained(module(), workers(2), chunked) == trained(module(), None, stacked(90))


def test_training_goes_on_elsewhere_from_a_checkpoint(workers, tmp_path):
    path, whole = tmp_path / "run", trained(wide(), None, wide_samples(120), steps=6)
    trained(wide(), workers(2), wide_samples(120), steps=3, checkpoint=path)
    params, state, lines = trained(wide(), workers(3), wide_samples(120), steps=6, checkpoint=path, resume=True)
    assert (params, state) == whole[:2]
    assert lines == whole[2][3:]


def test_training_leaves_no_tasks_behind(workers, left_behind):
    trained(wide(), workers(2), wide_samples(120))
    assert left_behind(workers(2)) == 0


def test_training_that_ends_early_leaves_no_samples_behind(workers, left_behind):
    def log(line):
        raise KeyboardInterrupt

    m = wide()
    with pytest.raises(KeyboardInterrupt):
        trained(m, workers(2), wide_samples(120), log=log)
    assert m.steps_done == 1
    assert left_behind(workers(2)) == 0


def test_a_failing_step_leaves_no_samples_behind(workers, left_behind):
    def loss(w, x):
        xp = tl.array_namespace(w, x)
        return xp.sum(xp.reshape(w * x, (7, -1)))

    m = tl.ScalarModuleDef(loss, init_params=[1.0]).instantiate(dtype="float64")
    with pytest.raises(ClusterError, match="chunk"):
        trained(m, workers(2), tl.stack_samples(np.ones((100, WIDE))))
    assert m.steps_done == 0
    assert left_behind(workers(2)) == 0


def test_pieces_sent_ahead_are_not_sent_again(workers):
    m, client = wide(), workers(2)
    job = Gradients.of(m, 16)
    with connected(client) as runner:
        source, sent, fresh = open_samples(m, wide_samples(64), None, 16, 32, aligned=True), Terms(), Terms()
        ahead = runner.ahead(source)
        loss, grads = runner.total(job, m, ahead, sent).mean()
        again, others = runner.total(job, m, source, fresh).mean()
    assert loss == again
    assert bits(grads) == bits(others)
    samples = 64 * (WIDE + 1) * 8
    # The loss, a few thousand bytes, went with the first.
    assert sent.record.sent + samples // 2 < fresh.record.sent


@pytest.mark.slow
def test_samples_sent_ahead_to_a_worker_that_is_killed_are_sent_again():
    distributed = pytest.importorskip("distributed")
    rows, expected = wide_samples(120), trained(wide(), None, wide_samples(120), steps=6)
    killed = []
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):

        def log(line):
            lines.append(line)
            if line.startswith("step 1:"):
                # The next batch is on its way, or there: both workers have parts of it.
                (pid, *_) = client.run(os.getpid).values()
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

        lines = []
        params, state, _ = trained(wide(), client, rows, steps=6, log=log)
    assert killed
    assert (params, state, lines) == expected
