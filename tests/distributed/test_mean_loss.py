"""The mean loss in this process: what it is, what it does not depend on, and what it refuses."""

import dataclasses
import math
import threading

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import bits, exact_mean, failing_loss, module, samples, stacked
from tl_arrayapi.distributed import mean_loss
from tl_arrayapi.errors import ArgumentError, ShapeError, StructureError, TLError

pytestmark = pytest.mark.usefixtures("backend")


def losses(m, rows):
    # As the loss is written: a program of one forward may add up in another order.
    written = m.definition.instantiate_with(None, dataclasses.replace(m.options, backend="eager"))
    return [float(written.forward(row)) for row in rows]


def line(values=(2.0,)):
    """A module whose loss is w x."""
    return tl.ScalarModuleDef(lambda w, x: w * x, init_params=list(values), input_shapes=[()]).instantiate(
        dtype="float64"
    )


def points(*values):
    return [(np.asarray(v),) for v in values]


def test_it_is_the_exact_mean_of_the_forwards():
    m, rows = module(), samples(101)
    assert mean_loss(m, rows) == exact_mean(losses(m, rows))


def test_it_is_the_mean_on_every_library(xp):
    definition = tl.ScalarModuleDef(
        lambda w, x, label: tl.array_namespace(w, x).sum(w * x) * 0.5, init_params=[[1.0, -2.0, 4.0]]
    )
    m = definition.instantiate(xp=xp.namespace, dtype=xp.real, device=xp.device)
    x = np.arange(30.0).reshape(10, 3)
    column = xp.asarray(x).rechunk({1: -1}) if xp.name == "dask" else xp.asarray(x)  # samples are not cut through
    found = mean_loss(m, tl.stack_samples(column, xp.asarray(np.arange(10))))
    # Small integers: no library rounds.
    assert found == float(np.mean(x @ [1.0, -2.0, 4.0]) * 0.5)
    assert found == mean_loss(m, [(xp.asarray(row), xp.asarray(np.asarray(i))) for i, row in enumerate(x)])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_narrow_losses_are_added_up_exactly(dtype):
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[1.0]).instantiate(dtype=dtype)
    rows = [(np.asarray(x, dtype=dtype),) for x in np.linspace(-1000, 60000, 1001)]
    assert mean_loss(m, rows) == exact_mean(losses(m, rows))


def test_a_list_and_stacked_arrays_give_the_same_bits():
    assert mean_loss(module(), samples(70)) == mean_loss(module(), stacked(70))


@pytest.mark.parametrize("micro_batch", [1, 7, 64, 1000])
def test_the_micro_batch_changes_no_bit(micro_batch):
    assert mean_loss(module(), stacked(70), micro_batch=micro_batch) == mean_loss(module(), stacked(70))


def test_the_order_of_the_samples_changes_no_bit():
    rows = samples(70)
    assert mean_loss(module(), rows[::-1]) == mean_loss(module(), rows)


def test_how_samples_lie_in_memory_changes_no_bit():
    rows = samples(40)
    scattered = [tuple(np.asfortranarray(np.repeat(x, 3))[::3] for x in row) for row in rows]
    assert mean_loss(module(), scattered) == mean_loss(module(), rows)
    x, y = (np.stack(column) for column in zip(*rows, strict=True))
    assert mean_loss(module(), tl.stack_samples(np.asfortranarray(x), y)) == mean_loss(module(), rows)


def test_weights_multiply_losses_exactly():
    m, rows = module(), samples(50)
    weights = np.random.default_rng(3).uniform(0.1, 9.0, 50).tolist()
    assert mean_loss(m, rows, weights=weights) == exact_mean(losses(m, rows), weights)


@pytest.mark.parametrize("kind", [tuple, np.asarray, lambda w: np.asarray(w, dtype="int32")])
def test_weights_may_be_any_sequence_of_numbers(kind):
    assert mean_loss(line(), points(1.0, 5.0), weights=kind([3, 1])) == 4.0


def test_weights_may_be_an_array_of_any_library(xp):
    assert mean_loss(line(), points(1.0, 5.0), weights=xp.asarray([3.0, 1.0])) == 4.0


def test_a_sample_of_weight_zero_is_left_out_whatever_its_loss():
    assert mean_loss(line(), points(1.0, math.nan, 5.0), weights=[3.0, 0.0, 1.0]) == 4.0


@pytest.mark.parametrize("exact", [True, False])
def test_stacked_samples_of_weight_zero_are_left_out(exact):
    m, weights = module(), [float(i % 3) for i in range(70)]
    kept = [i for i in range(70) if i % 3]
    x, y = stacked(70).arrays
    expected = mean_loss(m, tl.stack_samples(x[kept], y[kept]), weights=[weights[i] for i in kept], exact=exact)
    assert mean_loss(m, stacked(70), weights=weights, exact=exact) == expected


@pytest.mark.parametrize("size", [1, 2, 64, 65, 200])
def test_the_fast_mean_is_close_and_does_not_depend_on_a_power_of_two(size):
    m, rows = module(), samples(size)
    found = mean_loss(m, rows, exact=False)
    assert math.isclose(found, mean_loss(m, rows), rel_tol=1e-12)
    assert all(mean_loss(m, rows, exact=False, micro_batch=2**k) == found for k in (3, 5, 8))
    # One at a time, each is a forward.
    assert math.isclose(mean_loss(m, rows, exact=False, micro_batch=1), found, rel_tol=1e-12)


@pytest.mark.parametrize(("values", "mean"), [((1.0, math.inf), math.inf), ((1.0, -math.inf), -math.inf)])
def test_an_infinite_loss_makes_the_mean_infinite(values, mean):
    assert mean_loss(line(), points(*values)) == mean


