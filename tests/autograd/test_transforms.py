"""grad, value_and_grad, vjp and stop_gradient: structure, errors, order, threads, and what they hand back."""

import collections
import gc
import threading
import weakref
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backend")


def cube(x):
    return tl.array_namespace(x).sum(x * x * x)


class Layer(NamedTuple):
    w: object
    b: object


def test_gradient_is_a_plain_array_of_the_library_in_the_arguments_dtype(xp):
    for dtype in ("float32", "float64"):
        if xp.has(dtype):
            x = xp.asarray([1.0, -2.0, 3.0], dtype=dtype)
            value, g = tl.value_and_grad(cube)(x)
            assert type(value) is type(x)
            assert type(g) is type(x)
            assert value.shape == ()
            assert g.dtype == x.dtype == value.dtype
            np.testing.assert_allclose(xp.to_numpy(g), [3.0, 12.0, 27.0])


def test_containers_keep_their_structure(xp):
    params = {"layers": [Layer(xp.asarray([1.0, 2.0]), xp.asarray(3.0))], "scale": (xp.asarray(2.0),)}

    def loss(p):
        (layer,) = p["layers"]
        return tl.array_namespace(layer.w).sum(layer.w * layer.b) * p["scale"][0]

    g = tl.grad(loss)(params)
    assert list(g) == ["layers", "scale"]
    assert type(g["layers"][0]) is Layer
    np.testing.assert_allclose(xp.to_numpy(g["layers"][0].w), [6.0, 6.0])
    np.testing.assert_allclose(xp.to_numpy(g["layers"][0].b), 6.0)
    np.testing.assert_allclose(xp.to_numpy(g["scale"][0]), 9.0)


def test_argnums_choose_and_order_the_gradients(xp):
    x, y = xp.asarray([1.0, 2.0]), xp.asarray([3.0, 4.0])
    product = lambda a, b: tl.array_namespace(a).sum(a * b)  # noqa: E731
    second, first = tl.grad(product, argnums=(-1, 0))(x, y)
    np.testing.assert_allclose(xp.to_numpy(first), [3.0, 4.0])
    np.testing.assert_allclose(xp.to_numpy(second), [1.0, 2.0])


@pytest.mark.parametrize("argnums", [2, -3, (0, 0), (0, -2)])
def test_argnums_that_name_no_argument_or_one_twice_are_refused(argnums):
    with pytest.raises(tl.errors.StructureError, match="argnums"):
        tl.grad(lambda a, b: a * b, argnums)(np.asarray(1.0), np.asarray(2.0))


def test_keyword_arguments_and_other_values_are_passed_on(xp):
    def loss(x, power, *, scale, name):
        assert name == "w"
        return tl.array_namespace(x).sum(x**power * scale)

    g = tl.grad(loss)(xp.asarray([1.0, 2.0]), 2, scale=xp.asarray([1.0, 10.0]), name="w")
    np.testing.assert_allclose(xp.to_numpy(g), [2.0, 40.0])


def test_an_array_that_the_loss_does_not_use_has_zeros(xp):
    g = tl.grad(lambda x, y: cube(x), argnums=(0, 1))(xp.asarray([1.0]), xp.asarray([[5.0, 6.0]]))
    np.testing.assert_array_equal(xp.to_numpy(g[1]), [[0.0, 0.0]])


def test_a_disconnected_infinity_does_not_reach_the_gradient(xp):
    def loss(x, y):
        space = tl.array_namespace(x)
        space.log(y * 0.0)  # -inf, and no part of the loss
        return space.sum(x * x)

    with np.errstate(divide="ignore"):
        g = tl.grad(loss, argnums=(0, 1))(xp.asarray([1.0]), xp.asarray([2.0]))
    assert [xp.to_numpy(part).tolist() for part in g] == [[2.0], [0.0]]


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        (lambda x: x * x, "ShapeError", r"0-d.*\(2,\)"),
        (lambda x: tl.array_namespace(x).sum(x) > 0, "DTypeError", "real and floating"),
        (lambda x: 3.0, "DTypeError", "3.0"),
        (lambda x: None, "DTypeError", "NoneType"),
        (lambda x: [tl.array_namespace(x).sum(x)], "DTypeError", "list"),
    ],
)
def test_what_is_no_loss_is_refused(xp, loss, error, words):
    with pytest.raises(getattr(tl.errors, error), match=words):
        tl.grad(loss)(xp.asarray([1.0, 2.0]))


def test_a_complex_loss_is_refused():
    with pytest.raises(tl.errors.DTypeError, match="complex128"):
        tl.grad(lambda z: tl.array_namespace(z).sum(z))(np.asarray([1j]))


