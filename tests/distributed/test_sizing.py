"""Pieces are as large as costs, memory and workers let them be, and there are enough under way."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_arrayapi.distributed.costs import Costs, Work
from tl_arrayapi.distributed.sizing import chunk_samples, fan_in, window_pieces

COSTS = Costs()


@given(
    total=st.one_of(st.none(), st.integers(1, 10**12)),
    sample_bytes=st.floats(0, 1e9),
    workers=st.integers(1, 2000),
    micro_batch=st.integers(1, 1000),
    sample_seconds=st.one_of(st.none(), st.floats(1e-9, 1e4)),
)
def test_a_piece_is_whole_micro_batches_by_a_power_of_two(total, sample_bytes, workers, micro_batch, sample_seconds):
    size = chunk_samples(
        total, sample_bytes, workers=workers, micro_batch=micro_batch, sample_seconds=sample_seconds, memory=10**9
    )
    times, rest = divmod(size, micro_batch)
    assert rest == 0
    assert times & (times - 1) == 0


def test_a_piece_is_a_sixteenth_of_a_workers_memory_at_most():
    small = chunk_samples(10**9, 1000.0, workers=2, sample_seconds=1e-7, memory=160_000_000)
    assert small * 1000 <= 10_000_000
    assert small < chunk_samples(10**9, 1000.0, workers=2, sample_seconds=1e-7)


def test_a_micro_batch_is_never_cut_however_little_memory_there_is():
    assert chunk_samples(10**6, 1e6, workers=2, micro_batch=64, memory=10**6) == 64


def test_slow_losses_have_small_pieces():
    assert chunk_samples(10**6, 100.0, workers=2, micro_batch=1, sample_seconds=20.0) == 1
    assert chunk_samples(10**6, 100.0, workers=2, micro_batch=1, sample_seconds=1.0) <= 10


def test_pieces_are_longer_where_a_thousand_workers_wait_for_one_scheduler():
    few = chunk_samples(10**9, 8.0, workers=10, sample_seconds=1e-6)
    many = chunk_samples(10**9, 8.0, workers=1000, sample_seconds=1e-6)
    assert many > few
    # The scheduler then keeps up: a worker is at work for longer than all others take to get a piece.
    assert 10**9 / many * COSTS.interval <= 10**9 * 1e-6 / 1000 * 2


def test_every_worker_has_a_piece_where_the_work_is_worth_it():
    assert Work(10_000, chunk_samples(10_000, 8.0, workers=8, sample_seconds=1e-2)).pieces >= 8


def test_four_pieces_a_thread_are_under_way_and_sixteen_at_least():
    assert [window_pieces(threads) for threads in (1, 4, 5, 1000)] == [16, 16, 20, 4000]


def test_large_pieces_keep_the_window_small_and_no_thread_without():
    assert window_pieces(2, 64 << 20) == 4
    assert window_pieces(10, 1 << 30) == 11


def test_small_results_are_merged_by_many_and_large_ones_by_pairs():
    assert fan_in(100_000, 100.0) > fan_in(64, 1e9) == 2


def test_a_scheduler_that_is_the_client_takes_the_time_of_both():
    apart = Costs(client_task=1e-3, scheduler_task=1e-3)
    assert apart.interval == pytest.approx(1e-3)
    assert replace(apart, together=True).interval == pytest.approx(2e-3)


def test_merging_tasks_are_counted():
    assert Work(samples=640, chunk=10, merged=8).tasks == 64 + 8 + 1
    assert Work(samples=641, chunk=10, merged=1).tasks == 65
