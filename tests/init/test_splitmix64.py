"""The draws: the reference's vectors, and every array form against Python integers."""

import contextlib
import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi import init
from tl_arrayapi.errors import ArgumentError, BackendError, PlanError
from tl_arrayapi.init.splitmix64 import Limbs, Words, available_dtypes, draw, draws_form, mix, stream_key

FORMS = [(Words, "uint64"), (Words, "int64"), (Limbs, "uint32"), (Limbs, "int32")]
each_form = pytest.mark.parametrize(("form", "dtype"), FORMS, ids=[dtype for _, dtype in FORMS])
words = st.integers(0, 2**64 - 1)

VECTORS = [
    (0, 0xE220A8397B1DCDAF, [0x4D197E6F, 0xAF37E97F, 0x4F0B438C, 0x3B410C7A]),
    (1, 0x910A2DEC89025CC1, [0x7439611E, 0x3217AE03, 0x9673066B, 0x4BD86CD7]),
    (42, 0xBDD732262FEB6E95, [0x65107204, 0x99F9054A, 0x8690AE46, 0x8A3CCA10]),
    (0x123456789ABCDEF, 0x157A3807A48FAA9D, [0xA3FD73B6, 0x8365803D, 0x39D42A16, 0xBC954934]),
    (2**64 - 1, 0xE4D971771B652C20, [0xB2A27137]),
]
# Where a carry can go wrong: i = 2**32 - 1, 2**32, 2**53 + 1.
FAR = [
    (0, [0xC3AE1073, 0xCDFA65D2, 0xD9EB8F6C]),
    (42, [0xDE9CA4AD, 0xD5741CC5, 0x9EE0AFB3]),
    (2**64 - 1, [0x23C89CBA, 0xF75D4242, 0x11D4FACB]),
]


def low_bits(draws) -> list[int]:
    return [int(d) & 0xFFFFFFFF for d in np.asarray(draws)]


@pytest.mark.parametrize(("seed", "key", "draws"), VECTORS)
def test_the_reference_vectors_come_out(seed, key, draws):
    assert stream_key(seed) == key
    assert [draw(seed, i) for i in range(len(draws))] == draws


@pytest.mark.parametrize(("seed", "draws"), FAR)
def test_indices_beyond_32_and_53_bits_have_the_reference_draws(seed, draws):
    assert [draw(seed, i) for i in (2**32 - 1, 2**32, 2**53 + 1)] == draws


def test_unit_sample_is_the_draw_over_two_to_the_32():
    assert init.unit_sample(0, 1) == 0xAF37E97F / 2**32
    assert init.unit_sample(np.uint64(2**64 - 1), np.int64(0)) == 0xB2A27137 / 2**32


@pytest.mark.parametrize("seed", [-1, 2**64, True, 1.0, "1", None, pytest.param(10**5000, id="huge")])
def test_a_seed_that_is_no_64_bit_integer_is_refused(seed):
    with pytest.raises(PlanError, match="seed"):
        init.unit_sample(seed, 0)


@pytest.mark.parametrize("index", [-1, True, 0.0, None])
def test_an_index_that_does_not_count_from_0_is_refused(index):
    with pytest.raises(ArgumentError, match="index"):
        init.unit_sample(0, index)


@each_form
@pytest.mark.parametrize(("seed", "draws"), FAR)
def test_every_form_has_the_reference_draws_where_a_carry_can_go_wrong(form, dtype, seed, draws):
    found = form(np, dtype)
    for index, expected in zip((2**32 - 1, 2**32, 2**53 + 1), draws, strict=True):
        assert low_bits(found.draws(stream_key(seed) + index, found.counting(1))) == [expected]


@each_form
@given(base=words, count=st.integers(1, 40), step=st.integers(1, 2**20))
@settings(deadline=None)
def test_every_form_agrees_with_python_integers(form, dtype, base, count, step):
    found = form(np, dtype)
    got = low_bits(found.draws(base, found.counting(count, step)))
    assert got == [mix((base + i * step) % 2**64) % 2**32 for i in range(count)]


@each_form
@given(base=words, near=st.integers(-6, 0))
@settings(deadline=None)
def test_every_form_carries_into_the_upper_limb(form, dtype, base, near):
    # The constant that the generator adds is taken off, so that the sums cross a multiple of 2**32.
    base = (base // 2**32 * 2**32 + near - 0x9E3779B97F4A7C15) % 2**64
    found = form(np, dtype)
    assert low_bits(found.draws(base, found.counting(7))) == [mix((base + i) % 2**64) % 2**32 for i in range(7)]


@each_form
@given(base=words, bits=st.integers(2, 32))
@settings(deadline=None)
def test_halves_and_numbers_are_the_top_bits_of_the_draws(form, dtype, base, bits):
    found = form(np, dtype)
    expected = [mix((base + i) % 2**64) % 2**32 >> (32 - bits) for i in range(5)]
    upper, lower = found.halves(found.draws(base, found.counting(5)), bits)
    assert [int(u) * 2 ** (bits // 2) + int(v) for u, v in zip(upper, lower, strict=True)] == expected
    assert found.numbers(found.draws(base, found.counting(5)), bits, np.float64).tolist() == expected


def test_the_form_that_is_found_gives_the_reference_draws(xp):
    form = draws_form(xp.namespace, xp.device)
    for seed, _, draws in VECTORS:
        got = form.draws(stream_key(seed), form.counting(len(draws)))
        assert low_bits(xp.to_numpy(got)) == draws


def test_torch_draws_with_int64_and_a_library_without_64_bits_with_limbs():
    strict = pytest.importorskip("array_api_strict")
    assert isinstance(draws_form(strict, strict.Device("no_x64")), Limbs)
    assert available_dtypes(strict, strict.Device("no_x64")).isdisjoint({"int64", "uint64", "float64"})


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_the_form_follows_the_switch_of_jax():
    import jax

    assert isinstance(draws_form(jax.numpy), Words if jax.config.jax_enable_x64 else Limbs)
    with jax.enable_x64(False):
        form = draws_form(jax.numpy)
        assert isinstance(form, Limbs)
        assert low_bits(form.draws(stream_key(42), form.counting(4))) == VECTORS[2][2]


class Wrong:
    """A namespace whose shift does something else, and nothing says so."""

    __name__ = "wrong"

    def __getattr__(self, name: str):
        return getattr(np, name)

    def arange(self, *args, **kwargs):
        return np.arange(*args, **kwargs).view(Shifty)


class Shifty(np.ndarray):
    def __rshift__(self, places):
        return super().__rshift__(places % 7)


def test_a_library_that_computes_wrongly_is_not_trusted():
    with pytest.raises(BackendError, match="wrong has no integers"):
        draws_form(Wrong())


def test_a_failed_trial_is_tried_again():
    wrong = Wrong()
    with contextlib.suppress(BackendError):
        draws_form(wrong)
    wrong.arange = np.arange
    assert isinstance(draws_form(wrong), Words)
