"""What `tl.compile` promises: structures, numbers, programs that are kept, threads, memory, pickling, transforms."""

import collections
import functools
import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.compiled.equality import assert_same_bits, eager, exactly, hosts, quickly
from tests.libraries import load
from tl_arrayapi.errors import ArgumentError, DeviceError, NamespaceError, StructureError, TLError, TraceError

X = np.asarray([1.0, -2.0, 3.0])
Pair = collections.namedtuple("Pair", ["first", "second"])


def total(x):
    return tl.array_namespace(x).sum(x * x)


def affine(x, scale=2.0, *, shift=0.0):
    return x * scale + shift


# ---------------------------------------------------------------- structures
def test_arguments_and_results_may_be_nested(xp):
    def f(p, q, *, extra):
        sums = {"out": p["w"] + q[0], "list": [q[1][0] * 2, (p["w"], None, "text", 3)]}
        return sums, Pair(extra, {"empty": ()})

    x, y = xp.asarray(X), xp.asarray(2 * X)
    got = quickly(xp, f)({"w": x, "unused": y}, (y, [x]), extra=x)
    (sums, pair), (same, same_pair) = got, reference(xp, f, x, y)
    assert sums.keys() == same.keys()
    assert_same_bits(xp, [sums["out"], sums["list"][0], sums["list"][1][0]], [same["out"], same["list"][0], x])
    assert sums["list"][1][1:] == (None, "text", 3)
    assert type(pair) is Pair
    assert pair.second == {"empty": ()}
    assert_same_bits(xp, pair.first, same_pair.first)


def reference(xp, f, x, y):
    ours = tl.namespace(xp.namespace)
    sums, pair = f({"w": ours.lift(x)}, (ours.lift(y), [ours.lift(x)]), extra=ours.lift(x))
    return {"out": sums["out"].value, "list": [sums["list"][0].value]}, Pair(pair.first.value, None)


@pytest.mark.parametrize(
    "container",
    [
        lambda x: [x, x],
        lambda x: (x, x),
        lambda x: {"a": x, "b": x},
        lambda x: Pair(x, x),
        lambda x: collections.OrderedDict(a=x, b=x),
        lambda x: [(x, {"a": [x]}), []],
    ],
)
def test_a_container_comes_back_as_it_went_in(container):
    given = container(X)
    got = tl.compile(lambda tree: tree)(given)
    assert type(got) is type(given)
    assert repr(got) == repr(given)


def test_structures_that_differ_have_programs_of_their_own():
    f = tl.compile(lambda tree: [2 * leaf for leaf in (tree.values() if isinstance(tree, dict) else tree)])
    for tree in ([X], (X,), [X, X], {"a": X}, {"b": X}):
        np.testing.assert_array_equal(f(tree)[0], 2 * X)
    assert f.cache_info().misses == 5


def test_keyword_arguments_and_defaults_reach_the_function():
    f = tl.compile(affine)
    np.testing.assert_array_equal(f(X), 2 * X)
    np.testing.assert_array_equal(f(X, 3.0), 3 * X)
    np.testing.assert_array_equal(f(X, shift=1.0), 2 * X + 1)
    np.testing.assert_array_equal(f(x=X, scale=0.5), 0.5 * X)


def test_a_method_may_be_compiled():
    class Model:
        def __init__(self, w):
            self.w = w

        @tl.compile
        def scaled(self, x):
            return self.w * x

    two, three = Model(2.0), Model(3.0)
    np.testing.assert_array_equal(two.scaled(X), 2 * X)
    np.testing.assert_array_equal(three.scaled(X), 3 * X)


def test_name_and_text_are_those_of_the_function():
    f = tl.compile(affine)
    assert f.__name__ == "affine"
    assert f.__wrapped__ is affine
    assert "affine" in repr(f)


