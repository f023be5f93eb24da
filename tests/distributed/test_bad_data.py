"""Data that cannot be read, do not fit or give no number: named, or left out and listed, here as on a cluster."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed import problems
from tests.distributed.faults import forgets
from tests.distributed.problems import WIDTH, arrays
from tl_arrayapi.distributed import evaluate
from tl_arrayapi.errors import ClusterError, StructureError, TLError

pytest.importorskip("distributed")

COUNT, CHUNK = 400, 100
BAD = slice(100, 200)  # the second chunk


def module():
    """Return a module that says what shapes its inputs have."""
    return problems.module(input_shapes=[(WIDTH,), (3,)])


@pytest.fixture(params=["here", "cluster"])
def client(request, workers):
    """Give None, for this process, or the client of two workers, which has no tasks afterwards."""
    if request.param == "here":
        yield None
        return
    client = workers(2)
    yield client
    assert forgets(client) == []


def not_a_number(folder):
    x, y = arrays(COUNT)
    x[150] = np.nan
    return tl.stack_samples(x, y)


def truncated_file(folder):
    """Return a Zarr array one chunk of which is damaged."""
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(folder / "data.zarr")
    for name, values in zip("xy", arrays(COUNT), strict=True):
        group.create_array(name, data=values, chunks=(CHUNK, *values.shape[1:]))
    (folder / "data.zarr" / "x" / "c" / "1" / "0").write_bytes(b"damaged")
    return str(folder / "data.zarr")


def wrong_shape(folder):
    dask = pytest.importorskip("dask")
    x, y = arrays(COUNT)

    def part(low):
        rows = slice(low, low + CHUNK)
        return (x[rows, : WIDTH - 1] if rows == BAD else x[rows], y[rows])

    return [dask.delayed(part)(low) for low in range(0, COUNT, CHUNK)]


def unreadable(folder):
    dask = pytest.importorskip("dask")
    x, y = arrays(COUNT)

    def part(low):
        if low == BAD.start:
            raise FileNotFoundError("the second part")
        return x[low : low + CHUNK], y[low : low + CHUNK]

    return [dask.delayed(part)(low) for low in range(0, COUNT, CHUNK)]


KINDS = [
    (not_a_number, r"sample 150|samples 100 to 199", "NonFiniteError"),
    (truncated_file, r"100 to 199", "Error"),
    (wrong_shape, r"Delayed 1", "ShapeError"),
    (unreadable, r"Delayed 1|second part", "FileNotFoundError"),
]
each_kind = pytest.mark.parametrize(("made", "name", "kind"), KINDS, ids=[made.__name__ for made, *_ in KINDS])


@each_kind
def test_bad_data_are_an_error_that_names_them(client, tmp_path, made, name, kind):
    with pytest.raises((TLError, OSError), match=name):
        evaluate(module(), made(tmp_path), client, chunk_size=CHUNK, micro_batch=4, finite=True)


@each_kind
def test_bad_data_are_left_out_and_listed_where_that_is_asked_for(client, tmp_path, made, name, kind):
    found = evaluate(module(), made(tmp_path), client, chunk_size=CHUNK, micro_batch=4, finite=True, bad="skip")
    x, y = (np.delete(values, BAD, axis=0) for values in arrays(COUNT))
    assert found.mean == evaluate(module(), tl.stack_samples(x, y), micro_batch=4).mean
    assert found.count == COUNT - CHUNK
    (skipped,) = found.skipped
    assert kind in skipped.reason
    assert found.record.samples_done == COUNT - CHUNK


def test_losses_that_are_not_finite_count_unless_they_are_bad(client):
    assert np.isnan(evaluate(module(), not_a_number(None), client, chunk_size=CHUNK).mean)


def test_nothing_but_bad_data_is_an_error_that_names_the_first(client):
    x, y = arrays(COUNT)
    samples = tl.stack_samples(np.full_like(x, np.nan), y)
    with pytest.raises(StructureError, match=r"no samples but 4 chunks.*samples 0 to 99"):
        evaluate(module(), samples, client, chunk_size=CHUNK, finite=True, bad="skip")


# ---- time
def slow_loss(w, x):
    import time

    time.sleep(0.05)
    return w * x


def test_a_run_that_takes_too_long_is_given_up_and_says_how_far_it_came(client):
    m = tl.ScalarModuleDef(slow_loss, init_params=[1.0]).instantiate(dtype="float64")
    samples = tl.stack_samples(np.ones(200))
    with pytest.raises(ClusterError, match=r"after 0\.5 s, \d+ samples of 200 are done: give a longer timeout"):
        evaluate(m, samples, client, chunk_size=1, micro_batch=1, timeout=0.5)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_a_run_that_is_broken_off_ends_at_once(client, kind):
    m, counts = tl.ScalarModuleDef(slow_loss, init_params=[1.0]).instantiate(dtype="float64"), []

    def progress(done, total):
        counts.append(done)
        raise kind

    with pytest.raises(kind):
        evaluate(m, tl.stack_samples(np.ones(200)), client, chunk_size=2, micro_batch=1, progress=progress)
    assert len(counts) == 1
