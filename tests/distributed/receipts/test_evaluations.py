"""Receipts of evaluations: the same for clusters, chunks and sources, and checked by computing again."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import arrays, module, samples, squared_error, stacked
from tests.distributed.samples.sources import KINDS, make
from tl_arrayapi.distributed import Receipt, evaluate, mean_loss
from tl_arrayapi.errors import ArgumentError, ReceiptError

COUNT = 150
WEIGHTS = np.arange(COUNT) % 3 * 0.5


def receipt(given=None, client=None, of=None, **options):
    options.setdefault("micro_batch", 16)
    return mean_loss(of or module(), stacked(COUNT) if given is None else given, client, receipt=True, **options)[1]


@pytest.fixture(scope="module")
def whole():
    return receipt()


def test_a_mean_comes_with_its_receipt(whole):
    found = evaluate(module(), stacked(COUNT), receipt=True, micro_batch=16)
    assert found.receipt == whole
    assert (whole.mean, whole.count, whole.micro_batch) == (found.mean, COUNT, 16)
    assert whole.code.startswith("program:")
    assert evaluate(module(), stacked(COUNT)).receipt is None


def test_a_receipt_is_for_exact_sums_alone():
    with pytest.raises(ArgumentError, match="exact"):
        receipt(exact=False)


@pytest.mark.parametrize("size", [1, 7, 16, 64, 1000])
def test_chunks_do_not_matter(whole, size):
    found = receipt(chunk_size=size)
    assert (found, found.parts) == (whole, whole.parts)


@pytest.mark.parametrize("size", [13, 50])
def test_workers_do_not_matter(whole, workers, size):
    found = receipt(client=workers(2), chunk_size=size)
    assert (found, found.parts) == (whole, whole.parts)


@pytest.mark.parametrize("kind", KINDS)
def test_sources_do_not_matter(tmp_path, kind):
    given, weigh = make(kind, tmp_path, 40)
    weights = np.arange(40) % 3 * 0.5
    expected = receipt(stacked(40), weights=weights)
    found = receipt(given, weights=weigh(weights))
    assert found == expected
    # Where samples have places, these do not depend on where they come from either.
    assert found.parts in ((), expected.parts)


@pytest.mark.parametrize("kind", ["dask", "bag", "npy"])
def test_sources_read_by_workers_do_not_matter(tmp_path, workers, kind):
    given, _ = make(kind, tmp_path, 40)
    assert receipt(given, workers(2)) == receipt(stacked(40))


# ---- verifying
def test_a_receipt_holds_for_all_its_samples_in_any_order(whole, workers):
    whole.verify(module(), stacked(COUNT))
    whole.verify(module(), samples(COUNT)[::-1])
    whole.verify(module(), stacked(COUNT), workers(2))


def test_a_receipt_holds_for_each_of_its_parts(whole):
    for part in (whole.parts[0], whole.parts[17], whole.parts[-1]):
        whole.verify(module(), stacked(COUNT)[part.start : part.stop])


def test_a_receipt_with_weights_holds_with_these_weights():
    found = receipt(weights=WEIGHTS)
    found.verify(module(), stacked(COUNT), weights=WEIGHTS)
    part = found.parts[5]
    found.verify(module(), stacked(COUNT)[part.start : part.stop], weights=WEIGHTS[part.start : part.stop])
    with pytest.raises(ReceiptError, match="neither the 100 of the receipt nor one of its 38 parts"):
        found.verify(module(), stacked(COUNT))


def test_a_merged_receipt_holds_for_what_was_merged(whole):
    merged = receipt(stacked(COUNT)[:60]).merge(receipt(stacked(COUNT)[60:]))
    assert merged == whole
    merged.verify(module(), stacked(COUNT))
    merged.verify(module(), stacked(COUNT)[60:62])


def test_a_receipt_that_was_kept_holds(whole, tmp_path):
    whole.to_json(tmp_path / "receipt.json")
    kept = Receipt.from_json(tmp_path / "receipt.json")
    assert (kept, kept.parts) == (whole, whole.parts)
    kept.verify(module(), stacked(COUNT))


def test_other_parameters_are_named_before_anything_is_computed(whole):
    calls = []

    def noticed(w, b, x, y):
        calls.append(1)
        return squared_error(w, b, x, y)

    other = module(noticed)
    other.set_params([p + 1 for p in other.params])
    with pytest.raises(ReceiptError, match="the parameters differ"):
        whole.verify(other, stacked(COUNT))
    assert not calls


def test_other_code_is_named(whole):
    with pytest.raises(ReceiptError, match="the code differs"):
        whole.verify(module(lambda w, b, x, y: squared_error(w, b, x, y) * 1.0), stacked(COUNT))


def test_other_data_are_named(whole):
    x, y = arrays(COUNT)
    x[3, 3] += 1
    with pytest.raises(ReceiptError, match="the 150 samples and weights given are neither"):
        whole.verify(module(), tl.stack_samples(x, y))


def test_other_losses_of_the_same_data_are_named(whole):
    changed = Receipt(**{**vars(whole), "sum": whole.sum.merge(whole.sum), "parts": ()})
    with pytest.raises(ReceiptError, match=r"the losses of all samples add up to .* and by the receipt to"):
        changed.verify(module(), stacked(COUNT))


def test_another_environment_is_named(whole):
    changed = Receipt(**{**vars(whole), "environment": "a machine of 1976"})
    with pytest.raises(ReceiptError, match=r"the environment differs .*1976"):
        changed.verify(module(), stacked(COUNT))


# ---- losses that cannot be traced, samples of many shapes
def looking(w, b, x, y):
    return squared_error(w, b, x, y) if float(x[0]) > 0 else squared_error(w, b, -x, y)


def test_a_loss_that_cannot_be_traced_has_a_receipt_of_its_bytecode(workers):
    found = receipt(of=module(looking))
    assert found.code.startswith("bytecode:")
    assert receipt(of=module(looking), client=workers(2), chunk_size=10) == found
    found.verify(module(looking), stacked(COUNT))


def ragged_loss(w, x):
    return w * tl.array_namespace(w, x).sum(x * x)


def test_samples_of_many_shapes_have_a_receipt(workers):
    rng = np.random.default_rng(0)
    ragged = [(rng.normal(size=1 + i % 5),) for i in range(60)]
    of = tl.ScalarModule.create(ragged_loss, [2.0], options=tl.Options(dtype="float64"))
    found = receipt(ragged, of=of)
    assert found.code.startswith("bytecode:")
    for size in (1, 7, 60):
        assert receipt(ragged, of=of, chunk_size=size) == found
    assert receipt(ragged, workers(2), of, chunk_size=7) == found
    found.verify(of, ragged[::-1])
    found.verify(of, ragged[7:8])


def test_samples_that_were_skipped_are_named(tmp_path, workers):
    import dask

    x, y = arrays(40)
    made = dask.delayed(lambda low: (x[low : low + 10], y[low : low + 10] if low != 20 else y[:3]))
    found = receipt([made(low) for low in range(0, 40, 10)], workers(2), bad="skip")
    (skipped,) = found.skipped
    assert skipped.reason.startswith("StructureError: Delayed 2")
    assert found.count == 30
    found.to_json(tmp_path / "receipt.json")
    assert Receipt.from_json(tmp_path / "receipt.json").skipped == found.skipped
    rows = [i for i in range(40) if not 20 <= i < 30]
    assert found == receipt(tl.stack_samples(x[rows], y[rows]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_library_gives_a_receipt(xp, dtype):
    if not xp.has(dtype):
        pytest.skip(f"{xp.name} has no {dtype}")
    options = tl.Options(xp=xp.namespace, dtype=dtype, device=xp.device)
    of = tl.ScalarModule.create(lambda w, x: w * x * x, [2.0], options=options)
    given = tl.stack_samples(of.asarrays([np.arange(1.0, 11.0)])[0])
    found = receipt(given, of=of)
    assert (found.mean, found.count) == (77.0, 10)
    found.verify(of, given)