def test_what_is_neither_array_nor_number_is_static():
    def f(x, mode, flag):
        return x + 1 if mode == "up" and flag else x - 1

    compiled = tl.compile(f)
    np.testing.assert_array_equal(compiled(X, "up", True), X + 1)
    np.testing.assert_array_equal(compiled(X, "up", False), X - 1)
    np.testing.assert_array_equal(compiled(X, "down", True), X - 1)
    assert compiled.cache_info().misses == 3


def test_what_has_no_hash_is_refused_and_named():
    with pytest.raises(StructureError, match=r"args\[1\] is a set"):
        tl.compile(lambda x, s: x)(X, {1, 2})


def test_a_function_without_arrays_runs_as_it_is():
    f = tl.compile(lambda a, b: a + b)
    assert f(2, 3) == 5
    assert f.cache_info().misses == 0


def test_what_is_no_function_is_refused():
    with pytest.raises(ArgumentError, match="function"):
        tl.compile(3)


# ---------------------------------------------------------------- numbers
def test_another_number_needs_no_other_program(xp):
    f, x = quickly(xp, affine), xp.asarray(X)
    for scale in (0.5, -1.25, 1e3):
        np.testing.assert_array_equal(xp.to_numpy(f(x, scale, shift=scale)), xp.to_numpy(x) * scale + scale)
    assert f.cache_info().misses == 1
    assert f.cache_info().hits == 2


SOME = pytest.mark.parametrize(
    "library",
    [
        *("numpy", "torch", "array_api_strict", "strict-float32"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("jax", "dask", "strict-device1")),
    ],
)


@SOME
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int32", "uint8"])
@pytest.mark.parametrize("number", [3, 2.5, 1.5 + 0.5j])
def test_a_number_takes_the_dtype_that_it_takes_in_the_eager_engine(library, dtype, number):
    xp = load(library)
    x = xp.asarray([1, 2, 3], dtype)

    def f(x, number):
        return [x * number, number + x, x - number, number * 2 * x, (number + 1) * x]

    try:
        expected = eager(xp, f)(x, number)
    except TypeError:  # a strict library has no sum of integers and a float
        with pytest.raises(TypeError):
            exactly(xp, f)(x, number)
        return
    assert_same_bits(xp, exactly(xp, f)(x, number), expected)


def test_a_number_is_not_baked_in_where_it_is_a_base_an_exponent_or_a_bound():
    def f(x, n):
        xp = tl.array_namespace(x)
        return [
            xp.abs(n) ** x,
            xp.abs(x) ** n,
            xp.clip(x, -n, n),
            xp.where(x > n, x, n),
            xp.maximum(x, n),
            n / x,
            -n * x,
        ]

    compiled = exactly(load("numpy"), f)
    for n in (0.5, 2.0, 3.0, 1.0, -1.5):
        assert_same_bits(load("numpy"), compiled(X, n), eager(load("numpy"), f)(X, n))
    assert compiled.cache_info().misses == 1


def test_a_number_that_controls_python_is_refused_with_advice():
    with pytest.raises(TraceError, match="captured"):
        tl.compile(lambda x, n: x if n > 1 else -x)(X, 2)
    with pytest.raises(TraceError, match="captured"):
        tl.compile(lambda x, n: [x for _ in range(n)])(X, 2)


def test_a_learning_rate_changes_results_and_nothing_else():
    step = tl.compile(lambda w, g, lr: w - lr * g)
    for k in range(20):
        np.testing.assert_array_equal(step(X, X, 1.0 / (k + 1)), X - 1.0 / (k + 1) * X)
    assert step.cache_info().misses == 1


# ---------------------------------------------------------------- the programs that are kept
def test_shapes_and_dtypes_have_programs_of_their_own_and_both_are_counted(xp):
    f = quickly(xp, lambda x: x * 2)
    given = [np.ones((2, 3), "float32"), np.ones((3, 2), "float32"), np.ones((2, 3), "int32"), np.ones((), "float32")]
    for round_ in range(2):
        for host in given:
            x = xp.asarray(host)
            np.testing.assert_array_equal(xp.to_numpy(f(x)), 2 * host)
        assert f.cache_info()[:2] == (4 * round_, 4)
    f.cache_clear()
    assert f.cache_info()[:2] == (0, 0)
    assert f.cache_info().currsize == 0


