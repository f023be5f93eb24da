"""What of a Dask graph is computed in a piece's own task, and what by the cluster."""

import pickle

import numpy as np
import pytest

from tests.distributed.problems import arrays, module
from tests.distributed.samples.sources import chunks, gathered, sent
from tl_arrayapi.distributed import mean_loss
from tl_arrayapi.distributed.samples import graphs, open_samples
from tl_arrayapi.distributed.samples.graphs import computed

da = pytest.importorskip("dask.array")
dask = pytest.importorskip("dask")

X, Y = arrays(12)


def opened(x, y, **options):
    return list(open_samples(module(), (x, y), None, 1, **options))


def test_what_one_piece_needs_is_computed_in_its_task():
    x = da.from_array(X, chunks=(4, 5))
    pieces = opened((x * 2 + 1)[:, ::-1], da.from_array(Y, chunks=(4, 3)).map_blocks(np.negative))
    assert [piece.inputs for piece in pieces] == [()] * 3
    found = gathered(module(), [sent(piece) for piece in pieces])
    assert np.array_equal(found[0], (X * 2 + 1)[:, ::-1])
    assert np.array_equal(found[1], -Y)


def test_inputs_cut_from_one_array_read_it_once():
    reads = []

    def read(block):
        reads.append(len(block))
        return block

    both = da.from_array(np.hstack([X, Y]), chunks=(4, 8)).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    for piece in opened(both[:, :5], both[:, 5:]):
        piece.load(*computed(piece.inputs))
    assert reads == [4, 4, 4]


def test_what_several_pieces_need_is_left_to_the_cluster():
    x = da.from_array(X, chunks=(4, 5))
    pieces = opened(x - x.sum(axis=0), da.from_array(Y, chunks=(4, 3)))
    assert all(len(piece.inputs) >= 1 for piece in pieces)
    assert np.allclose(gathered(module(), [sent(piece) for piece in pieces])[0], X - X.sum(axis=0), rtol=1e-12)


def test_what_all_pieces_need_is_computed_once_in_this_process():
    reads = []

    def read(block):
        reads.append(len(block))
        return block

    x = da.from_array(X, chunks=(1, 5)).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    rows = (x - x.max(axis=0), da.from_array(Y, chunks=(1, 3)))
    found = gathered(module(), [piece.load(*computed(piece.inputs)) for piece in open_samples(module(), rows, None, 1)])
    assert np.array_equal(found[0], X - X.max(axis=0))
    # Once for the maximum and once for each piece.
    assert len(reads) == 24


def test_a_block_that_is_cut_into_pieces_is_computed_once():
    x = da.from_array(X, chunks=(12, 5)).map_blocks(lambda b: b + 1.0)
    y = da.from_array(Y, chunks=(12, 3)) * 1
    rows = open_samples(module(), (x, y), None, 4, 4, aligned=True)
    assert [piece.count for piece in rows] == [12]


def test_a_piece_takes_along_no_more_than_its_own_blocks():
    rows = da.from_array(np.random.default_rng(0).normal(size=(4000, 5)), chunks=(1000, 5))
    pieces = opened(rows, rows[:, :3])
    sizes = [len(pickle.dumps(piece)) for piece in pieces]
    assert all(1000 * 5 * 8 < size < 1.3 * 1000 * 5 * 8 for size in sizes)
    assert all(piece.nbytes <= size for piece, size in zip(pieces, sizes, strict=True))


def test_small_data_that_all_pieces_need_goes_with_each():
    scale = da.from_array(np.arange(5.0), chunks=5)
    x = da.from_array(X, chunks=(4, 5)) * scale
    pieces = opened(x, da.from_array(Y, chunks=(4, 3)))
    assert [piece.inputs for piece in pieces] == [()] * 3
    assert np.array_equal(gathered(module(), [sent(piece) for piece in pieces])[0], X * np.arange(5.0))


class Watched(dict):
    """A graph that takes down which keys are looked up."""

    def __init__(self, graph, seen):
        super().__init__(graph)
        self.seen = seen

    def __getitem__(self, key):
        self.seen.append(key)
        return super().__getitem__(key)


