"""Gradients in blocks: the same bits for every chunking, kind of source and order of merging, weights of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tl_arrayapi as tl
from tests.distributed.problems import arrays, bits, failing_loss, module, samples, stacked
from tl_arrayapi.distributed import loss_and_grads, mean_loss
from tl_arrayapi.distributed.gradients import Gradients, block_size
from tl_arrayapi.distributed.samples import open_samples
from tl_arrayapi.errors import ArgumentError, StructureError

pytestmark = pytest.mark.usefixtures("backend")

WEIGHTS = [float(i % 4) for i in range(150)]


def found(m, rows, **more):
    loss, grads = loss_and_grads(m, rows, **more)
    return loss, bits(grads)


def one_by_one(m, rows, weights):
    grads = [m.loss_and_grads(row)[1] for row in rows]
    scales = np.asarray(weights) / np.sum(weights)
    return [np.tensordot(scales, np.stack(column), 1) for column in zip(*grads, strict=True)]


def near(got, expected, tolerance=1e-12):
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance * np.abs(e).max())


# ---- what changes no bit
@pytest.mark.parametrize("chunk_size", [1, 3, 16, 17, 64, 1000])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_chunks_of_any_size_change_no_bit(chunk_size, weights):
    m, rows = module(), stacked(150)
    expected = found(m, rows, weights=weights, block=16)
    assert found(m, rows, weights=weights, block=16, chunk_size=chunk_size) == expected


def test_every_kind_of_source_gives_the_same_bits(tmp_path):
    da = pytest.importorskip("dask.array")
    x, y = arrays(150)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    m = module()
    expected = found(m, stacked(150), block=16, weights=WEIGHTS)
    for rows in (
        samples(150),
        (str(tmp_path / "x.npy"), str(tmp_path / "y.npy")),
        (da.from_array(x, chunks=(37, -1)), da.from_array(y, chunks=((1, 100, 49), -1))),
        ((x[low : low + 7], y[low : low + 7]) for low in range(0, 150, 7)),
    ):
        assert found(m, rows, block=16, weights=WEIGHTS) == expected


@settings(max_examples=20)
@given(order=st.permutations(range(10)), split=st.integers(0, 10), size=st.sampled_from([16, 32]))
def test_sums_merge_in_any_order_to_the_same_bits(order, split, size):
    m, rows, job = module(), stacked(150), Gradients(block=16, large=True)
    pieces = list(open_samples(m, rows, WEIGHTS, 16, size, aligned=True))
    values = [job(m, piece.load(), number) for number, piece in enumerate(pieces)]
    places = [i for i in order if i < len(values)]

    def merged(these):
        total = None
        for i in these:
            total = values[i] if total is None else total.merge(values[i])
        return total

    halves = [half for these in (places[:split], places[split:]) if (half := merged(these)) is not None]
    total = halves[0] if len(halves) == 1 else halves[0].merge(halves[1])
    loss, grads = merged(range(len(values))).mean()
    again, others = total.mean()
    assert loss == again
    assert bits(grads) == bits(others)


def test_a_merge_leaves_what_it_merges_as_it_was():
    m, job = module(), Gradients(block=16, large=True)
    first, second = (
        job(m, piece.load(), number)
        for number, piece in enumerate(open_samples(m, stacked(32), None, 16, 16, aligned=True))
    )
    before = bits(first.mean()[1]), bits(second.mean()[1])
    assert bits(first.merge(second).mean()[1]) == bits(second.merge(first).mean()[1])
    assert (bits(first.mean()[1]), bits(second.mean()[1])) == before


def test_how_samples_lie_in_memory_changes_no_bit():
    x, y = arrays(100)
    other = tl.stack_samples(np.asfortranarray(x), np.repeat(y, 2, axis=1)[:, ::2])
    assert found(module(), other) == found(module(), stacked(100))


def test_the_loss_is_that_of_the_mean_loss_whatever_the_block_and_the_micro_batch():
    m, rows = module(), stacked(150)
    for block, micro_batch in ((16, 64), (150, 7), (1, 32), (64, 1)):
        loss, _ = loss_and_grads(m, rows, weights=WEIGHTS, block=block, micro_batch=micro_batch)
        assert loss == mean_loss(m, rows, weights=WEIGHTS, micro_batch=micro_batch)


# ---- what is right
@pytest.mark.parametrize("block", [1, 7, 16, 64, 1000])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_a_block_of_any_size_gives_the_mean_gradient(block, weights):
    m = module()
    _, grads = loss_and_grads(m, stacked(150), weights=weights, block=block)
    near(grads, one_by_one(m, samples(150), np.ones(150) if weights is None else weights))


@pytest.mark.parametrize("scale", [1e-300, 1e300 / 150, 2.0**-1040])
def test_weights_may_be_of_any_size(scale):
    m = module(dtype="float32")
    x, y = (a.astype("float32") for a in arrays(150))
    weights = np.asarray(WEIGHTS) * scale
    _, grads = loss_and_grads(m, tl.stack_samples(x, y), weights=weights)
    _, expected = loss_and_grads(m, tl.stack_samples(x, y), weights=WEIGHTS)
    near(grads, expected, 1e-6)


def test_weights_that_differ_by_more_than_the_dtype_holds_count_as_they_should():
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[1.0]).instantiate()
    rows = tl.stack_samples(np.arange(1.0, 9.0, dtype="float32"))
    _, (grad,) = loss_and_grads(m, rows, weights=[1e200, 1e-200, 1e-200, 1e-200, 0, 1e200, 1e-200, 1.0], block=2)
    assert grad == 3.5


def test_samples_of_weight_0_are_left_out_whatever_is_in_them():
    def loss(w, x):
        xp = tl.array_namespace(w, x)
        return xp.log(w * x)

    m = tl.ScalarModuleDef(loss, init_params=[2.0]).instantiate(dtype="float64")
    x = np.arange(-3.0, 17.0)
    _, (grad,) = loss_and_grads(m, tl.stack_samples(x), weights=(x > 0).astype(float), block=4)
    np.testing.assert_allclose(grad, 0.5, rtol=1e-15)


def test_samples_of_several_shapes_have_the_mean_gradient_in_chunks_of_any_size():
    m = tl.ScalarModuleDef(lambda w, x: tl.array_namespace(w, x).sum((w * x) ** 2), init_params=[3.0]).instantiate(
        dtype="float64"
    )
    rng = np.random.default_rng(3)
    rows = [(rng.normal(size=n % 5 + 1),) for n in range(40)]
    loss, grads = loss_and_grads(m, rows, weights=WEIGHTS[:40])
    near(grads, one_by_one(m, rows, WEIGHTS[:40]))
    assert found(m, rows, weights=WEIGHTS[:40], chunk_size=3, block=4) == found(
        m, rows, weights=WEIGHTS[:40], chunk_size=11, block=4
    )
    assert loss == mean_loss(m, rows, weights=WEIGHTS[:40])


@pytest.mark.eager("the loss branches on its data")
def test_a_loss_that_cannot_be_mapped_is_run_one_by_one_with_the_same_bits_for_any_chunks():
    m = tl.ScalarModuleDef(failing_loss, init_params=[1.5]).instantiate(dtype="float64")
    rows = tl.stack_samples(np.random.default_rng(4).uniform(size=70))
    expected = found(m, rows, block=8)
    assert found(m, rows, block=8, chunk_size=8) == found(m, rows, block=8, chunk_size=33) == expected
    near(loss_and_grads(m, rows)[1], one_by_one(m, [rows[i] for i in range(70)], np.ones(70)))


def test_gradients_that_are_equal_are_added_up_apart():
    m = tl.ScalarModuleDef(lambda a, b, x: a * x + b * x, init_params=[1.0, 2.0]).instantiate(dtype="float64")
    _, grads = loss_and_grads(m, tl.stack_samples(np.arange(100.0)), block=4)
    assert [float(g) for g in grads] == [49.5, 49.5]


def test_sums_of_blocks_that_are_not_finite_are_in_the_gradient_and_warn_of_nothing():
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[1.0]).instantiate(dtype="float64")
    for bad, expected in (
        ([np.inf], np.inf),
        ([np.inf, 0, -np.inf, 0], np.nan),
        ([np.nan], np.nan),
        ([1e308, 0] * 2, np.inf),
    ):
        rows = tl.stack_samples(np.asarray([*bad, *range(20)], dtype="float64"))
        _, (grad,) = loss_and_grads(m, rows, block=2)
        np.testing.assert_equal(float(grad), expected)


def test_partitions_without_places_are_added_up_by_their_number():
    db = pytest.importorskip("dask.bag")
    m, rows = module(), samples(60)
    bag = db.from_sequence(rows, npartitions=5)
    _, grads = loss_and_grads(m, bag, block=4)
    near(grads, one_by_one(m, rows, np.ones(60)))
    assert found(m, bag, block=4) == found(m, bag, block=4)


# ---- what is said
def test_progress_is_told_in_samples():
    told = []
    loss_and_grads(module(), stacked(40), block=16, chunk_size=16, progress=lambda *pair: told.append(pair))
    assert told == [(16, 40), (32, 40), (40, 40)]


@pytest.mark.eager("the loss branches on its data")
def test_an_error_names_its_sample():
    m = tl.ScalarModuleDef(failing_loss, init_params=[1.0]).instantiate(dtype="float64")
    with pytest.raises(ZeroDivisionError) as caught:
        loss_and_grads(m, [(np.asarray(x),) for x in (1.0, 2.0, -3.0, 4.0)])
    assert any("sample 2" in note for note in caught.value.__notes__)


def test_an_error_in_a_block_names_its_samples():
    m = tl.ScalarModuleDef(lambda w, x: w * tl.array_namespace(x).log(x), init_params=[1.0]).instantiate(
        dtype="float64"
    )
    rows = tl.stack_samples(np.asarray([*range(1, 20), -1.0]))
    with pytest.raises(RuntimeWarning, match="invalid value") as caught:  # warnings are errors in tests
        loss_and_grads(m, rows, block=16)
    assert caught.value.__notes__[-1] == "This was one of sample 16 to sample 19."


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"block": 0}, ArgumentError, "block"),
        ({"block": 1.5}, ArgumentError, "block"),
        ({"micro_batch": 0}, ArgumentError, "micro_batch"),
        ({"chunk_size": 0}, ArgumentError, "chunk_size"),
        ({"timeout": 0}, ArgumentError, "timeout"),
        ({"weights": [0.0] * 9}, ArgumentError, "add up to 0"),
        ({"weights": [1.0] * 8}, StructureError, "8 weights"),
    ],
)
def test_arguments_that_cannot_be_right_are_refused(more, error, said):
    with pytest.raises(error, match=said):
        loss_and_grads(module(), stacked(9), **more)


@given(nbytes=st.integers(0, 2**40), most=st.integers(0, 2**20))
def test_a_block_is_a_power_of_two_of_16_to_1024(nbytes, most):
    size = block_size(nbytes, most)
    assert size & (size - 1) == 0
    assert 16 <= size <= 1024
    assert size == 16 or (size <= most and size * nbytes <= 2**21)
