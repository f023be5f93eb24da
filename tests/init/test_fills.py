"""Fills: the same bits in every library, whole, in blocks and in boxes; and what is refused before it is allocated."""

import importlib.util
import math
import tracemalloc

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi import backends, init
from tl_arrayapi.errors import ArgumentError, DTypeError, PlanError, ShapeError
from tl_arrayapi.init import fills, splitmix64
from tl_arrayapi.init.formats import FORMATS
from tl_arrayapi.init.recipes import Drawn
from tl_arrayapi.init.splitmix64 import draw

EXACT = [
    init.zeros(),
    init.ones(),
    init.uniform(-0.3, 0.3, seed=3),
    init.uniform(0.1, 0.7, seed=2**64 - 1),
    init.uniform(-2, 5, seed=9),
    init.xavier_uniform(3, 5, seed=1),
    init.kaiming_uniform(5, seed=2**63),
    init.constant(-0.0),
    init.constant(0.1),
    init.normal(0.0, 1.5, seed=11),
    init.normal(0.5, 2.0, seed=2**32),
    init.truncated_normal(0.3, 1.5, -2.0, 0.5, seed=6),
    init.flat([i / 7 for i in range(15)]),
]
DRAWN = [scheme for scheme in EXACT if isinstance(scheme.recipe(FORMATS["float32"]), Drawn)]
DTYPES = ["float16", "float32", "float64"]
# A draw at this index of seed 0 is 0xffffff94: as a float32, and divided by 2**32, it would be 1.
NEAR_ONE = 8_375_949

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
by_name = pytest.mark.parametrize("scheme", EXACT, ids=repr)


def same_bits(got: np.ndarray, expected: np.ndarray) -> bool:
    return got.dtype == expected.dtype and got.shape == expected.shape and got.tobytes() == expected.tobytes()


def dtypes(xp):
    return [dtype for dtype in DTYPES if xp.has(dtype)]


def materialize(xp, scheme, shape, dtype):
    return xp.to_numpy(init.materialize(scheme, shape, xp.namespace, dtype, xp.device))


def host(scheme, shape, dtype):
    return fills.fill(scheme, shape, np, dtype)


# ---------------------------------------------------------------- values
@by_name
def test_every_library_has_the_same_bits(xp, scheme):
    for dtype in dtypes(xp):
        assert same_bits(materialize(xp, scheme, (3, 5), dtype), host(scheme, (3, 5), dtype))


@by_name
def test_a_float64_fill_is_value_at_bit_for_bit(scheme):
    filled = host(scheme, (3, 5), "float64")
    assert filled.ravel().tolist() == [init.value_at(scheme, i) for i in range(15)]


@pytest.mark.parametrize("bound", [0.3, 1.0, 2e-5])
@each_dtype
def test_a_fill_about_0_is_the_exact_product_rounded_once(bound, dtype):
    form, values = FORMATS[dtype], host(init.uniform(-bound, bound, seed=6), (50,), dtype)
    half = 2 ** (form.bits - 1)
    for index, value in enumerate(values):
        # Both factors have at most 24 bits below float64, and 53 and 32 in it: NumPy's product rounds once.
        dyadic = np.longdouble((draw(6, index) >> (32 - form.bits)) - half) / half
        assert float(value) == float((np.longdouble(form.round(bound)) * dyadic).astype(dtype))


def test_float32_samples_keep_below_one_where_a_draw_would_round_to_it():
    assert np.float32(draw(0, NEAR_ONE)) / np.float32(2**32) == 1.0  # the fault guarded against
    for dtype in DTYPES:
        box = fills.fill_box(init.uniform(0, 1), (NEAR_ONE + 2,), (NEAR_ONE,), (NEAR_ONE + 1,), np, dtype)
        assert 0.99 < float(box[0]) < 1.0


def test_no_library_rounds_a_uniform_value_up_to_hi(xp):
    # Between 1 and 2 the largest sample lies halfway to 2, and rounds to even.
    shape, box = (NEAR_ONE + 2,), ((NEAR_ONE,), (NEAR_ONE + 1,))
    value = xp.to_numpy(fills.fill_box(init.uniform(1, 2), shape, *box, xp.namespace, "float32", xp.device))[0]
    assert value == np.nextafter(np.float32(2), np.float32(1))


