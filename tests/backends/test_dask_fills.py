"""Dask's fills: each chunk is filled where it is computed, from its own place, by one thread."""

import math

import numpy as np
import pytest

from tl_arrayapi import init

da = pytest.importorskip("dask.array")

from tl_arrayapi.backends.numpy import threads  # noqa: E402  (after importorskip)

pytestmark = pytest.mark.parametrize("xp", ["dask"], indirect=True)


@pytest.fixture
def scheduler(xp):
    """Compute nothing but what a test asks for."""
    dask = pytest.importorskip("dask")
    with dask.config.set(scheduler="synchronous"):
        yield


def test_a_part_of_a_vast_array_is_computed_alone(scheduler):
    scheme, shape = init.uniform(-1, 1, 3), (2**8, 2**22, 2**4)
    vast = init.materialize(scheme, shape, da, "float64", chunks=(1, 2**17, 2**4))
    found = vast[2**7 + 7, 2**20 - 2 : 2**20, 3].compute()
    first = ((2**7 + 7) * 2**22 + 2**20 - 2) * 2**4 + 3
    assert first > 2**33
    assert found.tolist() == [init.value_at(scheme, place) for place in (first, first + 16)]


def test_a_hundred_gigabytes_are_described_and_not_held(scheduler, monkeypatch):
    monkeypatch.setattr(np, "empty", _small_only(np.empty))
    found = init.materialize(init.xavier_for((500_000, 50_000)), (500_000, 50_000), da)
    assert found.nbytes == 10**11
    assert found.npartitions < 10_000


def _small_only(empty):
    def small(shape, *args, **keywords):
        assert math.prod(np.atleast_1d(shape).tolist()) < 1000
        return empty(shape, *args, **keywords)

    return small


def test_a_chunk_is_filled_by_the_thread_that_has_its_task(scheduler, monkeypatch):
    monkeypatch.setattr(threads, "LEAST", 1)
    monkeypatch.setattr(threads, "ThreadPoolExecutor", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    found = init.materialize(init.uniform(-1, 1, 3), (60, 70), da, chunks=(40, 70)).compute()
    assert found.shape == (60, 70)


def test_a_matrix_that_is_made_as_a_whole_is_cut_afterwards(scheduler):
    for scheme in (init.orthogonal(seed=3), init.eye()):
        found = init.materialize(scheme, (9, 5), da, "float64", chunks=(4, 2))
        assert found.chunks == ((4, 4, 1), (2, 2, 1))
        assert found.compute().tobytes() == init.materialize(scheme, (9, 5), dtype="float64").tobytes()


def test_an_identity_is_made_in_its_chunks(scheduler):
    vast = init.materialize(init.eye(), (2**17, 2**17 + 1), da, chunks=2**12)
    assert vast.npartitions > 1000
    found = vast[2**16 + 5 : 2**16 + 9, 2**16 + 4 : 2**16 + 7].compute()
    np.testing.assert_array_equal(found, np.eye(4, 3, k=1, dtype="float32"))


def test_a_task_is_sent_its_own_chunk_of_given_values(scheduler):
    found = init.materialize(init.flat([float(n) for n in range(4000)]), (4000,), da, chunks=1000)
    sizes = [value.nbytes for value in _arrays(dict(found.__dask_graph__()))]
    assert max(sizes) <= 4000 * 4
    assert found.compute().tolist() == list(range(4000))


def _arrays(graph):
    return [value for value in graph.values() if isinstance(value, np.ndarray)]
