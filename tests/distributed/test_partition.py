"""Chunks cover the samples once, and the tree's shape depends on the number of values alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_arrayapi.distributed.partition import Tree, chunk_size, fold, spans


def shape(values):
    return fold(lambda left, right: (left, right), values)


def flat(tree):
    return [tree] if not isinstance(tree, tuple) else flat(tree[0]) + flat(tree[1])


def depth(tree):
    return 0 if not isinstance(tree, tuple) else 1 + max(map(depth, tree))


@given(st.integers(1, 300))
def test_the_tree_holds_every_value_once_in_order_and_is_shallow(count):
    tree = shape(range(count))
    assert flat(tree) == list(range(count))
    assert depth(tree) == (count - 1).bit_length()


@given(st.integers(1, 300), st.integers(0, 6), st.integers(0, 3))
def test_merging_runs_of_a_power_of_two_first_gives_the_same_tree(count, run, larger_run):
    values = list(range(count))
    runs = [shape(values[i:j]) for i, j in spans(count, 2**run)]
    rounds = [shape(runs[i:j]) for i, j in spans(len(runs), 2**larger_run)]
    assert shape(rounds) == shape(values)


def test_a_tree_keeps_few_values_while_it_grows():
    tree = Tree(lambda left, right: left + right)
    for _ in range(1000):
        tree.push(1)
        assert len(tree._stack) <= 10
    assert tree.result() == 1000


@given(st.integers(0, 1000), st.integers(1, 70))
def test_spans_cover_every_place_once(count, size):
    found = spans(count, size)
    assert [i for start, stop in found for i in range(start, stop)] == list(range(count))
    assert all(stop - start == size for start, stop in found[:-1])


@given(st.integers(1, 10**12), st.integers(1, 10_000), st.none() | st.integers(1, 10**6), st.integers(1, 1000))
def test_chunks_grow_by_doubling_and_stay_bounded(count, micro_batch, sample_bytes, fewest):
    size = chunk_size(count, micro_batch, sample_bytes, fewest)
    ratio = size // micro_batch
    assert size == micro_batch * ratio
    assert ratio & (ratio - 1) == 0
    if size > micro_batch:
        assert size * (sample_bytes or 0) <= 64 * 2**20
        # Half as large, they would be too many.
        assert -(-count // (size // 2)) > fewest


@pytest.mark.parametrize("count", [1, 64, 64 * 64])
def test_a_small_job_has_chunks_of_one_micro_batch(count):
    assert chunk_size(count, 64) == 64