def test_no_float16_value_rounds_up_to_hi():
    values = host(init.uniform(1, 2, seed=4), (40_000,), "float16")
    assert values.max() == np.nextafter(np.float16(2), np.float16(1))
    assert values.min() == 1.0


def test_no_value_about_0_rounds_up_to_a_tiny_bound():
    bound = float(np.finfo("float16").smallest_subnormal) * 100
    values = host(init.uniform(-bound, bound, seed=4), (20_000,), "float16")
    assert values.min() == -np.float16(bound)
    assert values.max() == np.nextafter(np.float16(bound), np.float16(0))


@each_dtype
def test_uniform_values_are_uniform(dtype):
    values = host(init.uniform(-1, 3, seed=5), (100_000,), dtype).astype("float64")
    assert abs(values.mean() - 1.0) < 5 * 4 / math.sqrt(12 * 100_000)
    assert np.all(np.abs(np.histogram(values, 10, (-1, 3))[0] - 10_000) < 5 * math.sqrt(9_000))


def test_another_seed_makes_other_values(xp):
    one, other = (materialize(xp, init.uniform(-1, 1, seed), (50,), "float32") for seed in (0, 1))
    assert np.all(one != other)


def test_bfloat16_values_are_rounded_once_where_the_library_has_them(xp):
    form = FORMATS["bfloat16"]
    for scheme in EXACT:
        if not xp.has("bfloat16"):
            with pytest.raises(DTypeError, match="bfloat16"):
                init.materialize(scheme, (3, 5), xp.namespace, "bfloat16", xp.device)
            continue
        filled = init.materialize(scheme, (3, 5), xp.namespace, "bfloat16", xp.device)
        assert filled.dtype == xp.bfloat16
        expected = [form.round(scheme.recipe(form).at(i)) for i in range(15)]
        assert xp.to_numpy(xp.astype(filled, xp.float32)).ravel().tolist() == expected


# ---------------------------------------------------------------- parts of one array
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_blocks_of_any_size_make_the_same_array(data):
    scheme = data.draw(st.sampled_from(DRAWN))
    count, block = data.draw(st.integers(0, 60)), data.draw(st.integers(1, 70))
    assert same_bits(fills.fill(scheme, (count,), np, "float32", block=block), host(scheme, (count,), "float32"))


def test_blocks_make_the_same_array_in_every_library(xp):
    for scheme in (EXACT[3], EXACT[5]):
        got = fills.fill(scheme, (7, 9), xp.namespace, "float32", xp.device, block=10)
        assert same_bits(xp.to_numpy(got), host(scheme, (7, 9), "float32"))


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_box_is_that_part_of_the_whole(data):
    scheme = data.draw(st.sampled_from(EXACT[:-1]))
    shape = data.draw(st.lists(st.integers(1, 5), max_size=4).map(tuple))
    if data.draw(st.booleans()) and math.prod(shape) == 15:
        scheme = EXACT[-1]
    ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    start, stop = [a for a, _ in ends], [b for _, b in ends]
    part = fills.fill_box(scheme, shape, start, stop, np, "float32")
    assert same_bits(np.asarray(part), np.asarray(host(scheme, shape, "float32")[tuple(map(slice, start, stop))]))


@pytest.mark.parametrize(
    "scheme", [init.eye(), init.orthogonal(seed=3), init.flat([n / 7 for n in range(35)])], ids=repr
)
def test_a_part_of_what_depends_on_the_shape_is_that_of_the_whole(scheme):
    whole = host(scheme, (5, 7), "float32")
    for start, stop in (((0, 0), (5, 7)), ((1, 4), (4, 7)), ((2, 0), (3, 2)), ((2, 3), (2, 5))):
        part = fills.fill_box(scheme, (5, 7), start, stop, np, "float32")
        assert same_bits(
            np.ascontiguousarray(part), np.ascontiguousarray(whole[start[0] : stop[0], start[1] : stop[1]])
        )