def test_a_loss_that_is_nan_makes_the_mean_nan():
    assert math.isnan(mean_loss(line(), points(1.0, math.nan, 2.0)))


def test_it_changes_nothing():
    m = module()
    before, done = bits(m.params), m.steps_done
    mean_loss(m, samples(10))
    assert (bits(m.params), m.steps_done) == (before, done)


def test_the_module_method_is_the_same_call():
    m, rows = module(), samples(9)
    assert m.mean_loss(rows, weights=range(9)) == mean_loss(m, rows, weights=range(9))


def test_progress_counts_samples_up_to_all():
    seen = []
    mean_loss(module(), stacked(150), micro_batch=64, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, 150), (128, 150), (150, 150)]


def test_threads_may_ask_at_the_same_time():
    m, rows, found = module(), samples(40), []
    running = [threading.Thread(target=lambda: found.append(mean_loss(m, rows))) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert found == [mean_loss(m, rows)] * 4


# ---- refusals
class Counted:
    """A loss that counts its runs."""

    def __init__(self):
        self.runs = 0

    def __call__(self, w, b, x, y):
        self.runs += 1
        return tl.array_namespace(w, x).sum(w) * 1.0


x, y = np.zeros(5), np.zeros(3)


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        ([], StructureError, "no samples"),
        (None, StructureError, "samples"),
        ((row for row in samples(3)), StructureError, "samples"),
        (np.zeros((3, 5)), StructureError, "stack_samples"),
        ([x, x], StructureError, "sample 0 is a ndarray"),
        ([(x, y), (x, y), (x,)], StructureError, "sample 2"),
        ([(x, y), (x[:4], y)], ShapeError, "sample 1 of 2: input 0"),
        ([(x, y), (x, y[None])], ShapeError, "sample 1 of 2: input 1"),
        ([(x, y), (x.astype("float32"), y)], TLError, "sample 1 of 2: input 0"),
        ([(x, y), (x.tolist(), y)], TLError, "sample 1 of 2: input 0"),
        (tl.stack_samples(np.zeros((4, 6)), np.zeros((4, 3))), ShapeError, "input 0"),
    ],
)
def test_samples_that_cannot_be_right_are_refused_before_anything_runs(rows, error, said):
    loss = Counted()
    m = module(loss, input_shapes=[(5,), (3,)])
    with pytest.raises(error, match=said):
        mean_loss(m, rows)
    assert loss.runs == 0


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([(x, y), (x,)], StructureError),
        ([(x, y), (x, y[None])], ShapeError),
        ([(x, y), (x, y.astype("int64"))], ShapeError),
    ],
)
def test_ragged_samples_are_refused_where_the_module_says_nothing_of_shapes(rows, error):
    loss = Counted()
    with pytest.raises(error, match="sample 1"):
        mean_loss(module(loss), rows)
    assert loss.runs == 0


@pytest.mark.parametrize(
    ("weights", "error", "said"),
    [
        ([1.0], StructureError, "1 weights for 3 samples"),
        ([1.0] * 4, StructureError, "4 weights for 3 samples"),
        (np.ones((3, 1)), ArgumentError, r"weights\[0\]"),
        (2.0, StructureError, "float"),
        ("abc", StructureError, "str"),
        ([1.0, -1.0, 1.0], ArgumentError, r"weights\[1\]"),
        ([1.0, 1.0, math.nan], ArgumentError, r"weights\[2\]"),
        ([1.0, math.inf, 1.0], ArgumentError, r"weights\[1\]"),
        ([1.0, "1", 1.0], ArgumentError, r"weights\[1\]"),
        ([True, 1.0, 1.0], ArgumentError, r"weights\[0\]"),
        ([0.0, 0.0, 0.0], ArgumentError, "add up to 0"),
        ([1e308, 1e308, 1e308], ArgumentError, "more than float64 holds"),
    ],
)
def test_weights_that_cannot_be_right_are_refused_before_anything_runs(weights, error, said):
    loss = Counted()
    with pytest.raises(error, match=said):
        mean_loss(module(loss), samples(3), weights=weights)
    assert loss.runs == 0


@pytest.mark.parametrize("micro_batch", [0, -1, 1.5, True, None])
def test_a_micro_batch_of_no_samples_is_refused(micro_batch):
    with pytest.raises(ArgumentError, match="micro_batch"):
        mean_loss(module(), samples(3), micro_batch=micro_batch)


@pytest.mark.eager("the loss branches on its data")
def test_an_error_of_the_loss_says_which_sample_it_was():
    m = tl.ScalarModuleDef(failing_loss, init_params=[1.0]).instantiate(dtype="float64")
    with pytest.raises(ZeroDivisionError) as caught:
        mean_loss(m, points(1.0, 2.0, -3.0))
    assert caught.value.__notes__ == ["This was sample 2."]


def test_a_client_that_is_none_of_the_kinds_is_refused():
    with pytest.raises(StructureError, match="client is a int"):
        mean_loss(module(), samples(3), client=3)


def test_a_run_writes_a_report_with_its_mean(tmp_path):
    found = mean_loss(module(), samples(20), report=tmp_path / "run.html")
    assert repr(found) in (tmp_path / "run.html").read_text()


def test_a_run_that_fails_writes_a_report_without_a_mean(tmp_path):
    with pytest.raises(ArgumentError, match="no loss is wanted"):
        mean_loss(line(), [(np.asarray(1.0),)], report=tmp_path / "run.html", progress=refuse)
    assert "mean loss" not in (tmp_path / "run.html").read_text()


def refuse(done, total):
    raise ArgumentError("no loss is wanted")
