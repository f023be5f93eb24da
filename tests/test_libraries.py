"""The `xp` fixture gives what it promises."""

import numpy as np
import pytest

VALUES = np.arange(12.0).reshape(3, 4) / 7


def test_values_survive_the_way_there_and_back(xp):
    array = xp.asarray(VALUES)
    host = xp.to_numpy(array)
    assert host.dtype.name == xp.real
    np.testing.assert_array_equal(host, VALUES.astype(xp.real))


DTYPES = ["float16", "float32", "float64", "int32", "int64", "uint64", "bool", "complex64", "complex128"]


def test_a_named_dtype_is_kept(xp):
    for dtype in filter(xp.has, DTYPES):
        array = xp.asarray([[1, 0, 1]], dtype)
        assert array.dtype == getattr(xp.namespace, dtype)
        assert xp.to_numpy(array).dtype.name == dtype


@pytest.mark.parametrize("xp", ["strict-float32"], indirect=True)
def test_the_variant_without_float64_has_neither_it_nor_what_is_as_wide(xp):
    assert (xp.real, [name for name in DTYPES if not xp.has(name)]) == ("float32", ["float16", "float64", "complex128"])
    with pytest.raises(pytest.skip.Exception, match="strict-float32 has no float64"):
        xp.asarray(VALUES, "float64")


def test_a_zero_dimensional_array_is_an_array(xp):
    assert xp.asarray(2.5).shape == ()
    assert float(xp.to_numpy(xp.asarray(2.5))) == 2.5


@pytest.mark.parametrize("xp", ["strict-device1", "strict-float32"], indirect=True)
def test_arrays_live_on_the_device_of_the_variant(xp):
    assert xp.asarray(VALUES).device == xp.device
    with pytest.raises(ValueError, match="device"):
        xp.asarray(VALUES) + xp.namespace.ones((3, 4), dtype=xp.namespace.float32)


@pytest.mark.parametrize("xp", ["numpy-readonly"], indirect=True)
def test_readonly_arrays_cannot_be_written(xp):
    with pytest.raises(ValueError, match="read-only"):
        xp.asarray(VALUES)[0] = 0


@pytest.mark.parametrize("xp", ["dask"], indirect=True)
def test_dask_arrays_have_several_chunks(xp):
    assert xp.asarray(VALUES).chunks == ((2, 1), (2, 2))


@pytest.mark.parametrize("xp", ["strict-flags"], indirect=True)
def test_the_strictest_flags_hold_during_the_test(xp):
    array = xp.asarray(VALUES)
    with pytest.raises(RuntimeError, match="boolean_indexing"):
        array[array > 0]


def test_attributes_come_from_the_namespace(xp):
    assert xp.add is xp.namespace.add