def test_a_box_far_along_a_vast_array_has_the_reference_draws():
    start = 2**32 - 1
    box = fills.fill_box(init.uniform(0, 1), (2**40, 4), (2**30 - 1, 3), (2**30 + 1, 4), np, "float64")
    assert (box * 2**32).ravel().tolist() == [draw(0, start), draw(0, start + 4)]
    last = fills.fill_box(init.uniform(0, 1), (2**53,), (2**53 - 1,), (2**53,), np, "float64")
    assert last.tolist() == [init.unit_sample(0, 2**53 - 1)]


@pytest.mark.parametrize(
    ("shape", "start", "stop"),
    [
        ((2**40,), (2**33 - 1,), (2**33 + 2,)),
        # Further apart than 32 bits count: between rows, between matrices, and along a row.
        ((2**20, 2**32), (5, 7), (8, 9)),
        ((2**10, 2**20, 2**20), (1, 2**20 - 3, 2**20 - 1), (4, 2**20, 2**20)),
        ((3, 2**33), (1, 2**32 - 2), (3, 2**32 + 3)),
        ((2**40, 3), (2**39, 0), (2**39, 3)),
    ],
)
def test_a_box_may_reach_further_than_the_library_s_integers(shape, start, stop):
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("no_x64")
    recipe = DRAWN[1].recipe(FORMATS["float32"])
    found = fills.fill_box(DRAWN[1], shape, start, stop, strict, "float32", device)
    assert found.shape == tuple(b - a for a, b in zip(start, stop, strict=True))
    places = np.ravel_multi_index(np.indices(found.shape) + np.reshape(start, (-1, *(1,) * len(shape))), shape)
    expected = [np.float32(recipe.at(int(place))) for place in places.ravel()]
    np.testing.assert_allclose(np.asarray(found.to_device(strict.Device("CPU_DEVICE"))).ravel(), expected, rtol=2e-7)
    whole = fills.fill_box(DRAWN[1], shape, start, stop, np, "float32")
    assert same_bits(np.asarray(found.to_device(strict.Device("CPU_DEVICE"))), whole)


def test_fills_without_64_bit_integers_have_the_same_bits():
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("no_x64")
    for scheme in EXACT:
        got = fills.fill(scheme, (3, 5), strict, "float32", device, block=4)
        assert got.device == device
        assert same_bits(np.asarray(got.to_device(strict.Device("CPU_DEVICE"))), host(scheme, (3, 5), "float32"))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_jax_has_the_same_bits_with_64_bit_integers_and_without():
    import jax

    for enabled in (True, False):
        with jax.enable_x64(enabled):
            for scheme in EXACT:
                got = init.materialize(scheme, (3, 5), jax.numpy)
                assert same_bits(np.asarray(got), host(scheme, (3, 5), "float32"))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.parametrize("tried_before", [True, False])
def test_a_compiler_that_fuses_products_into_sums_changes_no_bits(tried_before):
    import jax

    splitmix64._tried.cache_clear()
    if tried_before:
        splitmix64.draws_form(jax.numpy)
    for scheme in DRAWN:
        compiled = jax.jit(lambda scheme=scheme: fills.fill(scheme, (3, 5), jax.numpy, "float32"))()
        assert same_bits(np.asarray(compiled), host(scheme, (3, 5), "float32"))


class Row:
    """An array of `Floats`."""

    def __init__(self, host):
        self.host, self.dtype = host, host.dtype

    def __array_namespace__(self, api_version=None):
        return FLOATS


class Floats:
    """A library with floating arrays alone, and no integers to draw with."""

    __name__ = "floats"
    float32, float64 = np.float32, np.float64

    def asarray(self, values, dtype):
        assert isinstance(values, list | float)
        return Row(np.asarray(values, dtype=dtype))

    def empty(self, shape):
        return Row(np.empty(shape))

    def reshape(self, x, shape):
        return Row(np.reshape(x.host, shape))

    def full(self, shape, fill_value, dtype):
        return Row(np.full(shape, fill_value, dtype=dtype))


FLOATS = Floats()


def test_a_library_without_integers_is_filled_from_the_host():
    for scheme in EXACT:
        filled = init.materialize(scheme, (3, 5), FLOATS)
        assert same_bits(filled.host, host(scheme, (3, 5), "float32"))


