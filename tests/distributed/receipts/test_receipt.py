"""Receipts: equal whatever the chunks, different for every other thing, merged in any order, and checked."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tl_arrayapi as tl
from tests.distributed.problems import arrays, module, samples, squared_error, stacked
from tests.distributed.receipts.making import receipt_of
from tl_arrayapi.distributed.exact import ExactSum
from tl_arrayapi.errors import ReceiptError

COUNT = 150
SAMPLES = samples(COUNT)
WHOLE = receipt_of(SAMPLES)


@given(st.integers(1, 2 * COUNT), st.integers(0, 2**32))
@settings(max_examples=15)
def test_a_receipt_is_the_same_for_any_chunks_in_any_order(size, seed):
    found = receipt_of(SAMPLES, chunk_size=size, order=random.Random(seed))
    assert found == WHOLE
    assert found.parts == WHOLE.parts


def test_a_receipt_is_the_same_for_stacked_samples_and_tuples():
    found = receipt_of(stacked(COUNT))
    assert (found, found.parts) == (WHOLE, WHOLE.parts)


def test_a_receipt_is_the_same_for_samples_in_another_order():
    found = receipt_of([SAMPLES[i] for i in np.random.default_rng(0).permutation(COUNT)])
    assert found == WHOLE
    assert found.parts != WHOLE.parts


def test_a_receipt_says_what_the_mean_is():
    losses = [float(module().forward(x)) for x in SAMPLES]
    assert (WHOLE.count, WHOLE.mean, WHOLE.sum) == (COUNT, ExactSum.of(losses).mean, ExactSum.of(losses))
    assert WHOLE.parameters == module().digest()


def test_weights_of_1_are_no_weights():
    assert receipt_of(SAMPLES, np.ones(COUNT)) == WHOLE


def test_samples_of_weight_0_are_as_if_they_were_not_there():
    weights = [float(i % 3) for i in range(COUNT)]
    kept = [i for i in range(COUNT) if i % 3]
    assert receipt_of(SAMPLES, weights) == receipt_of([SAMPLES[i] for i in kept], [weights[i] for i in kept])


# ---- what makes another receipt
def changed(index, by):
    x, y = (a.copy() for a in arrays(COUNT))
    y[index, 0] = by(y[index, 0])
    return tl.stack_samples(x, y)


def test_another_bit_of_one_sample_is_other_data():
    other = receipt_of(changed(77, lambda v: np.nextafter(v, np.inf)))
    assert other.data != WHOLE.data
    assert [a.data == b.data for a, b in zip(other.parts, WHOLE.parts, strict=True)].count(False) == 1


def test_a_sample_that_is_there_twice_is_other_data():
    assert receipt_of([*SAMPLES, SAMPLES[3]]).data != WHOLE.data


def test_another_weight_is_other_data():
    assert receipt_of(SAMPLES, [2.0] * COUNT).data != WHOLE.data


def test_other_parameters_and_other_code_are_other_receipts():
    moved = module()
    moved.step(1e-3, SAMPLES[0])
    assert receipt_of(SAMPLES, module=moved).parameters != WHOLE.parameters
    assert receipt_of(SAMPLES, module=module(lambda w, b, x, y: squared_error(w, b, x, y) * 1.0)).code != WHOLE.code


# ---- parts
def test_parts_are_at_most_64_runs_of_a_power_of_two():
    for count in (1, 63, 64, 65, 128, 129, COUNT):
        parts = receipt_of(SAMPLES[:count]).parts
        length = 1 if count <= 64 else 2 if count <= 128 else 4
        assert [part.start for part in parts] == list(range(0, count, length))
        assert [part.stop for part in parts] == [min(start + length, count) for start in range(0, count, length)]
        assert sum(part.sum.count for part in parts) == count


def test_a_part_is_what_a_receipt_for_its_samples_is():
    for part in WHOLE.parts[::7]:
        alone = receipt_of(SAMPLES[part.start : part.stop])
        assert (alone.data, alone.sum) == (part.data, part.sum)


# ---- merging
@given(st.lists(st.integers(0, COUNT), max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_receipts_of_disjoint_samples_merge_to_that_of_all(cuts, rng):
    bounds = sorted({0, COUNT, *cuts})
    receipts = [receipt_of(SAMPLES[i:j]) for i, j in pairwise(bounds)]
    rng.shuffle(receipts)
    first, *others = receipts
    for receipt in others:
        first = first.merge(receipt)
    assert first == WHOLE
    assert sum(part.sum.count for part in first.parts) == COUNT


def test_merging_is_commutative():
    left, right = receipt_of(SAMPLES[:50]), receipt_of(SAMPLES[50:])
    assert (left.merge(right), left.merge(right).parts) == (right.merge(left), right.merge(left).parts)


def test_receipts_of_other_parameters_are_not_merged():
    other = receipt_of(
        SAMPLES[50:],
        module=tl.ScalarModule.create(
            squared_error, [np.zeros((5, 3)), np.zeros(3)], options=tl.Options(dtype="float64")
        ),
    )
    with pytest.raises(ReceiptError, match=r"cannot be merged: the parameters differ"):
        WHOLE.merge(other)


def test_a_receipt_is_not_merged_with_itself():
    with pytest.raises(ReceiptError, match="count twice"):
        WHOLE.merge(receipt_of(SAMPLES, chunk_size=3))
