"""A simulated run takes what its parts take, and says which of them it waits for."""

import pytest

from tl_arrayapi.distributed.costs import Costs, Work
from tl_arrayapi.distributed.simulate import simulate
from tl_arrayapi.errors import ArgumentError

FREE = Costs(
    client_task=0.0,
    scheduler_task=0.0,
    worker_task=0.0,
    latency=0.0,
    client_byte=0.0,
    scheduler_byte=0.0,
    worker_byte=0.0,
    sample=1e-3,
    setup=0.0,
    start=0.0,
)


def with_costs(**costs):
    return Costs(**{**vars(FREE), **costs})


def test_one_worker_takes_the_sum_of_its_samples():
    assert simulate(Work(1000, 64), FREE, 1).seconds == pytest.approx(1.0)


def test_workers_take_turns_on_whole_pieces():
    found = simulate(Work(1000, 100), FREE, 4)
    assert found.seconds == pytest.approx(0.3)  # ten pieces: three rounds
    assert found.workers == pytest.approx(1.0 / 0.3 / 4)


def test_what_comes_before_a_piece_delays_it_once():
    delayed = with_costs(client_task=0.01, scheduler_task=0.02, latency=0.04, worker_task=0.03, start=1.0, setup=0.5)
    # The latency is half there, half back; a worker makes itself ready while its piece is on its way.
    assert simulate(Work(1, 1), delayed, 1).seconds == pytest.approx(
        1.0 + max(0.5, 0.005 + 0.01 + 0.02) + 0.03 + 0.001 + 0.02 + 0.01 + 0.005
    )


def test_pieces_wait_for_a_slow_scheduler():
    found = simulate(Work(1000, 1), with_costs(scheduler_task=0.01), 100)
    assert found.seconds == pytest.approx(10.0, rel=0.01)
    assert found.limit == "the scheduler"


def test_pieces_wait_for_a_client_that_sends_much():
    found = simulate(Work(1000, 10, sent=1e6), with_costs(client_byte=1e-8), 100)
    assert found.seconds == pytest.approx(10.0, rel=0.02)
    assert found.limit == "the client"


def test_workers_on_shared_cores_take_the_time_of_the_cores():
    two, eight = (simulate(Work(10_000, 100), with_costs(cores=2), workers) for workers in (2, 8))
    assert two.seconds == pytest.approx(5.0, rel=0.02)
    assert eight.seconds == pytest.approx(5.0, rel=0.05)
    assert eight.limit == "the processor's cores"


def test_a_client_that_shares_cores_is_not_kept_from_them_by_long_pieces():
    found = simulate(Work(10_000, 1000), with_costs(cores=1, client_task=1e-3), 4)
    assert found.seconds == pytest.approx(10.0 + 10 * 1e-3, rel=0.01)


def test_parameters_take_rounds_that_double_their_copies():
    found = simulate(Work(1, 1, parameters=10**9), with_costs(peer_byte=1e-9), 8)
    assert found.seconds == pytest.approx(3.0, rel=0.01)
    assert found.limit == "parameters on their way"


def test_large_results_are_merged_on_the_workers():
    plain = simulate(Work(64, 1), FREE, 64)
    merged = simulate(Work(64, 1, result=10**8, merged=8), with_costs(peer_byte=1e-9), 64)
    # Two levels, in each of which a worker gets seven others' results.
    assert merged.seconds - plain.seconds == pytest.approx(2 * 0.7)


def test_results_left_over_are_merged_at_the_end():
    merged = simulate(Work(9, 1, result=10**8, merged=8), with_costs(peer_byte=1e-9), 9)
    assert merged.seconds == pytest.approx(1e-3 + 0.7 + 0.1)


def test_too_few_pieces_are_told():
    assert simulate(Work(3, 1), FREE, 100).limit == "too few pieces"


def test_the_same_numbers_give_the_same_run():
    work, costs = Work(10**6, 1000, sent=10.0), Costs(cores=2, together=True)
    assert simulate(work, costs, 4) == simulate(work, costs, 4)


def test_a_thousand_workers_and_a_billion_samples_can_be_played_through():
    found = simulate(Work(10**9, 100_000), Costs(), 1000)
    assert found.seconds > 10**9 * Costs().sample / 1000


def test_no_workers_are_refused():
    with pytest.raises(ArgumentError, match="0 workers"):
        simulate(Work(1, 1), FREE, 0)