@pytest.mark.eager("a Python number is an array of a program")
def test_a_leaf_without_a_gradient_is_refused_by_its_path(xp):
    x = xp.asarray([1.0])
    with pytest.raises(tl.errors.DTypeError, match=r'args\[1\]\["opt"\]\[0\]\["step"\]'):
        tl.grad(lambda a, p: cube(a), argnums=1)(x, {"opt": [{"step": xp.asarray([3])}]})
    with pytest.raises(tl.errors.DTypeError, match=r"args\[1\] .*float"):
        tl.grad(lambda a, b: cube(a), argnums=1)(x, 2.0)


def test_no_array_at_all_is_refused():
    with pytest.raises(tl.errors.NamespaceError, match="no argument is an array"):
        tl.grad(lambda x: x)(2.0)


def test_torch_tensors_that_require_grad_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(tl.errors.TLError, match=r"\.detach\(\)"):
        tl.grad(cube)(torch.ones(2, requires_grad=True))


def test_gradient_of_a_gradient(xp):
    x, v = xp.asarray([1.0, -2.0, 3.0]), xp.asarray([1.0, 1.0, -1.0])
    g = tl.grad(lambda x: tl.array_namespace(x).sum(tl.grad(cube)(x) * v))(x)
    np.testing.assert_allclose(xp.to_numpy(g), [6.0, -12.0, -18.0])


def test_third_derivative(xp):
    third = tl.grad(tl.grad(tl.grad(lambda x: x**4)))(xp.asarray(2.0))
    np.testing.assert_allclose(xp.to_numpy(third), 48.0, rtol=1e-5)


def test_no_perturbation_confusion(xp):
    one = xp.asarray(1.0)
    np.testing.assert_allclose(xp.to_numpy(tl.grad(lambda x: x * tl.grad(lambda y: x + y)(one))(one)), 1.0)
    np.testing.assert_allclose(xp.to_numpy(tl.grad(lambda x: x * tl.grad(lambda y: x * y)(x))(xp.asarray(3.0))), 6.0)


def test_a_pullback_may_be_called_again(xp):
    x = xp.asarray([1.0, 2.0])
    out, pullback = tl.vjp(lambda x: x * x, x)
    np.testing.assert_allclose(xp.to_numpy(out), [1.0, 4.0])
    for scale in (1.0, 3.0):
        (g,) = pullback(xp.asarray([scale, scale]))
        np.testing.assert_allclose(xp.to_numpy(g), [2 * scale, 4 * scale])


def test_a_pullback_takes_the_structure_of_the_result(xp):
    x, y = xp.asarray([1.0, 2.0]), xp.asarray(3.0)
    out, pullback = tl.vjp(lambda x, y: {"p": x * y, "q": [x + 1.0]}, x, y)
    one = xp.asarray([1.0, 1.0])
    gx, gy = pullback({"q": [one], "p": one})
    np.testing.assert_allclose(xp.to_numpy(gx), [4.0, 4.0])
    np.testing.assert_allclose(xp.to_numpy(gy), 3.0)
    assert list(out) == ["p", "q"]
    for bad, error in (({"p": one}, "StructureError"), (one, "StructureError"), ({"p": one, "q": [y]}, "ShapeError")):
        with pytest.raises(getattr(tl.errors, error), match="cotangent of the result"):
            pullback(bad)


def test_a_pullback_is_itself_differentiable(xp):
    x = xp.asarray([1.0, 2.0])

    def pulled(v):
        return tl.array_namespace(v).sum(tl.vjp(lambda x: x * x * x, x)[1](v)[0])

    np.testing.assert_allclose(xp.to_numpy(tl.grad(pulled)(x)), [3.0, 12.0])


def test_an_integer_argument_of_vjp_has_no_cotangent(xp):
    x, labels = xp.asarray([1.0, 2.0, 4.0]), xp.asarray([2, 0])
    _, pullback = tl.vjp(lambda x, i: tl.array_namespace(x).take(x, i, axis=0), x, labels)
    g, nothing = pullback(xp.asarray([1.0, 10.0]))
    np.testing.assert_allclose(xp.to_numpy(g), [10.0, 0.0, 1.0])
    assert nothing is None


def test_stop_gradient_keeps_the_value_and_drops_the_gradient(xp):
    x = xp.asarray([1.0, 2.0])
    np.testing.assert_allclose(
        xp.to_numpy(tl.grad(lambda x: tl.array_namespace(x).sum(x * tl.stop_gradient(x)))(x)), [1.0, 2.0]
    )
    inner = tl.grad(
        lambda x: tl.array_namespace(x).sum(
            tl.grad(lambda y: tl.array_namespace(y).sum(y * tl.stop_gradient({"x": x})["x"]))(x)
        )
    )
    np.testing.assert_allclose(xp.to_numpy(inner(x)), [0.0, 0.0])


