import pickle

import numpy as np
import pytest

from tests.distributed.problems import module
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.packed import Packed


def packed(*shape):
    return Packed.read(np.arange(float(np.prod(shape))).reshape(shape))


def stacked(count=4, weights=None):
    return Chunk("samples 10 to 13", 10, range(count), weights, True, (packed(count, 5), packed(count, 3)))


def ragged():
    return Chunk("samples 0 to 2", 0, range(3), None, False, tuple((packed(n),) for n in (2, 3, 2)))


def test_it_knows_where_a_sample_is_among_all():
    assert stacked().place(3) == "sample 13"


def test_it_knows_where_a_sample_is_in_a_partition():
    assert (
        Chunk("partition 2 of the bag", None, [0, 5], None, True, ()).place(1) == "sample 5 of partition 2 of the bag"
    )


def test_samples_are_rows_of_the_columns():
    (x, y), found = stacked().columns(module()), list(stacked().samples(module()))
    assert [offset for offset, _ in found] == [0, 1, 2, 3]
    assert all(np.array_equal(a, x[i]) and np.array_equal(b, y[i]) for i, (a, b) in found)


def test_samples_of_several_shapes_come_one_by_one():
    assert [(offset, xs[0].shape) for offset, xs in ragged().samples(module())] == [(0, (2,)), (1, (3,)), (2, (2,))]


@pytest.mark.parametrize("chunk", [stacked(weights=np.asarray([1.0, 2.0, 3.0, 4.0])), ragged()])
def test_rows_and_samples_at_indices_keep_places_and_weights(chunk):
    for part, kept in [(chunk.rows(1, 3), [1, 2]), (chunk.at([2, 0]), [2, 0])]:
        assert [part.place(i) for i in range(len(part))] == [chunk.place(i) for i in kept]
        assert part.weights is None or np.array_equal(part.weights, chunk.weights[kept])
        whole = dict(chunk.samples(module()))
        for offset, xs in part.samples(module()):
            assert all(map(np.array_equal, xs, whole[offset]))


def test_weights_leave_samples_of_weight_zero_out():
    for chunk in (stacked(3), ragged()):
        found = chunk.weighed(np.asarray([0.0, 2.0, 3.0]))
        assert (list(found.offsets), found.weights.tolist()) == ([1, 2], [2.0, 3.0])
        assert [offset for offset, _ in found.samples(module())] == [1, 2]


def test_weights_of_zero_alone_leave_an_empty_chunk():
    found = stacked().weighed(np.zeros(4))
    assert len(found) == 0
    assert [x.shape for x in found.columns(module())] == [(0, 5), (0, 3)]
    assert not list(found.samples(module()))


def test_the_bytes_are_those_of_all_arrays():
    assert (stacked().nbytes, ragged().nbytes) == (8 * 4 * 8, 8 * 7)


def test_columns_on_the_modules_library_are_not_copied():
    chunk = stacked()
    assert all(np.shares_memory(a, b.values) for a, b in zip(chunk.columns(module()), chunk.packed, strict=True))


def test_handing_an_array_on_read_only_leaves_the_callers_writable():
    x = np.ones(3)
    assert not Packed.read(x).on(module()).flags.writeable
    assert x.flags.writeable


def test_another_byte_order_and_order_of_axes_become_the_machines_and_c():
    found = Packed.read(np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)))
    assert found.values.dtype.isnative
    assert found.values.flags.c_contiguous
    assert found.values.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_arrays_come_back_on_the_library_they_came_from(xp):
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]], dtype="float32")
    found = Packed.read(x)
    assert found.dtype == "float32"
    assert np.array_equal(found.values, [[1.0, 2.0], [3.0, 4.0]])


def test_arrays_of_the_modules_library_stay_where_they_are(xp):
    import tl_arrayapi as tl

    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[1.0]).instantiate(xp=xp.namespace, device=xp.device)
    x = xp.asarray([[1.0], [2.0]], dtype="float32")
    found = Packed.read(x, m.backend.name)
    assert isinstance(found.values, np.ndarray) == (m.backend.name in ("numpy", "dask"))
    assert np.array_equal(xp.to_numpy(found[1:].on(m)), [[2.0]])
    assert np.array_equal(xp.to_numpy(found[np.asarray([1, 0])].on(m)), [[2.0], [1.0]])


def test_a_number_read_is_a_0d_array_and_anything_else_no_array():
    assert Packed.read(np.float64(2.0)).shape == ()
    with pytest.raises(TypeError, match="a list is no array"):
        Packed.read([1.0])


def test_arrays_that_were_sent_have_numpys_own_dtype_objects():
    x, y = pickle.loads(pickle.dumps(stacked())).columns(module())
    assert x.dtype is y.dtype is np.dtype("float64")


def test_bfloat16_travels_as_the_float32_that_holds_it():
    torch = pytest.importorskip("torch")
    import tl_arrayapi as tl

    m = tl.ScalarModuleDef(lambda w, x: w * x, init_params=[1.0]).instantiate(xp=torch, dtype="bfloat16")
    for found in (
        Packed.read(torch.asarray([1.5, 2.5], dtype=torch.bfloat16)),
        Packed.stacked(m.backend, [torch.asarray(v, dtype=torch.bfloat16) for v in (1.5, 2.5)]),
    ):
        assert (found.dtype, found.values.dtype.name, found.nbytes) == ("bfloat16", "float32", 4)
        x = pickle.loads(pickle.dumps(found)).on(m)
        assert x.dtype == torch.bfloat16
        assert x.tolist() == [1.5, 2.5]
