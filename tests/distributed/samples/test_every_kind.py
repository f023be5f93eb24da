"""What holds for samples of every kind: the same rows, weights and losses, in pieces that can be sent."""

import itertools

import numpy as np
import pytest

from tests.distributed.problems import arrays, module, stacked
from tests.distributed.samples.sources import KINDS, RANDOM_ACCESS, chunks, gathered, make, sent
from tl_arrayapi.distributed import mean_loss
from tl_arrayapi.distributed.samples import open_samples
from tl_arrayapi.distributed.samples.graphs import computed

COUNT = 22
WEIGHTS = np.random.default_rng(5).uniform(0.5, 2.0, COUNT) * (np.arange(COUNT) % 4 > 0)

each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_a_pass_brings_every_sample_once_and_in_order(kind, tmp_path):
    source = open_samples(module(), make(kind, tmp_path, COUNT)[0], None, 2, 4)
    x, y, weights = gathered(module(), chunks(source))
    assert np.array_equal(x, arrays(COUNT)[0])
    assert np.array_equal(y, arrays(COUNT)[1])
    assert np.array_equal(weights, np.ones(COUNT))


@each_kind
def test_samples_of_weight_zero_are_left_out_and_the_others_keep_theirs(kind, tmp_path):
    rows, weigh = make(kind, tmp_path, COUNT)
    x, y, weights = gathered(module(), chunks(open_samples(module(), rows, weigh(WEIGHTS), 2, 4)))
    kept = WEIGHTS > 0
    assert np.array_equal(x, arrays(COUNT)[0][kept])
    assert np.array_equal(y, arrays(COUNT)[1][kept])
    assert np.array_equal(weights, WEIGHTS[kept])


@each_kind
def test_the_mean_loss_is_the_same_bits(kind, tmp_path):
    m = module()
    assert mean_loss(m, make(kind, tmp_path, COUNT)[0], micro_batch=4) == mean_loss(m, stacked(COUNT), micro_batch=4)


@each_kind
def test_the_weighted_mean_loss_is_the_same_bits(kind, tmp_path):
    m, (rows, weigh) = module(), make(kind, tmp_path, COUNT)
    found = mean_loss(m, rows, weights=weigh(WEIGHTS), micro_batch=4)
    assert found == mean_loss(m, stacked(COUNT), weights=WEIGHTS, micro_batch=4)


@pytest.mark.slow
@each_kind
def test_a_cluster_finds_the_same_bits(kind, tmp_path, workers):
    m, (rows, weigh) = module(), make(kind, tmp_path, COUNT)
    found = mean_loss(m, rows, workers(2), weights=weigh(WEIGHTS), micro_batch=4)
    assert found == mean_loss(m, stacked(COUNT), weights=WEIGHTS, micro_batch=4)


@each_kind
def test_what_a_piece_says_of_itself_is_so(kind, tmp_path):
    source = open_samples(module(), make(kind, tmp_path, COUNT)[0], None, 2, 4)
    pieces = list(source)
    assert source.pieces in (None, len(pieces))
    counts = [len(sent(piece)) for piece in pieces]
    assert source.total in (None, sum(counts))
    assert all(piece.count in (None, count) for piece, count in zip(pieces, counts, strict=True))
    starts = [0, *itertools.accumulate(counts)]
    assert all(piece.first in (None, start) for piece, start in zip(pieces, starts, strict=False))
    assert all(sent(piece).name == piece.name for piece in pieces)
    assert all(isinstance(piece.nbytes, int) for piece in pieces)


@each_kind
def test_pieces_can_be_loaded_again(kind, tmp_path):
    source = open_samples(module(), make(kind, tmp_path, COUNT)[0], None, 2, 4)
    for piece in source:
        inputs = computed(piece.inputs)
        first, second = piece.load(*inputs), piece.load(*inputs)
        assert all(map(np.array_equal, gathered(module(), [first]), gathered(module(), [second])))


@each_kind
def test_columns_are_in_c_order_and_cannot_be_written_to(kind, tmp_path):
    for chunk in chunks(open_samples(module(), make(kind, tmp_path, COUNT)[0], None, 2, 4)):
        columns = chunk.columns(module())
        assert all(x.flags.c_contiguous and not x.flags.writeable for x in columns)


@pytest.mark.parametrize("kind", RANDOM_ACCESS)
def test_samples_are_picked_in_the_order_asked_for(kind, tmp_path):
    places = [17, 3, 4, 21, 3, 0]
    chunk = sent(open_samples(module(), make(kind, tmp_path, COUNT)[0], None, 2, 4).take(places))
    x, y, _ = gathered(module(), [chunk])
    assert np.array_equal(x, arrays(COUNT)[0][places])
    assert np.array_equal(y, arrays(COUNT)[1][places])
    assert (chunk.first, list(chunk.offsets)) == (0, places)


@pytest.mark.parametrize("kind", RANDOM_ACCESS)
def test_picked_samples_have_their_weights(kind, tmp_path):
    rows, weigh = make(kind, tmp_path, COUNT)
    chunk = sent(open_samples(module(), rows, weigh(WEIGHTS), 2, 4).take([17, 4, 21, 2]))
    assert list(chunk.offsets) == [17, 21, 2]
    assert np.array_equal(chunk.weights, WEIGHTS[[17, 21, 2]])


@pytest.mark.parametrize("kind", RANDOM_ACCESS)
@pytest.mark.parametrize("chunk_size", [1, 5, 6, 100])
def test_aligned_pieces_hold_whole_micro_batches(kind, chunk_size, tmp_path):
    rows = make(kind, tmp_path, COUNT)[0]
    counts = [piece.count for piece in open_samples(module(), rows, None, 4, chunk_size, aligned=True)]
    assert sum(counts) == COUNT
    assert all(count % 4 == 0 for count in counts[:-1])


@pytest.mark.parametrize("kind", RANDOM_ACCESS)
def test_the_bytes_of_a_sample_are_known(kind, tmp_path):
    assert open_samples(module(), make(kind, tmp_path, COUNT)[0]).sample_nbytes == 8 * (5 + 3)


@each_kind
def test_a_source_cut_otherwise_has_the_same_samples(kind, tmp_path):
    source = open_samples(module(), make(kind, tmp_path, COUNT)[0], None, 2, 4).resized(12)
    found = chunks(source)
    assert np.array_equal(gathered(module(), found)[0], arrays(COUNT)[0])
    assert all(len(chunk) >= 12 for chunk in found[:-1]) == (kind in RANDOM_ACCESS)