@pytest.mark.parametrize(
    "loss", [lambda x, y: (x + y, 0)[0], lambda x, y: x, lambda x, y: tl.array_namespace(x).broadcast_to(x, (3, 2))]
)
def test_results_share_no_memory_with_one_another_or_the_arguments(loss):
    x, y = np.asarray([1.0, 2.0]), np.asarray([3.0, 4.0])
    out, g = tl.value_and_grad(lambda x, y: tl.array_namespace(x).sum(loss(x, y)), argnums=(0, 1))(x, y)
    arrays = [x, y, out, *g]
    for i, a in enumerate(arrays):
        assert isinstance(a, np.ndarray)
        assert a.flags.writeable
        assert not any(np.may_share_memory(a, b) for b in arrays[i + 1 :])


def test_tapes_of_threads_do_not_disturb_one_another():
    errors = []

    def work(seed):
        x = np.random.default_rng(seed).normal(size=50)
        for _ in range(50):
            g = tl.grad(lambda x: tl.array_namespace(x).sum(tl.grad(cube)(x) * x))(x)
            if not np.allclose(g, 9 * x * x):
                errors.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_an_exception_in_the_loss_leaves_nothing_behind():
    def broken(x):
        _ = x * x
        raise ZeroDivisionError("by the loss")

    with pytest.raises(ZeroDivisionError):
        tl.grad(broken)(np.ones(2))
    np.testing.assert_array_equal(tl.grad(cube)(np.ones(2)), [3.0, 3.0])


@pytest.mark.eager("a program has no tape")
def test_a_tape_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        held = []

        def loss(x):
            y = x * 2.0
            held.append(weakref.ref(y.value))
            return tl.array_namespace(y).sum(y * y)

        tl.grad(loss)(np.ones(4))
        with pytest.raises(tl.errors.ShapeError):
            tl.grad(lambda x: (loss(x), x * x)[1])(np.ones(4))
        assert [ref() for ref in held] == [None, None]
    finally:
        gc.enable()


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0),
    st.sampled_from(["add", "subtract", "multiply", "maximum"]),
)
def test_broadcasting_is_undone_for_any_two_shapes(shapes, name):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=shape) for shape in shapes.input_shapes)
    w = rng.normal(size=shapes.result_shape)
    g = tl.grad(
        lambda x, y: tl.array_namespace(x, y).sum(getattr(tl.array_namespace(x, y), name)(x, y) * w), argnums=(0, 1)
    )(x, y)
    wide = [np.broadcast_to(a, shapes.result_shape) for a in (x, y)]
    slopes = {
        "add": (np.ones_like(w), np.ones_like(w)),
        "subtract": (np.ones_like(w), -np.ones_like(w)),
        "multiply": (wide[1], wide[0]),
        "maximum": (wide[0] > wide[1], wide[0] < wide[1]),
    }[name]
    for got, slope, array in zip(g, slopes, (x, y), strict=True):
        full = slope * w
        lead = full.ndim - array.ndim
        axes = (*range(lead), *(lead + i for i, n in enumerate(array.shape) if n == 1))
        np.testing.assert_allclose(got, full.sum(axis=axes).reshape(array.shape), atol=1e-12)


def test_ties_and_corners_follow_the_stated_conventions(xp):
    def slope(f, *values):
        return [float(xp.to_numpy(g)) for g in tl.grad(f, tuple(range(len(values))))(*map(xp.asarray, values))]

    space = tl.namespace(xp.namespace)
    assert slope(space.maximum, 1.0, 1.0) == [0.5, 0.5]
    assert slope(space.minimum, 2.0, 2.0) == [0.5, 0.5]
    assert slope(space.abs, 0.0) == [0.0]
    assert slope(space.sqrt, 0.0) == [0.0]
    assert slope(space.hypot, 0.0, 0.0) == [0.0, 0.0]
    assert slope(space.pow, 0.0, 2.0) == [0.0, 0.0]
    assert slope(space.pow, 0.0, 0.5) == [0.0, 0.0]
    assert slope(lambda x: x**1, 0.0) == [1.0]
    assert slope(lambda x: x**0, 0.0) == [0.0]


def test_max_shares_its_gradient_among_equal_elements(xp):
    g = tl.grad(lambda x: tl.array_namespace(x).max(x))(xp.asarray([1.0, 3.0, 3.0]))
    np.testing.assert_allclose(xp.to_numpy(g), [0.0, 0.5, 0.5])


