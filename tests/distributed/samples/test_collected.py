"""Bags, Delayed and iterators: samples that only reading shows."""

import gc
import itertools
import weakref

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.distributed.problems import arrays, module, samples
from tests.distributed.samples.sources import chunks, gathered, sent
from tl_arrayapi.distributed import mean_loss
from tl_arrayapi.distributed.samples import open_samples
from tl_arrayapi.errors import DTypeError, NamespaceError, ShapeError, StructureError

db = pytest.importorskip("dask.bag")
dask = pytest.importorskip("dask")

X, Y = arrays(12)
x, y = X[0], Y[0]


def delayed(value):
    return dask.delayed(lambda: value)()


def sizes(w, rows):
    """A loss over samples of any number of rows."""
    xp = tl.array_namespace(w, rows)
    return xp.sum(rows * rows) * w


def of_rows(*counts):
    return [(np.arange(2.0 * n).reshape(n, 2),) for n in counts]


def ragged_module():
    return tl.ScalarModuleDef(sizes, init_params=[1.5]).instantiate(dtype="float64")


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (3.0, StructureError, "Delayed 0 is a float"),
        (X, StructureError, "Delayed 0 is a ndarray"),
        ("abc", StructureError, "Delayed 0 is a str"),
        ((X, Y[:5]), StructureError, r"Delayed 0 is a tuple of arrays of shapes \(12, 5\), \(5, 3\)"),
        ((X, np.float64(1.0)), StructureError, "share their first axis"),
        ((X,), StructureError, "Delayed 0 has 1 inputs, and the loss takes 2"),
        ((X, Y, Y), StructureError, "Delayed 0 has 3 inputs, and the loss takes 2"),
        ((X[:, :4], Y), ShapeError, r"input 0 of Delayed 0 has shape \(4,\), and \(5\) is expected"),
        ((X.astype("float32"), Y), DTypeError, "input 0 of Delayed 0 must be float64; got float32"),
        ([x, y], StructureError, "sample 0 of Delayed 0 is a ndarray"),
        ([(x, y), (x,)], StructureError, "sample 1 of Delayed 0 has 1 inputs"),
        ([(x, y), (x.tolist(), y)], NamespaceError, "input 0 of sample 1 of Delayed 0: a list"),
        ([(x, y), (x[:4], y)], ShapeError, "input 0 of sample 1 of Delayed 0"),
        ([(x, y), (x, y.astype("float32"))], DTypeError, "input 1 of sample 1 of Delayed 0"),
    ],
)
def test_what_is_read_is_checked_and_an_error_says_where_it_was(value, error, said):
    (piece,) = open_samples(module(input_shapes=[(5,), (3,)]), [delayed(value)])
    with pytest.raises(error, match=said):
        sent(piece)


def test_integers_pass_whatever_the_dtype_of_the_module():
    labels = np.arange(12)
    (chunk,) = chunks(open_samples(module(), [delayed((X, labels))]))
    assert chunk.columns(module())[1].dtype == labels.dtype


@pytest.mark.parametrize("value", [tl.stack_samples(X, Y), (X, Y), samples(12), iter(samples(12))])
def test_a_part_is_stacked_arrays_or_a_list_of_samples(value):
    chunk = open_samples(module(), [delayed(0)]).expected.chunk("Delayed 0", None, value)
    assert chunk.stacked
    assert all(map(np.array_equal, chunk.columns(module()), (X, Y)))


def test_arrays_of_the_modules_library_are_taken_as_they_are(xp):
    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[2.0]).instantiate(xp=xp.namespace, device=xp.device)
    values = xp.asarray([1.0, 2.0, 6.0], dtype="float32")
    assert mean_loss(m, iter([(values,)])) == 6.0


def test_empty_partitions_give_empty_chunks():
    bag = db.from_sequence(samples(12), npartitions=4).filter(lambda row: row[0][0] > 0)
    m, kept = module(), X[:, 0] > 0
    found = chunks(open_samples(m, bag))
    assert 0 in [len(chunk) for chunk in chunks(open_samples(m, bag.filter(lambda row: False)))]
    assert np.array_equal(gathered(m, found)[0], X[kept])
    assert mean_loss(m, bag) == mean_loss(m, tl.stack_samples(X[kept], Y[kept]))


def test_samples_of_several_shapes_are_refused_where_they_are_mapped():
    (piece,) = open_samples(ragged_module(), db.from_sequence(of_rows(2, 2, 3), npartitions=1))
    with pytest.raises(ShapeError, match=r"sample 2 of partition 0 of the bag.*micro_batch=1"):
        sent(piece)


@pytest.mark.parametrize("partitions", [1, 2, 3])
def test_samples_of_several_shapes_run_one_by_one_give_the_same_bits_however_they_are_shared_out(partitions):
    m, rows = ragged_module(), of_rows(2, 2, 3, 1, 3)
    bag = db.from_sequence(rows, npartitions=partitions)
    assert mean_loss(m, bag, micro_batch=1) == mean_loss(m, rows, micro_batch=1)