def test_a_large_fill_needs_little_more_memory_than_its_array():
    count = 8 * fills.BLOCK
    fills.fill(EXACT[2], (fills.BLOCK,), np, "float32")
    tracemalloc.start()
    try:
        filled = fills.fill(EXACT[2], (count,), np, "float32")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Five blocks of 64-bit words: the offsets, the draws and what is computed from them.
    assert peak <= filled.nbytes + 5 * 8 * fills.BLOCK


def test_what_is_drawn_is_never_copied_from_the_host(xp, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("values were copied between host and device")

    kind = type(backends.get(xp.namespace))
    for name in ("from_host", "to_host"):
        monkeypatch.setattr(kind, name, forbidden)
    for scheme in DRAWN:
        assert init.materialize(scheme, (3, 5), xp.namespace, "float32", xp.device).shape == (3, 5)


def test_empty_and_zero_dimensional_arrays_are_filled(xp):
    assert materialize(xp, EXACT[3], (0, 4), "float32").shape == (0, 4)
    value = materialize(xp, EXACT[3], (), xp.real)
    assert value.shape == ()
    assert abs(float(value) - init.value_at(EXACT[3], 0)) < 1e-7


def test_filled_arrays_live_on_the_device_asked_for(xp):
    expected = array_api_compat.device(xp.asarray([1.0]))
    for scheme in EXACT:
        filled = init.materialize(scheme, (3, 5), xp.namespace, "float32", xp.device)
        assert array_api_compat.device(filled) == expected


def test_each_fill_is_an_array_of_its_own():
    first, second = init.materialize(init.ones(), (2,)), init.materialize(init.ones(), (2,))
    first[0] = 5.0
    assert second.tolist() == [1.0, 1.0]


# ---------------------------------------------------------------- arguments
def test_a_dtype_may_be_the_library_s_own(xp):
    got = init.materialize(init.ones(), (2,), xp.namespace, xp.float32, xp.device)
    assert got.dtype == xp.float32


def test_without_a_library_numpy_fills():
    got = init.materialize(init.ones(), (2,))
    assert isinstance(got, np.ndarray)
    assert got.dtype == np.float32


@pytest.mark.parametrize("dtype", ["int32", "complex64", "bool", "float33"])
def test_a_dtype_that_is_not_real_floating_is_refused(xp, dtype):
    with pytest.raises(DTypeError, match=dtype):
        init.materialize(init.ones(), (2,), xp.namespace, dtype, xp.device)


def test_a_dtype_that_the_library_lacks_is_refused():
    with pytest.raises(DTypeError, match="bfloat16"):
        init.materialize(init.ones(), (2,), np, "bfloat16")


def test_chunks_are_refused_where_nothing_is_chunked():
    with pytest.raises(ArgumentError, match="chunks"):
        init.materialize(init.ones(), (2,), chunks=1)


class Forbidden:
    """A namespace in which nothing may be allocated."""

    __name__ = "forbidden"
    float32, float64, int32, int64, uint64 = "float32", "float64", "int32", "int64", "uint64"

    def forbidden(self, *args, **kwargs):
        raise AssertionError("something was allocated")

    arange = asarray = empty = full = ones = zeros = forbidden


@pytest.mark.parametrize(
    ("scheme", "shape", "dtype", "error"),
    [
        (init.ones(), (2**40, 2**40), "float32", ShapeError),
        (init.ones(), (2, -1), "float32", ShapeError),
        (init.ones(), (2.5,), "float32", ShapeError),
        (init.flat([1.0, 2.0]), (3,), "float32", PlanError),
        (init.flat([1.0, 2.0]), (), "float32", PlanError),
        (init.uniform(0.0, 1e39), (2,), "float32", PlanError),
        (init.ones(), (2,), "int32", DTypeError),
        ("ones", (2,), "float32", PlanError),
        (init.ones, (2,), "float32", PlanError),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_allocated(scheme, shape, dtype, error, monkeypatch):
    monkeypatch.setattr(type(backends.get(None)), "fill", Forbidden.forbidden)
    with pytest.raises(error):
        init.materialize(scheme, shape, None, dtype)
    with pytest.raises(error):
        fills.fill(scheme, shape, Forbidden(), dtype)