def test_explain_lists_operations_with_the_users_lines(xp):
    def loss(w, x):
        hidden = x @ w
        return tl.array_namespace(w, x).sum(hidden * hidden)

    table = tl.explain(loss, xp.asarray(np.ones((3, 2))), xp.asarray(np.ones((4, 3))))
    assert [row.operation for row in table.rows] == ["input", "input", "matmul", "multiply", "sum"]
    assert table.rows[2].shape == (4, 2)
    assert table.rows[3].operands == (2, 2)
    assert "hidden = x @ w" in table.rows[2].line
    assert "hidden = x @ w" in str(table)
    assert table.bytes == (8 + 8 + 1) * (8 if xp.real == "float64" else 4)


@pytest.mark.eager("a compiled pullback is given its arguments anew")
def test_a_pullback_does_not_see_later_writes_and_hands_out_nothing_of_the_callers():
    x, g = np.asarray([1.0, 2.0, 3.0]), np.ones(3)
    out, pullback = tl.vjp(lambda x: tl.array_namespace(x).exp(x) * x, x)
    expected = pullback(g)[0].copy()
    x[:] = 100.0
    out += 5.0
    np.testing.assert_array_equal(pullback(g)[0], expected)
    _, same = tl.vjp(lambda x: x, x)
    same(g)[0][:] = 9.0
    tl.jvp(lambda x: x, (x,), (g,))[1][:] = 9.0
    np.testing.assert_array_equal(g, np.ones(3))


def test_a_mean_of_many_half_precision_numbers_does_not_overflow(xp):
    if not xp.has("float16"):
        pytest.skip(f"{xp.name} has no float16")
    value, g = tl.value_and_grad(lambda x: tl.array_namespace(x).mean(x))(xp.asarray(np.full(70000, 2.0), "float16"))
    assert float(xp.to_numpy(value)) == 2.0
    assert value.dtype == g.dtype == xp.asarray([1.0], "float16").dtype
    np.testing.assert_allclose(xp.to_numpy(g), np.full(70000, 1 / 70000, np.float16), rtol=1e-2)


def test_many_slices_of_one_array_add_up_in_one_gradient(xp):
    x = np.arange(24.0).reshape(6, 4)

    def loss(x):
        space = tl.array_namespace(x)
        rows = sum((space.sum(row * row) for row in space.unstack(x)), start=space.sum(x[1:4, ::2] ** 3))
        return rows + space.sum(x)

    expected = 2 * x + 1
    expected[1:4, ::2] += 3 * x[1:4, ::2] ** 2
    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray(x))), expected, rtol=1e-5)


def test_empty_slices_and_products_have_gradients(xp):
    g = tl.grad(lambda x: tl.array_namespace(x).sum(x[:0, ...]) + tl.array_namespace(x).sum(x))(
        xp.asarray(np.ones((3, 4)))
    )
    np.testing.assert_array_equal(xp.to_numpy(g), np.ones((3, 4)))
    if xp.name != "dask":
        empty = tl.grad(lambda x, w: tl.array_namespace(x).sum(x @ w), 1)
        assert empty(xp.asarray(np.ones((2, 2, 0))), xp.asarray(np.ones((0, 2)))).shape == (0, 2)


def test_lists_that_contain_themselves_are_refused_and_other_dicts_stay_what_they_are():
    loop = [1]
    loop.append(loop)
    with pytest.raises(tl.errors.StructureError, match="contain themselves"):
        tl.grad(lambda p, x: cube(x), 1)(loop, np.ones(2))
    for kind in (collections.OrderedDict, lambda **k: collections.defaultdict(list, k)):
        g = tl.grad(lambda p: cube(p["a"]))(kind(a=np.ones(2)))
        assert type(g) is type(kind())
        np.testing.assert_array_equal(g["a"], [3.0, 3.0])


def test_numpy_integers_index_every_library(xp):
    g = tl.grad(lambda x: x[np.int64(1)] * 2.0)(xp.asarray([1.0, 2.0]))
    np.testing.assert_array_equal(xp.to_numpy(g), [0.0, 2.0])


def test_a_pullback_of_several_results_replays_what_they_share_once():
    replayed = []

    def backward(x, g):
        replayed.append(g)
        return (2.0 * x * g,)

    squared = tl.custom_vjp(lambda x: x * x, lambda x: (x * x, x), backward)

    def three(x):
        y = squared(x)
        return y * 3.0, (y, y)

    _, pullback = tl.vjp(three, np.asarray([1.0, 2.0]))
    one = np.ones(2)
    np.testing.assert_allclose(pullback((one, (one, one)))[0], [10.0, 20.0])
    assert len(replayed) == 1