def test_programs_are_bounded_and_the_one_not_used_for_longest_goes():
    f = tl.compile(lambda x: x + 1)
    most = f.cache_info().maxsize
    for n in range(most):
        f(np.ones(n))
    f(np.ones(0))  # used again: the oldest is now that of one element
    f(np.ones(most))
    assert f.cache_info().currsize == most
    before = f.cache_info().misses
    f(np.ones(0))
    assert f.cache_info().misses == before
    f(np.ones(1))
    assert f.cache_info().misses == before + 1


def test_a_miss_is_logged(caplog):
    f = tl.compile(affine)
    with caplog.at_level(logging.DEBUG, logger="tl_arrayapi.compile"):
        f(X)
        f(X)
    (record,) = caplog.records
    assert "affine" in record.getMessage()
    assert "float64[3]" in record.getMessage()


def test_the_function_is_run_once_a_program():
    seen = []

    def f(x):
        seen.append(x.shape)
        return x * x

    compiled = tl.compile(f)
    for _ in range(3):
        compiled(X)
    compiled(X[:2])
    assert seen == [(3,), (2,)]


def test_a_function_that_fails_leaves_no_program_and_may_be_called_again():
    broken = True

    def f(x):
        if broken:
            raise RuntimeError("mine")
        return x + 1

    compiled = tl.compile(f)
    with pytest.raises(RuntimeError, match="mine"):
        compiled(X)
    assert compiled.cache_info().currsize == 0
    broken = False
    np.testing.assert_array_equal(compiled(X), X + 1)


def test_tracing_touches_no_data_and_allocates_nothing():
    f = tl.compile(lambda a, b: tl.array_namespace(a, b).sum(a @ b, axis=0))
    report = f.trace(tl.ArraySpec((10**6, 10**6)), tl.ArraySpec((10**6, 10**6)))
    assert report.flops >= 2e18
    assert report.graph.outputs[0].shape == (10**6,)


def test_a_program_can_be_looked_at():
    f = tl.compile(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).exp(x) * X))
    with pytest.raises(TraceError, match="no program"):
        f.explain()
    f(X)
    assert "exp" in f.source
    assert any(equation.name == "exp" for equation in f.graph.equations)
    report = f.explain()
    assert len(report.captured) == 1
    assert report.captured[0] is X
    for word in ("captured", "floating-point", "workspace", "trace"):
        assert word in str(report)
    assert f.cache_info().misses == 1


# ---------------------------------------------------------------- captured arrays
def test_a_captured_array_is_read_at_every_call():
    w = np.asarray([1.0, 2.0, 3.0])
    f = tl.compile(lambda x: x * w + w)
    np.testing.assert_array_equal(f(X), X * w + w)
    w[1] = 10.0
    np.testing.assert_array_equal(f(X), X * w + w)
    assert f.cache_info().misses == 1


def test_a_name_bound_anew_is_not_seen():
    held = {"w": np.ones(3)}
    f = tl.compile(lambda x: x * held["w"])
    f(X)
    held["w"] = np.zeros(3)
    np.testing.assert_array_equal(f(X), X)


def test_a_captured_array_that_is_returned_is_copied(xp):
    w = xp.asarray(2 * X)
    f = quickly(xp, lambda x: (w, x + w, w))
    first, _, again = f(xp.asarray(X))
    assert first is not w
    assert again is not first
    assert_same_bits(xp, [first, again], [w, w])


def test_arrays_made_while_tracing_are_part_of_the_program(xp):
    def f(x):
        names = tl.array_namespace(x)
        made = names.asarray([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], dtype=x.dtype, device=x.device)
        places = names.arange(3, dtype=x.dtype, device=x.device)
        return made * x + places + names.linspace(0.0, 1.0, 3, dtype=x.dtype, device=x.device) * names.ones_like(x)

    x = xp.asarray(X)
    assert_same_bits(xp, exactly(xp, f)(x), eager(xp, f)(x))


