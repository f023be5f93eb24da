"""Threads, settings and fingerprints: what could make two processes differ."""

import sys
import threading
import time

import numpy as np
import pytest

from tl_arrayapi import backends
from tl_arrayapi.distributed.environment import Settings, fingerprint, one_thread, own_scheduler


def blas_threads():
    import threadpoolctl

    return {x["num_threads"] for x in threadpoolctl.threadpool_info() if x["user_api"] == "blas"}


@pytest.fixture
def several_threads():
    """Let BLAS have two threads meanwhile."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(2):
        if blas_threads() != {2}:
            pytest.skip("this BLAS has one thread only")
        yield


@pytest.mark.usefixtures("several_threads")
def test_blas_has_one_thread_inside_and_its_own_number_after():
    with one_thread():
        assert blas_threads() == {1}
    assert blas_threads() == {2}


@pytest.mark.usefixtures("several_threads")
def test_blas_gets_its_threads_back_after_an_error():
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert blas_threads() == {2}


@pytest.mark.usefixtures("several_threads")
def test_blocks_of_other_threads_wait_and_so_never_restore_under_one_another():
    running, seen = [], []

    def work():
        for _ in range(20):
            with one_thread():
                running.append(1)
                seen.append(len(running))
                time.sleep(0.001)
                running.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 60
    assert blas_threads() == {2}


def test_torch_has_one_thread_inside():
    torch = pytest.importorskip("torch")
    pytest.importorskip("threadpoolctl")
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_without_threadpoolctl_a_block_still_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.setattr("tl_arrayapi.distributed.environment._controller", lambda: None)
    with one_thread():
        assert np.ones(2).sum() == 2
    assert "numpy" in fingerprint(backends.get(None))


def test_dask_computes_in_the_calling_thread_inside():
    dask = pytest.importorskip("dask")
    before = dask.config.get("scheduler", None)
    with own_scheduler():
        assert dask.delayed(threading.get_ident)().compute() == threading.get_ident()
    assert dask.config.get("scheduler", None) == before


def test_settings_of_a_library_are_taken_along():
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    other = torch.float64 if before == torch.float32 else torch.float32
    here = Settings.of(backends.get("torch"))
    torch.set_default_dtype(other)
    try:
        here.apply()
        assert torch.get_default_dtype() == before
    finally:
        torch.set_default_dtype(before)


def test_settings_of_other_libraries_stay_behind():
    # A worker would import these libraries for nothing.
    pytest.importorskip("torch")
    assert Settings.of(backends.get(None)) == Settings(())


def test_a_fingerprint_names_versions_and_is_the_same_when_asked_again():
    found = fingerprint(backends.get(None))
    assert f"numpy {np.__version__}" in found
    assert "subnormals kept" in found
    assert found == fingerprint(backends.get(None))
