"""What every backend promises: values go to the host and back, rows add up at indices, results belong to the caller."""

import contextlib
import importlib.metadata

import array_api_compat.numpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi import backends
from tl_arrayapi.backends.base import DTYPES
from tl_arrayapi.backends.portable import scatter_add
from tl_arrayapi.errors import DTypeError

SHAPES = [(), (1,), (7,), (3, 4), (2, 0), (2, 3, 2)]


def sample(shape, dtype):
    """Return values of which each dtype has the extremes and the specials."""
    count = int(np.prod(shape))
    if dtype == "bool":
        return (np.arange(count) % 3 == 0).reshape(shape)
    kind = np.dtype(dtype).kind
    if kind in "iu":
        info = np.iinfo(dtype)
        few = np.asarray([info.min, info.max, 0, 1, 100], dtype)
    else:
        few = np.asarray([-0.0, np.inf, np.nan, 1 / 3, -2.5e4], "float64").astype(dtype)
        few = few + np.asarray(1j, dtype) if kind == "c" else few
    return np.resize(few, shape)


def assert_same_bits(found, expected):
    assert type(found) is np.ndarray
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "bfloat16"])
def test_values_keep_their_bits_on_the_way_there_and_back(xp, dtype):
    backend = backends.get(xp.namespace)
    if not xp.has(dtype):
        return
    for shape in SHAPES:
        host = sample(shape, dtype)
        there = backend.from_host(host, device=xp.device)
        assert tuple(there.shape) == shape
        assert backend.dtype_name(there.dtype) == dtype
        assert backends.backend_of(there) is backend
        assert xp.device is None or there.device == xp.device
        assert_same_bits(backend.to_host(there), host)


@pytest.mark.parametrize(
    "host",
    [
        np.arange(12.0, dtype="float32").reshape(3, 4).T,
        np.arange(12.0, dtype="float32")[::-2],
        np.arange(4.0, dtype=">f4"),
        np.broadcast_to(np.float32(2.5), (2, 3)),
    ],
    ids=["transposed", "reversed", "big-endian", "broadcast"],
)
def test_host_arrays_of_any_layout_are_taken(xp, host):
    backend = backends.get(xp.namespace)
    found = backend.to_host(backend.from_host(host, device=xp.device))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, host)


def test_a_read_only_host_array_is_taken_and_a_later_write_to_a_host_array_does_not_show(xp):
    backend = backends.get(xp.namespace)
    host = np.asarray([1.0, 2.0], "float32")
    there = backend.from_host(host, device=xp.device)
    host[0] = 9.0
    np.testing.assert_array_equal(backend.to_host(there), [1.0, 2.0])
    host.flags.writeable = False
    np.testing.assert_array_equal(backend.to_host(backend.from_host(host, device=xp.device)), [9.0, 2.0])


def test_from_host_rounds_to_the_dtype_that_is_asked_for(xp):
    backend = backends.get(xp.namespace)
    there = backend.from_host(np.asarray([0.1, 1e-50]), "float32", xp.device)
    assert_same_bits(backend.to_host(there), np.asarray([0.1, 0.0], "float32"))


def test_bfloat16_is_made_where_the_library_has_it_and_never_read_as_something_else(xp):
    backend = backends.get(xp.namespace)
    if xp.has("bfloat16"):
        there = backend.from_host(np.asarray([1.0, 1 / 3]), "bfloat16", xp.device)
        assert backend.dtype_name(there.dtype) == "bfloat16"
        widened = backend.to_host(xp.astype(there, xp.float32))
        np.testing.assert_array_equal(widened, np.asarray([1.0, 0.333984375], "float32"))
        with pytest.raises(DTypeError, match="bfloat16: convert"):
            backend.to_host(there)
    else:
        with pytest.raises(DTypeError, match="bfloat16"):
            backend.from_host(np.asarray([1.0]), "bfloat16", xp.device)


@pytest.mark.parametrize("host", [np.asarray(["a"]), np.asarray([None]), np.asarray([1.0], "longdouble")], ids=str)
def test_host_arrays_of_foreign_dtypes_are_refused(xp, host):
    with pytest.raises(DTypeError, match="no dtype"):
        backends.get(xp.namespace).from_host(host, device=xp.device)


# ---- rows at indices
def added(shape, indices, updates, axis):
    """Add one row at a time."""
    out = np.zeros(shape, updates.dtype)
    for place, index in enumerate(indices):
        out[(slice(None),) * axis + (index,)] += updates[(slice(None),) * axis + (place,)]
    return out


@pytest.mark.parametrize(
    ("shape", "indices", "axis"),
    [
        ((5,), [0, 3, 3, -1, 3], 0),
        ((4, 3), [1, 1, -4, 0, -1, 2], 0),
        ((4, 3), [2, -3, 2, 0], 1),
        ((2, 5, 3), [4, -5, 0, 4], 1),
        ((2, 3, 4), [3, 3, -1], 2),
        ((3, 2), [], 0),
        ((3, 0), [1, 1], 0),
    ],
)
def test_rows_add_up_at_indices_that_repeat_or_count_from_the_end(xp, shape, indices, axis):
    backend = backends.get(xp.namespace)
    updates = np.random.default_rng(5).integers(-9, 9, (*shape[:axis], len(indices), *shape[axis + 1 :])) / 4
    places = xp.asarray(np.asarray(indices, "int64"))
    found = backend.scatter_add(shape, places, xp.asarray(updates), axis)
    assert tuple(found.shape) == shape
    assert xp.device is None or found.device == xp.device
    # Quarters of small integers are added without rounding, in any order.
    assert_same_bits(xp.to_numpy(found), added(shape, indices, updates, axis).astype(xp.real))