def test_numbers_may_be_joined_to_an_array(xp):
    def f(x):
        names = tl.array_namespace(x)
        one = names.abs(x)[None, ...]
        return names.concat([one, one]), names.concat([one * 2, one * 2, one * 2]), names.stack([x * x, x * x])

    x = xp.asarray(-0.5)
    assert_same_bits(xp, exactly(xp, f)(x), eager(xp, f)(x))


# ---------------------------------------------------------------- memory
def test_results_are_fresh_whatever_they_would_share(xp):
    def f(x, y):
        names = tl.array_namespace(x, y)
        return x, x, names.reshape(x, (3, 1)), y[0, :], y.T, names.broadcast_to(x, (2, 3)), x + 1, y, names.flip(x)

    x, y = xp.asarray(X), xp.asarray(np.arange(6.0).reshape(2, 3))
    compiled = quickly(xp, f)
    first, second = compiled(x, y), compiled(x, y)
    assert_same_bits(xp, first, eager(xp, f)(x, y))
    assert len({id(out) for out in (*first, *second, x, y)}) == 2 * len(first) + 2


def test_results_share_no_memory_on_numpy():
    def f(x, y):
        xp = tl.array_namespace(x, y)
        h = xp.tanh(x @ y)
        return x, x, y.T, h, h.T, xp.reshape(h, (-1,)), h[1:, ...], xp.sum(h), xp.sum(h), h + 0, x[0, 0]

    compiled, rng = tl.compile(f), np.random.default_rng(0)
    x, y = rng.normal(size=(4, 5)), rng.normal(size=(5, 4))
    arrays = [x, y, *compiled(x, y), *compiled(x, y)]
    for i, one in enumerate(arrays):
        for another in arrays[:i]:
            assert not np.shares_memory(one, another)
    held = [np.copy(z) for z in arrays]
    for _ in range(3):
        for out in compiled(x + 1, y):
            out[...] = np.nan
    for one, before in zip(arrays, held, strict=True):
        np.testing.assert_array_equal(one, before)
    assert all(type(z) is np.ndarray and z.flags.writeable for z in arrays)


def test_nothing_given_is_written_to():
    def f(x):
        x = x * 1.0
        x += 1
        x[0] = 5.0
        return x

    x = np.asarray([1.0, 2.0])
    np.testing.assert_array_equal(tl.compile(f)(x), [5.0, 3.0])
    np.testing.assert_array_equal(x, [1.0, 2.0])


@pytest.mark.parametrize("make", [
    lambda x: x[:, ::-1],
    lambda x: np.asfortranarray(x),
    lambda x: x[::2],
    lambda x: x.astype(">f8"),
    lambda x: np.broadcast_to(x[:1], x.shape),
    lambda x: np.frombuffer(x.tobytes(), "float64").reshape(x.shape),
    lambda x: np.ndarray(x.shape, x.dtype, b"\0" + x.tobytes(), offset=1),
    lambda x: x[:0],
], ids=["backwards", "Fortran", "every second", "big-endian", "repeated", "read-only", "unaligned",
        "empty"])  # fmt: skip
def test_an_array_may_lie_in_memory_as_it_likes(make):
    x = make(np.random.default_rng(0).normal(size=(6, 4)))

    def f(x):
        xp = tl.array_namespace(x)
        return xp.exp(x) + 1, xp.sum(x, axis=0), x @ xp.ones((4, 2)), x.T

    expected = [np.exp(x) + 1, np.sum(x, axis=0), x @ np.ones((4, 2)), x.T]
    compiled = tl.compile(f)
    for _ in range(2):
        for one, another in zip(compiled(x), expected, strict=True):
            assert one.shape == another.shape
            assert one.dtype == np.float64
            np.testing.assert_allclose(one, another, rtol=1e-13, atol=1e-13)
        compiled(np.ones_like(x))  # what it holds from other arrays does not show