def test_a_graph_is_walked_once_however_many_pieces_it_has(monkeypatch):
    def steps(blocks):
        seen = []
        nodes = graphs._nodes
        with monkeypatch.context() as patch:
            patch.setattr(graphs, "_nodes", lambda of: (Watched(nodes(of)[0], seen), {}))
            x = da.ones((blocks, 5), chunks=(1, 5)) + 1
            assert len(list(open_samples(module(), (x, x[:, :3]), None, 1, 1))) == blocks
        return len(seen)

    assert steps(60) <= 2.1 * steps(30)


@pytest.mark.slow
def test_persisted_arrays_are_handed_over_as_they_are(workers):
    client = workers(2)
    x, y = client.persist([da.from_array(X, chunks=(4, 5)), da.from_array(Y, chunks=(4, 3))])
    pieces = opened(x + 1, y)
    assert [[type(i).__name__ for i in piece.inputs] for piece in pieces] == [["Future", "Future"]] * 3
    assert np.array_equal(gathered(module(), [sent(piece) for piece in pieces])[0], X + 1)
    m = module()
    assert mean_loss(m, (x + 1, y), client) == mean_loss(m, (da.from_array(X + 1), da.from_array(Y)))


@pytest.mark.slow
def test_persisted_arrays_can_be_picked_from(workers):
    x, y = workers(2).persist([da.from_array(X, chunks=(4, 5)), da.from_array(Y, chunks=(4, 3))])
    piece = open_samples(module(), (x, y)).take([9, 1, 2])
    inputs = [future.result() for future in workers(2).compute(list(piece.inputs))]
    chunk = pickle.loads(pickle.dumps(piece)).load(*inputs)
    assert np.array_equal(chunk.columns(module())[0], X[[9, 1, 2]])


@pytest.mark.slow
def test_a_future_in_the_arguments_of_a_task_is_found_by_the_cluster(workers):
    client = workers(2)
    shift = client.scatter(np.arange(5.0))
    blocks = [dask.delayed(lambda b, s: (b + s, b[:, :3]))(X[low : low + 6], shift) for low in (0, 6)]
    found = mean_loss(module(), blocks, client)
    x = X + np.arange(5.0)
    assert found == mean_loss(module(), (da.from_array(x), da.from_array(X[:, :3])))


@pytest.mark.slow
def test_what_several_pieces_need_gives_the_same_bits_on_a_cluster(workers):
    x, y = da.from_array(X, chunks=(4, 5)), da.from_array(Y, chunks=(4, 3))
    rows = (x - x[0] * 2, y)
    assert mean_loss(module(), rows, workers(2)) == mean_loss(module(), rows)


def test_empty_blocks_are_passed_over():
    x = da.from_array(X, chunks=((0, 4, 0, 4, 4, 0), (5,)))
    assert 0 in x.chunks[0]
    found = chunks(open_samples(module(), (x, da.from_array(Y)), None, 1, 4))
    assert [len(chunk) for chunk in found] == [4, 4, 4]
    assert np.array_equal(gathered(module(), found)[0], X)


def test_a_block_of_another_shape_than_announced_is_refused():
    x = da.from_array(X, chunks=(4, 5)).map_blocks(lambda b: b[:3], dtype=float)
    piece = opened(x, da.from_array(Y, chunks=(4, 3)))[1]
    with pytest.raises(ValueError, match=r"samples 4 to 7: input 0 has shape \(3, 5\), and \(4, 5\) was announced"):
        piece.load(*computed(piece.inputs))


def test_a_block_of_another_dtype_than_announced_is_refused():
    x = da.from_array(X, chunks=(4, 5)).map_blocks(lambda b: b.astype("float32"), dtype=float)
    piece = opened(x, da.from_array(Y, chunks=(4, 3)))[0]
    with pytest.raises(TypeError, match="samples 0 to 3: input 0 is float32, and float64 was announced"):
        piece.load(*computed(piece.inputs))
