"""Samples, mini-batches and the history."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi.errors import ArgumentError, NamespaceError, PlanError, ShapeError, StructureError
from tl_arrayapi.init.splitmix64 import mix
from tl_arrayapi.train import (
    History,
    StackedSamples,
    count_samples,
    minibatches,
    sample_at,
    shuffled,
    stack_samples,
)

X, Y = np.arange(15.0).reshape(5, 3), np.arange(5, dtype="int64")


def stacked(xp):
    return stack_samples(xp.asarray(X), xp.asarray(Y))


# ---------------------------------------------------------------- stacked samples
def test_a_stacked_sample_is_the_row_of_every_array(xp):
    samples = stacked(xp)
    assert len(samples) == 5
    for i in (0, 4, -1, np.int64(2)):
        x, y = samples[i]
        assert (tuple(x.shape), tuple(y.shape)) == ((3,), ())
        np.testing.assert_array_equal(xp.to_numpy(x), X[i])
        np.testing.assert_array_equal(xp.to_numpy(y), Y[i])


def test_a_sample_holds_arrays_of_the_library_even_where_they_are_0_d(xp):
    kind = type(xp.asarray(0.0))
    assert all(isinstance(part, kind) for part in stacked(xp)[0])


def test_stacked_samples_can_be_iterated_and_sliced(xp):
    samples = stacked(xp)
    assert [int(y) for _, y in samples] == [0, 1, 2, 3, 4]
    assert isinstance(samples[1:4], StackedSamples)
    assert [int(y) for _, y in samples[1:4]] == [1, 2, 3]
    assert [int(y) for _, y in samples[::2]] == [0, 2, 4]


@pytest.mark.parametrize("place", [5, -6])
def test_an_index_past_the_end_ends_the_sequence(place):
    with pytest.raises(IndexError, match=f"sample {place} of 5"):
        stack_samples(X, Y)[place]


@pytest.mark.parametrize(
    ("arrays", "error", "named"),
    [
        ((), StructureError, "no array"),
        ((X, np.asarray(1.0)), ShapeError, "array 1 is 0-d"),
        ((X, Y[:4]), ShapeError, "5, 4 samples"),
        ((X[:0], Y[:0]), ShapeError, "no samples"),
        ((X, [1, 2, 3, 4, 5]), NamespaceError, "list"),
    ],
)
def test_arrays_that_share_no_leading_axis_are_refused(arrays, error, named):
    with pytest.raises(error, match=named):
        stack_samples(*arrays)


def test_stacks_of_two_libraries_are_refused():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(NamespaceError):
        stack_samples(X, strict.asarray(Y))


def test_a_stack_of_unknown_length_is_refused_and_names_the_way_out():
    da = pytest.importorskip("dask.array")
    x = da.from_array(X, chunks=2)
    with pytest.raises(ShapeError, match="compute_chunk_sizes"):
        stack_samples(x[x[:, 0] > 3.0])


# ---------------------------------------------------------------- the order
@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 60))
def test_the_order_sorts_the_indices_by_mixed_numbers(seed, epoch, length):
    low = 2**64 - 1
    key = mix(mix((mix(seed) + epoch) & low))
    assert shuffled(length, seed, epoch) == sorted(range(length), key=lambda i: mix((key + i) & low))


def test_the_order_never_changes():
    # Files and results of users depend on it: these are constants for ever.
    assert shuffled(10, 0, 0) == [0, 7, 4, 9, 2, 1, 6, 8, 5, 3]
    assert shuffled(10, 2**64 - 1, 3) == [0, 8, 6, 7, 9, 4, 3, 5, 1, 2]


def test_orders_of_other_epochs_and_seeds_differ():
    orders = {tuple(shuffled(50, seed, epoch)) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


def test_every_sample_comes_first_about_equally_often():
    counts = np.bincount([shuffled(5, 0, epoch)[0] for epoch in range(2000)], minlength=5)
    # Chi-squared with 4 degrees of freedom exceeds 18.5 once in a thousand.
    assert np.sum((counts - 400) ** 2 / 400) < 18.5


# ---------------------------------------------------------------- mini-batches
def test_batches_are_stacked_arrays_of_the_library_in_the_shuffled_order(xp):
    batches = list(minibatches(stacked(xp), 2, 7, 3))
    assert [tuple(x.shape) for x, _ in batches] == [(2, 3), (2, 3), (1, 3)]
    kind = type(xp.asarray(X))
    assert all(isinstance(part, kind) for batch in batches for part in batch)
    order = shuffled(5, 7, 3)
    np.testing.assert_array_equal(np.concatenate([xp.to_numpy(x) for x, _ in batches]), X[order])
    np.testing.assert_array_equal(np.concatenate([xp.to_numpy(y) for _, y in batches]), Y[order])


def test_tuples_and_stacks_give_the_same_batches(xp):
    stack = stacked(xp)
    tuples = [stack[i] for i in range(5)]
    for ours, theirs in zip(minibatches(tuples, 2, 1, 0), minibatches(stack, 2, 1, 0), strict=True):
        assert isinstance(ours, tuple)
        for x, y in zip(ours, theirs, strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            np.testing.assert_array_equal(xp.to_numpy(x), xp.to_numpy(y))


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 2**64 - 1), st.integers(0, 1000))
def test_an_epoch_holds_each_sample_once(length, size, seed, epoch):
    batches = [batch for (batch,) in minibatches(stack_samples(np.arange(length)), size, seed, epoch)]
    assert sorted(np.concatenate(batches)) == list(range(length))
    assert all(len(batch) == size for batch in batches[:-1])
    assert 1 <= len(batches[-1]) <= size


@pytest.mark.parametrize(
    ("samples", "size", "seed", "epoch", "error", "named"),
    [
        (stack_samples(X), 0, 0, 0, ArgumentError, "size of a mini-batch must be a whole number of at least 1"),
        (stack_samples(X), 2.0, 0, 0, ArgumentError, "size"),
        (stack_samples(X), True, 0, 0, ArgumentError, "size"),
        (stack_samples(X), 1, -1, 0, PlanError, "seed"),
        (stack_samples(X), 1, 2**64, 0, PlanError, "seed"),
        (stack_samples(X), 1, 0, -1, ArgumentError, "epoch"),
        (stack_samples(X), 1, 0, 2**64, ArgumentError, "epoch"),
        ([], 1, 0, 0, StructureError, "no samples"),
        (iter([(X,)]), 1, 0, 0, StructureError, "no length"),
        ({0: (X,)}, 1, 0, 0, StructureError, "dict"),
        (X, 1, 0, 0, StructureError, "stack_samples"),
    ],
)
def test_bad_arguments_are_refused_by_the_call_itself(samples, size, seed, epoch, error, named):
    with pytest.raises(error, match=named):
        minibatches(samples, size, seed, epoch)


@pytest.mark.parametrize(
    ("samples", "error", "named"),
    [
        ([(X, Y), (X,)], StructureError, "sample [01] has [12] arrays"),
        ([(X,), (X[:2],)], ShapeError, "input 0 of sample"),
        ([(X,), X], StructureError, "sample 1 is a ndarray"),
        ([(X,), ("x",)], NamespaceError, "str"),
    ],
)
def test_ragged_samples_are_refused_by_name(samples, error, named):
    with pytest.raises(error, match=named):
        list(minibatches(samples, 2, 0, 0))


# ---------------------------------------------------------------- samples of a step, history
def test_a_step_uses_the_sample_of_its_number_modulo_their_count():
    assert [sample_at([(0,), (1,), (2,)], step) for step in range(5)] == [(0,), (1,), (2,), (0,), (1,)]


def test_a_sample_that_is_no_tuple_is_refused_by_its_place():
    with pytest.raises(StructureError, match="sample 1 is a float"):
        sample_at([(0.0,), 1.0], 3)


def test_samples_are_counted():
    assert count_samples(stack_samples(X)) == 5
    assert count_samples([(X,)]) == 1


def test_a_history_has_columns():
    history = History()
    history.append(0, 1.5)
    history.append(10, math.nan)
    assert history.step == [0, 10]
    assert history.columns == {"step": history.step, "loss": history.loss}