# ---------------------------------------------------------------- threads and re-entry
def network(w1, w2, x):
    xp = tl.array_namespace(w1, w2, x)
    return xp.mean(xp.tanh(xp.tanh(x @ w1) @ w2) ** 2)


def test_threads_do_not_disturb_one_another():
    rng = np.random.default_rng(0)
    both = tl.value_and_grad(network, (0, 1))
    compiled = tl.compile(both)
    given = [tuple(rng.normal(size=shape) for shape in ((30, 40), (40, 20), (50, 30))) for _ in range(6)]
    expected = [compiled(*args) for args in given]
    start = threading.Barrier(6)

    def work(i):
        start.wait()
        for _ in range(30):
            value, grads = compiled(*given[i])
            assert value == expected[i][0]
            assert all(map(np.array_equal, grads, expected[i][1]))
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
    assert compiled.cache_info().misses == 1
    np.testing.assert_allclose(expected[0][0], both(*given[0])[0], rtol=1e-12)


def test_threads_that_come_first_together_share_one_program():
    runs = []

    def f(x):
        runs.append(1)
        return x * 2

    compiled, start = tl.compile(f), threading.Barrier(4)

    def work(_):
        start.wait()
        return compiled(X)

    with ThreadPoolExecutor(4) as pool:
        for out in pool.map(work, range(4)):
            np.testing.assert_array_equal(out, 2 * X)
    assert len(runs) == compiled.cache_info().misses == 1


def test_a_compiled_function_may_call_itself_while_it_is_traced():
    @tl.compile
    def power(x, depth):
        return x if depth == "" else x * power(x, depth[1:])

    np.testing.assert_array_equal(power(X, "aaa"), X**4)


# ---------------------------------------------------------------- transforms
def test_a_compiled_function_can_be_differentiated(xp):
    x = xp.asarray(X)
    for f in (total, quickly(xp, total), quickly(xp, quickly(xp, total))):
        np.testing.assert_array_equal(xp.to_numpy(tl.grad(f)(x)), 2 * xp.to_numpy(x))
    value, pullback = tl.vjp(quickly(xp, lambda x: x * x), x)
    np.testing.assert_array_equal(xp.to_numpy(pullback(x)[0]), 2 * xp.to_numpy(x) ** 2)
    np.testing.assert_array_equal(xp.to_numpy(value), xp.to_numpy(x) ** 2)


@pytest.mark.parametrize("transform", [
    lambda f: tl.grad(f),
    lambda f: tl.value_and_grad(f),
    lambda f: tl.grad(lambda x: tl.array_namespace(x).sum(tl.grad(f)(x) ** 2)),
    lambda f: tl.jacobian(tl.grad(f)),
    lambda f: tl.hessian(f),
    lambda f: lambda x: tl.hvp(f, (x,), (x * 0 + 1,)),
    lambda f: lambda x: tl.jvp(f, (x,), (x * 0 + 1,)),
    lambda f: lambda x: tl.vjp(f, x)[1](tl.array_namespace(x).ones_like(f(x))),
    lambda f: tl.vmap(lambda row: f(row) * row),
    lambda f: tl.vmap(tl.grad(f)),
    lambda f: tl.checkpoint(f),
    lambda f: tl.grad(tl.checkpoint(f)),
    lambda f: lambda x: f(tl.stop_gradient(x)) + tl.grad(lambda y: f(y * tl.stop_gradient(y)))(x),
], ids=["grad", "value_and_grad", "grad of grad", "jacobian", "hessian", "hvp", "jvp", "vjp", "vmap", "vmap of grad",
        "checkpoint", "grad of checkpoint", "stop_gradient"])  # fmt: skip
@pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict"])
def test_transforms_go_inside_around_and_both(library, transform):
    xp = load(library)

    def f(x):
        names = tl.array_namespace(x)
        return names.sum(names.sin(x) * x * x)

    x = xp.asarray(np.asarray([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]))
    expected = eager(xp, transform(f))(x)
    assert_same_bits(xp, exactly(xp, transform(f))(x), expected)
    assert_same_bits(xp, transform(exactly(xp, f))(x), transform(f)(x))
    assert_same_bits(xp, exactly(xp, transform(exactly(xp, f)))(x), expected)


def test_custom_vjp_keeps_its_rule_when_compiled(xp):
    double = tl.custom_vjp(lambda x: x * 1, lambda x: (x * 1, None), lambda residuals, g: (2 * g,))

    def f(x):
        return tl.array_namespace(x).sum(double(x) * 3)

    np.testing.assert_array_equal(xp.to_numpy(quickly(xp, tl.grad(f))(xp.asarray(X))), [6.0, 6.0, 6.0])


def test_a_compiled_function_inside_a_compiled_one_is_one_program():
    inner = tl.compile(lambda x: x * 2)
    outer = tl.compile(lambda x: inner(x) + inner(x + 1))
    np.testing.assert_array_equal(outer(X), 4 * X + 2)
    assert inner.cache_info().misses == 0
    assert outer.cache_info().misses == 1


def test_a_compiled_function_runs_under_jax_jit():
    jax = pytest.importorskip("jax")
    f = tl.compile(lambda x: tl.array_namespace(x).sin(x) * 2)
    x = jax.numpy.asarray(X)
    np.testing.assert_allclose(jax.jit(f)(x), 2 * np.sin(X), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda x: jax.numpy.sum(f(x)))(x), 2 * np.cos(X), rtol=1e-6)


# ---------------------------------------------------------------- pickling
def test_a_pickled_function_brings_its_programs_along():
    f = tl.compile(affine)
    expected = f(X, 3.0)
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(again(X, 3.0), expected)
    assert again.cache_info().misses == 0
    np.testing.assert_array_equal(again(X[:2], 3.0), expected[:2])
    assert again.cache_info().misses == 1
    assert again.__name__ == "affine"


def test_a_function_that_cannot_be_pickled_goes_as_its_programs(xp):
    w = xp.asarray(2 * X)
    f, x = quickly(xp, lambda x, s: {"y": x * w + s}), xp.asarray(X)
    expected = f(x, 1.0)
    again = pickle.loads(pickle.dumps(f))
    assert_same_bits(xp, again(x, 1.0), expected)
    np.testing.assert_allclose(hosts(xp, again(x, 2.0))[0], hosts(xp, expected)[0] + 1)
    with pytest.raises(TraceError, match="pickled"):
        again(xp.asarray(X[:2]), 1.0)


def test_a_pickled_function_holds_captured_arrays_as_they_were():
    w = np.ones(3)
    f = tl.compile(lambda x: x * w)
    f(X)
    data = pickle.dumps(f)
    w[...] = 7.0
    np.testing.assert_array_equal(pickle.loads(data)(X), X)
    np.testing.assert_array_equal(f(X), 7 * X)


# ---------------------------------------------------------------- settings
def guarded(x):
    xp = tl.array_namespace(x)
    return xp.sum(xp.where(x > 0, xp.log(x), xp.zeros_like(x)))


def test_a_branch_that_is_not_taken_stays_out_of_the_gradient(xp):
    x = xp.asarray([0.0, -1.0, 2.0])
    compiled = quickly(xp, tl.grad(guarded))
    with np.errstate(all="ignore"):
        for _ in range(2):
            np.testing.assert_array_equal(xp.to_numpy(compiled(x)), [0.0, 0.0, 0.5])
            with tl.guard_where(False):
                assert np.isnan(xp.to_numpy(compiled(x))[0])
    assert compiled.cache_info().misses == 2


