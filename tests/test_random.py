"""Keys and draws: the same bits on every library, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tl_arrayapi as tl
from tl_arrayapi import random
from tl_arrayapi.errors import ArgumentError, DTypeError, NamespaceError, PlanError, ShapeError
from tl_arrayapi.init.splitmix64 import Limbs, Words, mix
from tl_arrayapi.random import bernoulli, fold_in, key, split, uniform

LOW64, LOW32 = 2**64 - 1, 2**32 - 1
# Keys whose sums carry: out of each 32 bits, and out of all 64.
WORDS = [0, 1, LOW32, LOW32 << 32, LOW64, LOW64 - 3, 0x61C8864680B583EA, 0x123456789ABCDEF]


def word_of(k):
    return sum(int(limb) << 16 * i for i, limb in enumerate(np.asarray(k)))


def key_of(xp, word):
    return xp.asarray([word >> places & 0xFFFF for places in (0, 16, 32, 48)], "int32")


def draws(word, count, start=0):
    return [mix((word + start + i) & LOW64) & LOW32 for i in range(count)]


# ---------------------------------------------------------------- keys
@settings(deadline=None)
@given(st.integers(0, LOW64), st.integers(0, LOW64))
def test_a_key_holds_the_mixed_seed_and_step(seed, step):
    assert word_of(key(seed, step)) == mix((mix(seed) + step) & LOW64)


def test_a_key_is_a_small_integer_array_of_the_library(xp):
    k = key(3, 4, xp.namespace, xp.device)
    assert (tuple(k.shape), k.dtype) == ((4,), xp.int32)
    assert isinstance(k, type(xp.asarray([1], "int32")))
    assert getattr(k, "device", None) == getattr(xp.asarray([1], "int32"), "device", None)
    np.testing.assert_array_equal(xp.to_numpy(k), key(3, 4))


@pytest.mark.parametrize(
    ("seed", "step", "error"),
    [(-1, 0, PlanError), (2**64, 0, PlanError), (0.5, 0, PlanError), (0, -1, ArgumentError), (0, 1.5, ArgumentError)],
)
def test_a_seed_or_step_that_is_no_count_is_refused(seed, step, error):
    with pytest.raises(error):
        key(seed, step)


# ---------------------------------------------------------------- draws
@pytest.mark.parametrize("word", WORDS, ids=hex)
def test_uniform_numbers_are_the_top_bits_of_the_draws_on_every_library(xp, word):
    k = key_of(xp, word)
    for dtype, bits in {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 32}.items():
        if not xp.has(dtype):
            continue
        found = uniform(k, (3, 4), dtype)
        assert (tuple(found.shape), found.dtype) == ((3, 4), getattr(xp, dtype))
        values = xp.to_numpy(xp.astype(found, xp.float32) if dtype == "bfloat16" else found).astype("float64")
        np.testing.assert_array_equal(values.reshape(-1), [(d >> (32 - bits)) / 2**bits for d in draws(word, 12)])


def test_numbers_never_change():
    # What users trained depends on them: these are constants for ever.
    assert key(7, 11).tolist() == [6451, 58472, 28880, 8246]
    assert [x.hex() for x in uniform(key(7, 11), (2,)).tolist()] == ["0x1.66ed700000000p-2", "0x1.8958e00000000p-2"]
    assert fold_in(key(7, 11), 5).tolist() == [60297, 55754, 61708, 4542]


FORMS = [(Words, "uint64"), (Words, "int64"), (Limbs, "uint32"), (Limbs, "int32")]


@pytest.mark.parametrize(("form", "dtype"), FORMS)
@pytest.mark.parametrize("word", WORDS, ids=hex)
def test_every_form_of_the_integers_gives_the_same_bits(monkeypatch, form, dtype, word):
    monkeypatch.setattr(random, "draws_form", lambda xp, device: form(xp, dtype, device))
    k = np.asarray([word >> places & 0xFFFF for places in (0, 16, 32, 48)], "int32")
    assert (uniform(k, (50,), "float64") * 2**32).tolist() == draws(word, 50)
    assert (uniform(k, (50,)) * 2**24).tolist() == [d >> 8 for d in draws(word, 50)]
    assert bernoulli(k, 0.3, (50,)).tolist() == [(d >> 8) / 2**24 < 0.3 for d in draws(word, 50)]
    low, high = draws(word, 2, 2**63 + 14)
    assert word_of(fold_in(k, 7)) == low | high << 32


@pytest.mark.parametrize("word", WORDS, ids=hex)
def test_a_folded_key_is_made_of_two_draws_far_beyond_any_array(xp, word):
    for data in (0, 1, 12345, 2**62 - 1):
        low, high = draws(word, 2, 2**63 + 2 * data)
        folded = fold_in(key_of(xp, word), data)
        assert folded.dtype == xp.int32
        assert word_of(xp.to_numpy(folded)) == low | high << 32


def test_split_gives_distinct_keys(xp):
    keys = split(key(0, 0, xp.namespace, xp.device), 8)
    assert len({word_of(xp.to_numpy(k)) for k in keys}) == 8
    np.testing.assert_array_equal(xp.to_numpy(keys[3]), fold_in(key(0, 0), 3))


def test_bernoulli_equals_a_uniform_number_below_p(xp):
    k = key(1, 2, xp.namespace, xp.device)
    u = xp.to_numpy(uniform(k, (100,)))
    for p in (0, 0.0, 0.1, 0.5, float(u[7]), math.nextafter(float(u[7]), 1), 1 - 2**-30, 1, 1.0):
        found = bernoulli(k, p, (100,))
        assert found.dtype == xp.bool
        np.testing.assert_array_equal(xp.to_numpy(found), u.astype("float64") < p)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), 5, [2, 3]])
def test_any_shape_is_drawn(xp, shape):
    k = key(1, 2, xp.namespace, xp.device)
    expected = (shape,) if isinstance(shape, int) else tuple(shape)
    assert tuple(uniform(k, shape).shape) == expected
    assert tuple(bernoulli(k, 0.5, shape).shape) == expected


def test_masks_of_other_steps_seeds_and_layers_differ():
    masks = {
        bernoulli(fold_in(key(seed, step), layer), 0.5, (64,)).tobytes()
        for seed in range(4)
        for step in range(4)
        for layer in range(4)
    }
    assert len(masks) == 64


def test_a_large_mask_has_about_the_right_mean_and_no_correlation_along_it():
    mask = bernoulli(key(0, 0), 0.3, (200_000,)).astype(float) - 0.3
    deviation = math.sqrt(0.3 * 0.7 / mask.size)
    assert abs(mask.mean()) < 4 * deviation
    assert abs((mask[1:] * mask[:-1]).mean()) < 4 * 0.21 / math.sqrt(mask.size)


def test_a_key_may_be_an_argument_of_a_differentiated_function(xp):
    k, x = key(1, 2, xp.namespace, xp.device), xp.asarray([1.0, 2.0, 3.0, 4.0])

    def loss(x, k):
        namespace = tl.array_namespace(x, k)
        return namespace.sum(
            namespace.where(bernoulli(k, 0.5, x.shape), x * x, 0 * x) * uniform(fold_in(k, 1), x.shape)
        )

    expected = 2 * np.arange(1, 5) * bernoulli(key(1, 2), 0.5, (4,)) * uniform(fold_in(key(1, 2), 1), (4,))
    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(x, k)), expected, rtol=1e-6)


def test_a_compiled_function_draws_the_same_numbers_and_captures_nothing(xp):
    def drawn(k):
        first, second = split(k, 2)
        numbers = [uniform(first, (2, 3)), uniform(second, (5,), xp.real), uniform(fold_in(k, 9), ())]
        return numbers, bernoulli(k, 0.3, (7,)), fold_in(k, 12)

    compiled = tl.compile(drawn, fast_kernels=False)
    for word in WORDS[-2:]:
        k = key_of(xp, word)
        (numbers, mask, folded), (same_numbers, same_mask, same_folded) = compiled(k), drawn(k)
        for x, y in zip((*numbers, mask, folded), (*same_numbers, same_mask, same_folded), strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(xp.to_numpy(x), xp.to_numpy(y))
    assert compiled.cache_info().misses == 1
    assert compiled.graph.captured == ()


def test_what_is_no_key_is_refused_while_tracing_too():
    for bad, error in ((np.zeros(3, "int32"), ShapeError), (np.zeros(4, "int64"), DTypeError)):
        with pytest.raises(error, match="make keys with"):
            tl.compile(lambda k: uniform(k, (2,)))(bad)


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    "draw", [lambda k: uniform(k, (2,)), lambda k: bernoulli(k, 0.5, (2,)), lambda k: fold_in(k, 1)]
)
@pytest.mark.parametrize(
    ("bad", "error", "named"),
    [
        (None, ArgumentError, "evaluation"),
        (np.zeros(3, "int32"), ShapeError, r"shape \(4,\); got \(3,\)"),
        (np.zeros(4, "int64"), DTypeError, "int32; got int64"),
        ([1, 2, 3, 4], NamespaceError, "list"),
    ],
)
def test_what_is_no_key_is_refused(draw, bad, error, named):
    with pytest.raises(error, match=named):
        draw(bad)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, True, "0.5", None])
def test_a_probability_outside_0_to_1_is_refused(p):
    with pytest.raises(ArgumentError, match="p must be"):
        bernoulli(key(0, 0), p, (2,))


@pytest.mark.parametrize("data", [-1, 2**62, 0.5])
def test_what_cannot_be_folded_in_is_refused(data):
    with pytest.raises(ArgumentError):
        fold_in(key(0, 0), data)


def test_a_shape_that_is_none_is_refused():
    with pytest.raises(ShapeError):
        uniform(key(0, 0), (2, -1))


def test_a_dtype_that_is_not_real_floating_is_refused():
    with pytest.raises(DTypeError):
        uniform(key(0, 0), (2,), "int32")


def test_the_module_shows_its_five_functions():
    assert set(random.__all__) == {"bernoulli", "fold_in", "key", "split", "uniform"}