def test_samples_of_several_kinds_are_refused():
    (piece,) = open_samples(ragged_module(), [delayed([*of_rows(2), (np.ones(3),)])])
    with pytest.raises(ShapeError, match="sample 1 of Delayed 0 has inputs of 1 axes of float64, and sample 0"):
        sent(piece)


def test_weights_of_a_partition_are_as_many_as_its_samples():
    (piece,) = open_samples(module(), [delayed((X, Y))], [delayed(np.ones(11))])
    with pytest.raises(StructureError, match=r"Delayed 0 has 12 samples and weights of shape \(11,\)"):
        sent(piece)


# ---- iterators
class Batches:
    """Batches that can be gone through again, as a data loader's can."""

    def __init__(self, *batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def test_batches_are_drawn_one_by_one():
    drawn = []

    def batches():
        for i in range(3):
            drawn.append(i)
            yield X, Y

    pieces = iter(open_samples(module(), batches()))
    assert drawn == []
    assert next(pieces).count == 12
    assert drawn == [0]


def test_a_batch_that_is_done_is_not_held():
    class Seen(np.ndarray):
        pass

    alive = weakref.WeakSet()

    def batches():
        for _ in range(6):
            batch = np.ones((1000, 5)).view(Seen)
            alive.add(_Handle(batch))
            yield batch, np.ones((1000, 3))

    class _Handle:
        def __init__(self, array):
            array.handle = self

    held = []
    for piece in open_samples(module(), batches()):
        piece.load()
        del piece
        gc.collect()
        held.append(len(alive))
    assert max(held) <= 2


def test_an_iterator_gives_its_samples_once():
    source = open_samples(module(), iter([(X, Y)]))
    assert len(list(source)) == 1
    with pytest.raises(StructureError, match="gives them once"):
        iter(source)


def test_an_iterable_gives_its_samples_again():
    source = open_samples(module(), Batches((X, Y), (X[:3], Y[:3])))
    assert [[piece.first for piece in source] for _ in range(2)] == [[0, 12], [0, 12]]


def test_batches_of_several_lengths_and_forms_are_one_sequence():
    m = module()
    batches = Batches((X[:1], Y[:1]), samples(12)[1:4], tl.stack_samples(X[4:], Y[4:]))
    assert mean_loss(m, batches) == mean_loss(m, tl.stack_samples(X, Y))


@pytest.mark.parametrize("cuts", [[5], [1, 2, 3, 4], [0, 4, 8], [3, 3, 10], []])
@pytest.mark.parametrize("weights", [None, [float(i % 3) for i in range(12)]])
def test_aligned_batches_are_cut_anew(cuts, weights):
    ends = [0, *cuts, 12]
    batches = Batches(*((X[low:high], Y[low:high]) for low, high in itertools.pairwise(ends)))
    pieces = list(open_samples(module(), batches, weights, 4, aligned=True))
    assert all(piece.count % 4 == 0 for piece in pieces[:-1])
    starts = [0, *itertools.accumulate(piece.count for piece in pieces)]
    assert [piece.first for piece in pieces] == starts[:-1]
    places = [piece.first + offset for piece in pieces for offset in piece.load().offsets]
    kept = [i for i in range(12) if weights is None or weights[i]]
    assert places == kept
    found = gathered(module(), [piece.load() for piece in pieces])
    expected = [X[kept], Y[kept], np.ones(12) if weights is None else np.asarray(weights)[kept]]
    assert all(map(np.array_equal, found, expected))


def test_aligned_batches_are_of_one_kind():
    batches = Batches((X[:5], Y[:5]), (X[5:, :4], Y[5:]))
    with pytest.raises(ShapeError, match=r"batch 1 has samples of float64 \(4,\)"):
        list(open_samples(module(), batches, None, 4, aligned=True))


def test_single_samples_from_an_iterator_are_refused():
    with pytest.raises(StructureError, match="batch 0 is a tuple of arrays"):
        list(open_samples(module(), iter(samples(3))))


def test_an_iterator_without_samples_is_refused():
    with pytest.raises(StructureError, match="no samples"):
        list(open_samples(module(), iter([])))


@pytest.mark.parametrize(("count", "said"), [(11, "11 weights, and samples 6 to 11 came"), (13, "13 weights for 12")])
def test_weights_of_batches_are_as_many_as_the_samples(count, said):
    batches = Batches((X[:6], Y[:6]), (X[6:], Y[6:]))
    with pytest.raises(StructureError, match=said):
        list(open_samples(module(), batches, [1.0] * count))


def test_a_torch_data_loader_is_an_iterable_of_batches():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.asarray(X), torch.asarray(Y))
    loader = torch.utils.data.DataLoader(data, batch_size=5)
    m = module()
    rows = (tuple(batch) for batch in loader)
    assert mean_loss(m, rows) == mean_loss(m, tl.stack_samples(X, Y))