def test_numbers_that_are_not_finite_are_found_while_they_are_looked_for():
    compiled = tl.compile(tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).log(x))))
    with np.errstate(all="ignore"):
        compiled(np.asarray([0.0]))
        with tl.debug_nans(infinities=True), pytest.raises(tl.errors.NonFiniteError, match="log"):
            compiled(np.asarray([0.0]))
        assert compiled(np.asarray([0.0]))[0] == np.inf


def test_what_checkpoint_computes_again_is_not_made_one_with_what_was_computed():
    def segment(x):
        xp = tl.array_namespace(x)
        return xp.tanh(xp.sin(x) * 2)

    f = tl.compile(tl.value_and_grad(lambda x: tl.array_namespace(x).sum(tl.checkpoint(segment)(x))))
    np.testing.assert_allclose(f(X)[1], tl.grad(lambda x: tl.array_namespace(x).sum(segment(x)))(X), rtol=1e-15)
    assert [equation.name for equation in f.graph.equations].count("sin") == 2


def test_a_linear_rule_may_be_compiled_and_checked():
    tl.check_grads(tl.compile(total), (X,), order=2)


# ---------------------------------------------------------------- what cannot be traced
@pytest.mark.parametrize(
    ("f", "named", "instead"),
    [
        (lambda x: x if x[0] > 0 else -x, "truth", "where"),
        (lambda x: x if tl.array_namespace(x).any(x > 0) else -x, "truth", "where"),
        (lambda x: [x for _ in range(int(x[0]))], "integer", "captured"),
        (lambda x: x * float(x[0]), "float", "array itself"),
        (lambda x: np.asarray(x) + 1, "NumPy array", "tl.array_namespace"),
        (lambda x: max(x[0], x[1]), "truth", "where"),
        (lambda x: x * functools.reduce(lambda a, b: a and b, [x[0], x[1]]), "truth", "where"),
    ],
)
def test_control_flow_on_values_is_refused_with_the_line_and_what_to_do(f, named, instead):
    with pytest.raises(TraceError, match=named) as caught:
        tl.compile(f)(X)
    assert instead in str(caught.value)
    assert "test_compile.py:" in str(caught.value)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[x > 0],
        lambda x: tl.array_namespace(x).nonzero(x),
        lambda x: tl.array_namespace(x).unique_values(x),
        lambda x: tl.array_namespace(x).unique_all(x),
    ],
)
def test_what_has_a_shape_that_depends_on_values_is_refused(f, xp):
    with pytest.raises(TLError, match=r"shape|length"):
        quickly(xp, f)(xp.asarray(X))


def test_an_array_that_outlives_its_trace_is_refused():
    kept = []

    def f(x):
        kept.append(x)
        return x * 2

    tl.compile(f)(X)
    with pytest.raises(TraceError, match="traced"):
        kept[0] + 1


def test_printing_a_traced_array_shows_shape_and_dtype(capsys):
    def f(x):
        print(x)
        return x

    tl.compile(f)(X)
    assert "float64[3]" in capsys.readouterr().out


# ---------------------------------------------------------------- what is given must fit together
def test_arrays_of_two_libraries_are_refused():
    strict = load("array_api_strict")
    with pytest.raises(NamespaceError, match="convert"):
        tl.compile(lambda x, y: x)(X, strict.asarray(X))


def test_arrays_on_two_devices_are_refused():
    strict, other = load("array_api_strict"), load("strict-device1")
    with pytest.raises(DeviceError, match="move"):
        tl.compile(lambda x, y: x)(strict.asarray(X), other.asarray(X))


def test_results_stay_on_the_device(xp):
    for out in quickly(xp, lambda x: (x, x + 1, tl.array_namespace(x).zeros_like(x)))(xp.asarray(X)):
        assert getattr(out, "device", None) == getattr(xp.asarray(X), "device", None)
        assert type(out) is type(xp.asarray(X))


def test_a_tensor_that_torch_would_differentiate_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TLError, match="detach"):
        tl.compile(lambda x: x * 2)(torch.ones(2, requires_grad=True))