@pytest.mark.parametrize("dtype", ["int32", "float32", "complex64"])
def test_added_rows_keep_their_dtype(xp, dtype):
    backend = backends.get(xp.namespace)
    updates = xp.asarray(np.asarray([1, 2, 4], dtype))
    found = backend.scatter_add((2,), xp.asarray(np.asarray([1, 1, 0], "int32")), updates, 0)
    assert_same_bits(xp.to_numpy(found), np.asarray([4, 3], dtype))


def test_an_infinite_row_stays_in_its_place(xp):
    backend = backends.get(xp.namespace)
    updates = xp.asarray([[1.0, np.inf], [np.nan, 2.0], [3.0, 5.0]])
    found = backend.scatter_add((3, 2), xp.asarray(np.asarray([0, 1, 0])), updates, 0)
    np.testing.assert_array_equal(xp.to_numpy(found), [[4.0, np.inf], [np.nan, 2.0], [0.0, 0.0]])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(0, 8), st.integers(0, 3), st.integers(1, 40))
def test_the_portable_form_needs_no_more_than_a_block_and_gives_the_same(data, count, many, width, block):
    host = array_api_compat.numpy
    indices = np.asarray(data.draw(st.lists(st.integers(-count, count - 1), min_size=many, max_size=many)), "int64")
    updates = np.arange(many * width, dtype="float64").reshape(many, width) + 0.5
    found = scatter_add(host, (count, width), indices, updates, 0, None, block=block)
    np.testing.assert_array_equal(found, added((count, width), indices, updates, 0))
    turned = scatter_add(host, (width, count), indices, updates.T, 1, None, block=block)
    np.testing.assert_array_equal(turned, added((count, width), indices, updates, 0).T)


# ---- what a caller may keep
def test_a_result_does_not_change_with_the_array_that_it_was_a_part_of(xp):
    backend = backends.get(xp.namespace)
    whole = xp.asarray([[1.0, 2.0], [3.0, 4.0]], xp.real)
    kept = backend.result(whole[0, :])
    assert backends.backend_of(kept) is backend
    # Those that raise are immutable, or read-only.
    with contextlib.suppress(TypeError, ValueError, RuntimeError, NotImplementedError):
        whole[0, 0] = 9.0
    np.testing.assert_array_equal(xp.to_numpy(kept), [1.0, 2.0])


def test_a_result_of_one_element_at_many_places_may_be_written_to(xp):
    backend = backends.get(xp.namespace)
    kept = backend.result(xp.broadcast_to(xp.asarray([1.0]), (3,)))
    try:
        kept[0] = 9.0
    except (TypeError, NotImplementedError):
        return  # Immutable.
    np.testing.assert_array_equal(xp.to_numpy(kept), [9.0, 1.0, 1.0])


def test_a_scalar_result_becomes_an_array(xp):
    backend = backends.get(xp.namespace)
    kept = backend.result(xp.sum(xp.asarray([1.0, 2.0])))
    assert kept.shape == ()
    assert type(kept) is type(xp.asarray([1.0]))


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_views_share_memory_and_copies_do_not(name):
    pytest.importorskip(name)
    backend = backends.get(name)
    whole = backend.from_host(np.arange(6.0))
    assert backend.memory(whole) == backend.memory(whole[2:]) == backend.memory(whole[::2])
    assert backend.memory(whole) != backend.memory(backend.result(whole[2:]))


# ---- the rest
def test_devices_are_those_that_arrays_are_on(xp):
    backend = backends.get(xp.namespace)
    array = xp.asarray([1.0])
    device = backend.device_of(array)
    assert device in backend.devices()
    moved = backend.to_device(array, device)
    assert backend.device_of(moved) == device
    np.testing.assert_array_equal(xp.to_numpy(moved), [1.0])


def test_persisting_and_waiting_leave_the_values(xp):
    backend = backends.get(xp.namespace)
    arrays = [xp.asarray([1.0, 2.0]) * 2, xp.asarray([[3.0]])]
    kept = backend.persist(arrays)
    backend.wait(kept)
    assert [xp.to_numpy(x).tolist() for x in kept] == [[2.0, 4.0], [[3.0]]]
    assert backend.persist([]) == []


@pytest.mark.parametrize("precision", ["default", "high", "highest"])
def test_products_of_float32_are_right_at_every_precision(xp, precision):
    backend = backends.get(xp.namespace)
    x = np.random.default_rng(0).normal(size=(8, 8)).astype("float32")
    with backend.precision(precision):
        found = xp.to_numpy(xp.matmul(xp.asarray(x), xp.asarray(x)))
    np.testing.assert_allclose(found, x.astype("float64") @ x, rtol=0, atol=1e-5 if precision == "highest" else 0.05)


def test_the_version_is_the_library_s(xp):
    installed = importlib.metadata.version(xp.variant.module.partition(".")[0].replace("_", "-"))
    assert backends.get(xp.namespace).version().partition("+")[0] == installed.partition("+")[0]
