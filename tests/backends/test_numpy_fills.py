"""NumPy's fills: the portable fill's bits in blocks and boxes, on any number of threads, and by Numba's kernels."""

import importlib.util
import math
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drawn import RECIPES, reference
from tl_arrayapi import backends, init
from tl_arrayapi.backends.numpy import fills, threads, tiers
from tl_arrayapi.init.formats import FORMATS

STARTS = [0, 2**32 - 70, 2**53 + 1]
WAYS = [
    "blocks",
    pytest.param(
        "kernels", marks=pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="numba is not installed")
    ),
]

each_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Have all fills go one way, whatever their size."""
    monkeypatch.setattr(tiers, "LOADING", 0 if request.param == "kernels" else math.inf)
    monkeypatch.setattr(tiers, "_SMALL", 0)
    return request.param


def filled(recipe, count, start=0, threads=1):
    dtype = "uint16" if recipe.format.name == "bfloat16" else recipe.format.name
    out = np.full(count + 1, 7, dtype)
    fills.fill_into(out[:count], recipe, start, threads)
    assert out[count] == 7
    return out[:count]


# ---------------------------------------------------------------- values
@each_recipe
def test_every_kind_has_the_bits_of_the_portable_fill(way, recipe):
    for start in STARTS:
        assert filled(recipe, 1003, start).tobytes() == reference(recipe, 1003, start).tobytes()


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 17, 23, 24])
def test_blocks_end_where_the_array_does(way, count, monkeypatch):
    monkeypatch.setattr(fills, "BLOCK", 8)
    for name in ("about 0, float32", "about 0, float16", "normal, bfloat16", "range, float64"):
        assert filled(RECIPES[name], count, 5).tobytes() == reference(RECIPES[name], count, 5).tobytes()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_threads_share_an_array_without_gaps(way, count, monkeypatch):
    monkeypatch.setattr(threads, "LEAST", 16)
    monkeypatch.setattr(threads, "ALIGNED", 8)
    monkeypatch.setattr(fills, "SHARED_BLOCK", 16)
    for size in (15, 64, 99):
        for name in ("about 0, float32", "range, float16", "normal off 0, float64"):
            assert filled(RECIPES[name], size, 3, count).tobytes() == reference(RECIPES[name], size, 3).tobytes()


@pytest.mark.parametrize("scheme", [init.kaiming_uniform(3, 1), init.uniform(0, 3, 1), init.normal(1, 2, 3)], ids=repr)
def test_a_float64_fill_has_the_values_of_value_at(way, scheme):
    found = filled(scheme.recipe(FORMATS["float64"]), 50)
    assert found.tolist() == [init.value_at(scheme, index) for index in range(50)]


# ---------------------------------------------------------------- boxes
@given(data=st.data())
@settings(max_examples=60)
def test_a_box_is_that_part_of_the_array(data):
    shape = data.draw(st.lists(st.integers(1, 5), max_size=4).map(tuple))
    ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    start, stop = [a for a, _ in ends], [b for _, b in ends]
    recipe = RECIPES[data.draw(st.sampled_from(["about 0, float32", "range, float64", "normal, float16"]))]
    whole = reference(recipe, math.prod(shape)).reshape(shape)
    expected = np.asarray(whole[tuple(map(slice, start, stop))])
    out = np.empty(expected.shape, expected.dtype)
    with pytest.MonkeyPatch.context() as patch:
        # Rows long enough to be written one by one, and rows that are gathered into blocks.
        patch.setattr(fills, "RUN", data.draw(st.sampled_from([1, 4, 1000])))
        patch.setattr(fills, "SHARED_BLOCK", data.draw(st.sampled_from([3, 16])))
        fills.fill_box(out, recipe, shape, start)
    assert out.tobytes() == expected.tobytes()


@pytest.mark.parametrize("run", [1, 2**12])
def test_a_box_of_a_vast_array_has_its_own_rows(way, run, monkeypatch):
    for name in ("RUN", "KERNEL_RUN"):
        monkeypatch.setattr(fills, name, run)
    recipe, shape = RECIPES["about 0, float32"], (2**20, 2**20, 2**12)
    out = np.empty((2, 2, 3), "float32")
    fills.fill_box(out, recipe, shape, (2**19, 2**20 - 2, 5))
    for i in range(2):
        for k in range(2):
            first = ((2**19 + i) * 2**20 + 2**20 - 2 + k) * 2**12 + 5
            assert out[i, k].tobytes() == reference(recipe, 3, first).tobytes()


# ---------------------------------------------------------------- which way
def test_numba_is_loaded_once_numpy_has_filled_much(monkeypatch):
    made = []
    monkeypatch.setattr(tiers, "_compiled", lambda: lambda recipe: made.append(recipe) or "kernel")
    monkeypatch.setattr(tiers, "_FILLED", SimpleNamespace(count=0))
    monkeypatch.setattr(tiers, "LOADING", 10_000)
    assert [tiers.kernel("recipe", count) for count in (5000, 4000, 5000)] == [None, None, "kernel"]
    assert tiers.kernel("recipe", 5) is None
    assert made == ["recipe"]


def test_without_numba_numpy_fills_all(monkeypatch):
    monkeypatch.setattr(tiers, "LOADING", 0)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "tl_arrayapi.backends.numpy.compiled", raising=False)
    tiers._compiled.cache_clear()
    try:
        recipe = RECIPES["about 0, float32"]
        assert tiers.kernel(recipe, 5000) is None
        assert filled(recipe, 5000).tobytes() == reference(recipe, 5000).tobytes()
    finally:
        tiers._compiled.cache_clear()


def test_kernels_are_compiled_where_nothing_can_be_kept(monkeypatch):
    numba = pytest.importorskip("numba")
    from tl_arrayapi.backends.numpy import compiled

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: (function, options)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled._compiled(len) == (len, {"nogil": True})


def test_no_kernel_is_used_where_numba_compiles_nothing(monkeypatch):
    numba = pytest.importorskip("numba")
    from tl_arrayapi.backends.numpy import compiled

    assert compiled.kernel_of(RECIPES["about 0, float32"]) is not None
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert compiled.kernel_of(RECIPES["about 0, float32"]) is None


def test_a_kind_without_a_kernel_is_filled_in_blocks(way):
    class Another(type(RECIPES["about 0, float32"])):
        pass

    recipe = init.uniform(-1, 1, 3).recipe(FORMATS["float32"])
    recipe.__class__ = Another
    assert filled(recipe, 5000).tobytes() == reference(recipe, 5000).tobytes()


@pytest.mark.parametrize(("asked", "expected"), [("3", 3), ("2,1", 2), (" 1 ", 1), ("0", 5), ("", 5), ("many", 5)])
def test_the_number_of_threads_is_openmp_s_or_the_processors(asked, expected, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: set(range(5)), raising=False)
    assert threads.thread_count() == expected


def test_threads_that_would_wait_for_the_interpreter_are_not_started(monkeypatch):
    shared = []
    monkeypatch.setattr(tiers, "LOADING", math.inf)
    monkeypatch.setattr(fills, "share", lambda work, count, threads: shared.append(threads))
    for asked in (2, 500):
        fills.fill_into(np.empty(10, np.float32), RECIPES["about 0, float32"], threads=asked)
    assert shared == [2, fills.MOST_THREADS]


def test_a_fill_takes_little_memory_beside_what_it_fills(monkeypatch):
    monkeypatch.setattr(tiers, "LOADING", math.inf)
    out = np.empty(2**21, np.float32)
    for name in ("about 0, float32", "normal off 0, float32"):
        tracemalloc.start()
        try:
            fills.fill_into(out, RECIPES[name], threads=1)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # Words of 64 bits: 4 MB would be a quarter of what the array's own would take.
        assert peak < 4e6


def test_what_fails_in_a_thread_is_raised(monkeypatch):
    def work(start, stop):
        if start:
            raise MemoryError("no memory")

    monkeypatch.setattr(threads, "LEAST", 1)
    monkeypatch.setattr(threads, "ALIGNED", 1)
    with pytest.raises(MemoryError, match="no memory"):
        threads.share(work, 10, 2)


def test_arrays_are_filled_in_their_own_memory():
    found = backends.get(None).draw(RECIPES["about 0, float32"], (3, 5), "float32", None)
    assert found.base is None
    assert found.flags.c_contiguous
    assert found.ravel().tobytes() == reference(RECIPES["about 0, float32"], 15).tobytes()
