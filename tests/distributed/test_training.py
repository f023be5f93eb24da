"""Gradients over samples, and training on mini-batches, in this process."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import arrays, bits, failing_loss, module, samples, stacked
from tl_arrayapi.distributed import loss_and_grads, mean_loss, train_with
from tl_arrayapi.errors import ArgumentError, CheckpointError, ClusterError, ShapeError, StructureError, TLError
from tl_arrayapi.train import shuffled

pytestmark = pytest.mark.usefixtures("backend")


def by_hand(m, rows, weights=None):
    grads = [m.loss_and_grads(row)[1] for row in rows]
    scales = np.ones(len(rows)) if weights is None else np.asarray(weights)
    return [np.tensordot(scales / scales.sum(), np.stack(column), 1) for column in zip(*grads, strict=True)]


def close(got, expected, tolerance=1e-12):
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance * np.abs(e).max())


def points(*values):
    return [(np.asarray(v),) for v in values]


# ---- loss_and_grads
def test_gradients_are_the_mean_of_the_samples_gradients():
    m, rows = module(), samples(70)
    loss, grads = loss_and_grads(m, rows)
    assert loss == mean_loss(m, rows)
    close(grads, by_hand(m, rows))


def test_weighted_gradients_are_the_weighted_mean():
    m, rows, weights = module(), samples(30), [float(i % 4) for i in range(30)]
    loss, grads = loss_and_grads(m, rows, weights=weights)
    assert loss == mean_loss(m, rows, weights=weights)
    close(grads, by_hand(m, rows, weights))


def test_gradients_are_arrays_of_the_library(xp):
    m = tl.ScalarModuleDef(lambda w, x: tl.array_namespace(w, x).sum(w * w * x), init_params=[[1.0, 2.0]]).instantiate(
        xp=xp.namespace, dtype=xp.real, device=xp.device
    )
    _, grads = loss_and_grads(m, [(xp.asarray([1.0, 2.0]),), (xp.asarray([3.0, 4.0]),)])
    assert type(grads[0]) is type(m.params[0])
    assert grads[0].dtype == m.params[0].dtype
    np.testing.assert_array_equal(xp.to_numpy(grads[0]), [4.0, 12.0])


@pytest.mark.parametrize("micro_batch", [1, 2, 16, 512])
def test_a_power_of_two_for_the_micro_batch_changes_no_bit(micro_batch):
    m = module()
    assert bits(loss_and_grads(m, stacked(77), micro_batch=micro_batch)[1]) == bits(loss_and_grads(m, stacked(77))[1])


def test_a_frozen_parameter_has_gradient_zero():
    m = module(init_requires_grad=[False, True])
    _, grads = loss_and_grads(m, samples(5))
    assert not grads[0].any()
    assert grads[0].shape == m.params[0].shape
    close(grads[1:], by_hand(m, samples(5))[1:])


def test_all_parameters_may_be_frozen():
    m = module(init_requires_grad=[False, False])
    loss, grads = loss_and_grads(m, samples(5))
    assert loss == mean_loss(m, samples(5))
    assert not any(g.any() for g in grads)


def test_gradients_in_half_precision_are_added_up_in_single():
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[1.0]).instantiate(dtype="float16")
    # In half precision the sum overflows at 65,504, and long before that loses the ones.
    rows = [(np.asarray(1.0, dtype="float16"),)] * 4000 + [(np.asarray(60000.0, dtype="float16"),)] * 2
    _, grads = loss_and_grads(m, rows)
    assert grads[0].dtype == np.float16
    assert grads[0] == np.float16(124000 / 4002)


def test_loss_and_grads_changes_nothing():
    m = module()
    before = bits(m.params)
    loss_and_grads(m, samples(5))
    assert bits(m.params) == before


# ---- train_with
def test_a_step_on_all_samples_is_a_step_on_the_mean_gradient():
    m, opt, rows = module(), tl.optim.sgd(0.125), samples(6)
    expected = [p - 0.125 * g for p, g in zip(m.params, by_hand(m, rows), strict=True)]
    train_with(m, opt, m.init_optim(opt), 1, rows, batch_size=6, log=None)
    close(m.params, expected)
    assert m.steps_done == 1


def test_batches_are_those_of_minibatches_epoch_after_epoch():
    m, opt = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[0.0]).instantiate(dtype="float64"), tl.optim.sgd(1.0)
    rows, state, seen = points(*np.arange(1.0, 6.0)), m.init_optim(opt), []
    for i in range(6):
        before = float(m.params[0])
        state = train_with(m, opt, state, 1, rows, batch_size=2, seed=7, start=i, log=None)
        seen.append(before - float(m.params[0]))
    batches = [x for epoch in (0, 1) for (x,) in tl.minibatches(rows, 2, 7, epoch)]
    np.testing.assert_allclose(seen, [np.mean(x) for x in batches], rtol=1e-14)


def test_going_on_from_a_step_is_the_same_as_not_stopping():
    whole, halves, opt = module(), module(), tl.optim.adam(0.01)
    train_with(whole, opt, whole.init_optim(opt), 11, stacked(23), batch_size=4, log=None)
    state = train_with(halves, opt, halves.init_optim(opt), 4, stacked(23), batch_size=4, log=None)
    train_with(halves, opt, state, 7, stacked(23), batch_size=4, start=4, log=None)
    assert bits(halves.params) == bits(whole.params)


def test_the_seed_is_the_modules_unless_given():
    def trained(own, **more):
        m = module().definition.instantiate_with(None, tl.Options(dtype="float64", seed=own))
        opt = tl.optim.sgd(0.01)
        train_with(m, opt, m.init_optim(opt), 3, samples(9), batch_size=2, log=None, **more)
        return bits(m.params)

    assert trained(5) == trained(0, seed=5) != trained(0)


@pytest.mark.parametrize("micro_batch", [1, 4, 64])
def test_the_size_of_tasks_changes_no_bit_of_training(micro_batch):
    def trained(**more):
        m, opt = module(), tl.optim.adamw(0.01)
        train_with(m, opt, m.init_optim(opt), 5, stacked(40), batch_size=20, log=None, **more)
        return bits(m.params)

    assert trained(micro_batch=micro_batch) == trained()


def test_a_list_and_stacked_arrays_train_alike():
    m, n, opt = module(), module(), tl.optim.adam(0.01)
    train_with(m, opt, m.init_optim(opt), 4, samples(9), batch_size=4, log=None)
    train_with(n, opt, n.init_optim(opt), 4, stacked(9), batch_size=4, log=None)
    assert bits(m.params) == bits(n.params)


def test_a_frozen_parameter_keeps_its_bits_in_training():
    m, opt = module(init_requires_grad=[False, True]), tl.optim.adamw(0.1, weight_decay=0.5)
    before = bits(m.params)
    train_with(m, opt, m.init_optim(opt), 3, samples(9), batch_size=4, log=None)
    after = bits(m.params)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_it_trains_on_every_library(xp):
    m = tl.ScalarModuleDef(
        lambda w, x, y: tl.array_namespace(w, x).sum((w * x - y) ** 2), init_params=[[0.0, 0.0]]
    ).instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)
    opt = tl.optim.momentum(0.125)
    rows = tl.stack_samples(xp.asarray([[1.0, 1.0]] * 3), xp.asarray([[2.0, -4.0]] * 3))
    state = train_with(m, opt, m.init_optim(opt), 2, rows, batch_size=2, log=None)
    # By hand: gradients -4 and 8, then -3 and 6 with 0.9 of the first ones.
    np.testing.assert_allclose(xp.to_numpy(m.params[0]), [1.325, -2.65], rtol=1e-6)
    assert state["step"] == 2


def test_a_step_on_a_lazy_library_does_not_grow_with_the_steps():
    da = pytest.importorskip("dask.array")
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[0.5]).instantiate(xp=da, dtype="float64")
    opt, rows, sizes = tl.optim.adam(0.1), [(da.asarray(np.asarray(2.0)),)] * 2, []
    state = m.init_optim(opt)
    for i in range(4):
        state = train_with(m, opt, state, 1, rows, batch_size=2, start=i, log=None)
        arrays = [*m.params, *(x for slot in state.values() if isinstance(slot, list) for x in slot)]
        sizes.append(sum(len(x.__dask_graph__()) for x in arrays))
    assert len(set(sizes)) == 1


def test_losses_are_logged_with_the_number_of_their_step():
    m, opt, lines = module(), tl.optim.sgd(0.0), []
    train_with(m, opt, m.init_optim(opt), 5, samples(4), batch_size=4, start=10, log_every=2, log=lines.append)
    mean = mean_loss(m, samples(4))
    assert lines == [f"step {i}: loss={mean:.6g}" for i in (10, 12, 14)]


@pytest.mark.eager("the loss branches on its data")
def test_a_failing_step_leaves_what_the_last_whole_step_made():
    definition = tl.ScalarModuleDef(failing_loss, init_params=[1.0])
    m, n, opt = definition.instantiate(dtype="float64"), definition.instantiate(dtype="float64"), tl.optim.sgd(0.01)
    rows = points(1.0, 2.0, 3.0, -4.0)
    order = [float(x) for (column,) in tl.minibatches(rows, 1, 0, 0) for x in column]
    good = order.index(-4.0)
    with pytest.raises(ZeroDivisionError):
        train_with(m, opt, m.init_optim(opt), 4, rows, batch_size=1, log=None)
    train_with(n, opt, n.init_optim(opt), good, rows, batch_size=1, log=None)
    assert bits(m.params) == bits(n.params)
    assert m.steps_done == good


# ---- how a mini-batch is cut
@pytest.mark.parametrize("block", [1, 4, 16])
def test_a_block_of_any_size_takes_the_step_on_the_mean_gradient(block):
    m, opt, rows = module(), tl.optim.sgd(0.125), samples(21)
    expected = [p - 0.125 * g for p, g in zip(m.params, by_hand(m, rows), strict=True)]
    train_with(m, opt, m.init_optim(opt), 1, rows, batch_size=21, block=block, log=None)
    close(m.params, expected)


def test_batches_that_are_accumulated_are_one_larger_batch():
    m, n, opt, lines = module(), module(), tl.optim.adam(0.01), ([], [])
    train_with(m, opt, m.init_optim(opt), 5, stacked(48), batch_size=4, accumulate=3, block=16, log=lines[0].append)
    train_with(n, opt, n.init_optim(opt), 5, stacked(48), batch_size=12, block=16, log=lines[1].append)
    assert bits(m.params) == bits(n.params)
    assert lines[0] == lines[1]


def test_accumulation_goes_on_from_a_step():
    whole, halves, opt = module(), module(), tl.optim.adam(0.01)
    more = {"batch_size": 4, "accumulate": 2, "log": None}
    train_with(whole, opt, whole.init_optim(opt), 7, stacked(23), **more)
    state = train_with(halves, opt, halves.init_optim(opt), 3, stacked(23), **more)
    train_with(halves, opt, state, 4, stacked(23), start=3, **more)
    assert bits(halves.params) == bits(whole.params)


def test_every_kind_of_source_trains_alike(tmp_path):
    da = pytest.importorskip("dask.array")
    x, y = arrays(60)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)

    def trained(rows):
        m, opt = module(), tl.optim.adam(0.01)
        train_with(m, opt, m.init_optim(opt), 5, rows, batch_size=25, log=None)
        return bits(m.params)

    expected = trained(stacked(60))
    assert trained((str(tmp_path / "x.npy"), str(tmp_path / "y.npy"))) == expected
    assert trained((da.from_array(x, chunks=(37, -1)), da.from_array(y, chunks=(37, -1)))) == expected


def test_samples_of_several_shapes_train():
    m = tl.ScalarModuleDef(lambda w, x: tl.array_namespace(w, x).sum((w * x) ** 2), init_params=[3.0]).instantiate(
        dtype="float64"
    )
    rng = np.random.default_rng(3)
    rows, opt = [(rng.normal(size=n % 5 + 1),) for n in range(40)], tl.optim.sgd(0.01)
    expected = [p - 0.01 * g for p, g in zip(m.params, by_hand(m, rows), strict=True)]
    train_with(m, opt, m.init_optim(opt), 1, rows, batch_size=40, log=None)
    close(m.params, expected)


def test_samples_that_come_once_are_refused():
    m, opt = module(), tl.optim.sgd(0.1)
    with pytest.raises(StructureError, match="any order"):
        train_with(m, opt, m.init_optim(opt), 1, iter([arrays(4)]), batch_size=2, log=None)


class Failing:
    """Samples of which one cannot be had."""

    def __init__(self, rows, bad):
        self.rows, self.bad, self.checked = rows, bad, False

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, place):
        if self.checked and place == self.bad:
            raise OSError(f"no sample {place}")
        return self.rows[place]


def test_a_sample_that_cannot_be_had_ends_training_before_its_own_step():
    m, n, opt = module(), module(), tl.optim.adam(0.01)
    rows = Failing(samples(12), shuffled(12, 0, 0)[9])

    def log(line):
        rows.checked = True

    with pytest.raises(OSError, match="no sample"):
        train_with(m, opt, m.init_optim(opt), 6, rows, batch_size=2, log=log)
    assert 1 <= m.steps_done <= 4
    train_with(n, opt, n.init_optim(opt), m.steps_done, samples(12), batch_size=2, log=None)
    assert bits(m.params) == bits(n.params)


def test_training_ends_where_its_time_is_up():
    m, opt = module(), tl.optim.sgd(0.0)
    with pytest.raises(ClusterError, match="timeout"):
        train_with(m, opt, m.init_optim(opt), 10**9, stacked(8), batch_size=8, timeout=0.2, log=None)
    assert m.steps_done > 0


# ---- checkpoints
class Stopped(Exception):
    """Whatever ends a run."""


def stopping_at(step):
    def log(line):
        if line.startswith(f"step {step}:"):
            raise Stopped

    return log


@pytest.mark.parametrize("every", [1, 3, None])
def test_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, every):
    def run(m, log, **more):
        opt = tl.optim.adamw(0.01)
        arguments = {"batch_size": 4, "accumulate": 2, "seed": 3, **more}
        return train_with(m, opt, m.init_optim(opt), 9, stacked(23), log=log, **arguments)

    whole, stopped, again = module(), module(), module()
    state = run(whole, None)
    saved = {"checkpoint": tmp_path / "run.safetensors", "checkpoint_every": every, "resume": True}
    with pytest.raises(Stopped):
        run(stopped, stopping_at(5), **saved)
    assert (tmp_path / "run.safetensors").exists() == (every is not None)
    steps = []
    ended = run(again, steps.append, **saved)
    assert len(steps) == {1: 3, 3: 3, None: 9}[every]
    assert bits(again.params) == bits(whole.params)
    assert again.steps_done == whole.steps_done
    assert {k: bits(v) if isinstance(v, list) else v for k, v in ended.items()} == {
        k: bits(v) if isinstance(v, list) else v for k, v in state.items()
    }


def test_the_last_step_is_saved_and_a_run_that_is_done_takes_no_more(tmp_path):
    path, opt, m, n = tmp_path / "run", tl.optim.adam(0.01), module(), module()
    more = {"batch_size": 4, "checkpoint": path, "resume": True, "log": None}
    train_with(m, opt, m.init_optim(opt), 3, stacked(9), **more)
    train_with(n, opt, n.init_optim(opt), 3, stacked(9), **more)
    assert bits(m.params) == bits(n.params)
    train_with(n, opt, n.init_optim(opt), 5, stacked(9), **more)
    assert n.steps_done == 5


def test_a_checkpoint_of_other_arguments_is_refused_by_name_and_changes_nothing(tmp_path):
    path, opt, m = tmp_path / "run", tl.optim.adam(0.01), module()
    train_with(m, opt, m.init_optim(opt), 3, stacked(9), batch_size=4, checkpoint=path, log=None)
    before = bits(m.params)
    for more, said in (
        ({"batch_size": 5}, "batch_size 4 and not 5"),
        ({"seed": 1}, "seed 0 and not 1"),
        ({"block": 32}, "block 16 and not 32"),
        ({"steps": 2}, "after step 3"),
        ({"samples": stacked(8)}, "samples 9 and not 8"),
    ):
        arguments = {"samples": stacked(9), "steps": 5, "batch_size": 4, **more}
        with pytest.raises(CheckpointError, match=said):
            train_with(m, opt, m.init_optim(opt), checkpoint=path, resume=True, log=None, **arguments)
        assert bits(m.params) == before


def test_a_checkpoint_is_written_anew_unless_it_is_to_be_gone_on_with(tmp_path):
    path, opt, m, n = tmp_path / "run", tl.optim.adam(0.01), module(), module()
    for each in (m, n):
        train_with(each, opt, each.init_optim(opt), 3, stacked(9), batch_size=4, checkpoint=path, log=None)
    assert m.steps_done == n.steps_done == 3
    assert bits(m.params) == bits(n.params)


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"accumulate": 0}, ArgumentError, "accumulate"),
        ({"block": 0}, ArgumentError, "block"),
        ({"timeout": 0}, ArgumentError, "timeout"),
        ({"resume": True}, ArgumentError, "checkpoint"),
        ({"checkpoint_every": 2}, ArgumentError, "checkpoint"),
        ({"checkpoint": "run", "checkpoint_every": 0}, ArgumentError, "checkpoint_every"),
        ({"batch_size": 0}, ArgumentError, "batch_size"),
        ({"batch_size": 2.0}, ArgumentError, "batch_size"),
        ({"steps": -1}, ArgumentError, "steps"),
        ({"start": -1}, ArgumentError, "start"),
        ({"micro_batch": 0}, ArgumentError, "micro_batch"),
        ({"log_every": 0}, ArgumentError, "log_every"),
        ({"seed": -1}, TLError, "seed"),
        ({"samples": []}, StructureError, "no samples"),
        ({"samples": [], "steps": 0}, StructureError, "no samples"),
        ({"samples": [(np.zeros(5), np.zeros(3)), (np.zeros(5),)]}, StructureError, "sample 1"),
        ({"state": {"step": 0, "first": []}}, StructureError, "state"),
        ({"state": None}, StructureError, "state"),
    ],
)
def test_arguments_that_cannot_be_right_are_refused_and_change_nothing(more, error, said):
    m, opt = module(), tl.optim.adam(0.1)
    before = bits(m.params)
    arguments = {"state": m.init_optim(opt), "steps": 2, "samples": samples(4), "batch_size": 2, "log": None} | more
    with pytest.raises(error, match=said):
        train_with(m, opt, **arguments)
    assert bits(m.params) == before
    assert m.steps_done == 0


def test_a_state_of_another_module_is_refused_and_changes_nothing():
    m, opt = module(), tl.optim.adam(0.1)
    other = tl.ScalarModuleDef(lambda w: w * w, init_params=[1.0]).instantiate(dtype="float64")
    before = bits(m.params)
    with pytest.raises((ShapeError, StructureError)):
        train_with(m, opt, other.init_optim(opt), 2, samples(4), batch_size=2, log=None)
    assert bits(m.params) == before
