"""Memory: the client's does not grow with the number of samples, and workers need that of the pieces under way."""

import os
import tracemalloc

import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi.distributed import mean_loss
from tl_arrayapi.distributed.samples import open_samples

WIDTH = 64
MIB = 2**20


def module():
    return tl.ScalarModuleDef(squares, init_params=[np.ones(WIDTH)], input_shapes=[(WIDTH,)]).instantiate(
        dtype="float64"
    )


def squares(w, x):
    """The sum of the squares of w x."""
    xp = tl.array_namespace(w, x)
    return xp.sum(x * x * w)


def npy(folder, rows):
    out = np.lib.format.open_memmap(folder / f"{rows}.npy", mode="w+", dtype="float64", shape=(rows, WIDTH))
    out.flush()
    return folder / f"{rows}.npy"


def batches(folder, rows):
    return ((np.zeros((1000, WIDTH)),) for _ in range(rows // 1000))


def zarr_array(folder, rows):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(folder / f"{rows}.zarr", shape=(rows, WIDTH), chunks=(1000, WIDTH), dtype="float64")
    return folder / f"{rows}.zarr"


def dask_array(folder, rows):
    da = pytest.importorskip("dask.array")
    return (da.zeros((rows, WIDTH), chunks=(1000, WIDTH)),)


def peak(work):
    """Return the most bytes that Python and NumPy held at once during ``work``, beyond those before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [npy, zarr_array, batches, dask_array])
def test_a_pass_in_this_process_needs_the_memory_of_a_piece(kind, tmp_path):
    m = module()
    mean_loss(m, kind(tmp_path, 2_000), chunk_size=1000)  # what is made once
    small, large = (
        peak(lambda rows=rows: mean_loss(m, kind(tmp_path, rows), chunk_size=1000)) for rows in (4_000, 40_000)
    )
    # 36 more pieces of half a MiB each, of which not one stays.
    assert large < small + MIB


@pytest.mark.slow
@pytest.mark.parametrize("kind", [npy, zarr_array, batches, dask_array])
def test_a_pass_on_a_cluster_needs_the_clients_memory_for_pieces_under_way(kind, tmp_path, workers):
    m, client = module(), workers(2)
    mean_loss(m, kind(tmp_path, 20_000), client, chunk_size=1000)
    small, large = (
        peak(lambda rows=rows: mean_loss(m, kind(tmp_path, rows), client, chunk_size=1000))
        for rows in (40_000, 200_000)
    )
    # 160 more pieces of half a MiB each; what is taken down of each piece is some hundred bytes.
    assert large < small + 4 * MIB


@pytest.mark.parametrize("kind", [npy, zarr_array, dask_array])
def test_opening_reads_nothing(kind, tmp_path):
    rows = kind(tmp_path, 100_000)
    open_samples(module(), kind(tmp_path, 1000))
    assert peak(lambda: open_samples(module(), rows, chunk_size=1000)) < MIB


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "npy"])
def test_an_array_of_four_times_the_workers_memory_is_evaluated_without_spilling(kind, tmp_path):
    distributed = pytest.importorskip("distributed")
    da = pytest.importorskip("dask.array")
    limit, blocks, rows = 384 * MIB, 96, 32 * 1024  # of 16 MiB each
    total = blocks * rows
    assert total * WIDTH * 8 == 4 * limit
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, memory_limit=limit, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        if kind == "npy":
            samples = npy(tmp_path, total)
        else:
            x = da.zeros((total, WIDTH), chunks=(rows, WIDTH))
            samples = (x + da.arange(total, chunks=rows)[:, None] % 2,)
        seen = [client.run(_state)]
        mean = mean_loss(
            module(), samples, client, chunk_size=rows, progress=lambda *_: seen.append(client.run(_state))
        )
        assert mean == (0.0 if kind == "npy" else WIDTH / 2)
        assert len(seen) > blocks // 2
        # Nothing on disk, never paused, and the same process from the first to the last.
        ((_, process, *rest),) = seen[0].values()
        assert rest == [False]
        assert all(list(state.values()) == [(0, process, False)] for state in seen)


def _state(dask_worker):
    """Return a worker's bytes on disk, its process, and whether it is paused for want of memory."""
    return dask_worker.data.spilled_total.disk, os.getpid(), dask_worker.status.name == "paused"
