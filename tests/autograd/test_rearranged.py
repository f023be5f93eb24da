"""Functions that move, repeat, sort or add up elements, in every option that the standard gives them."""

import array_api_compat.numpy as host
import numpy as np
import pytest

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backends")

X = np.arange(24.0).reshape(2, 3, 4) ** 1.5
V = np.asarray([3.0, 1.0, 3.0, 2.0, 1.0, -1.0])

# Linear functions of one array, with their options.
LINEAR = {
    "concat along none": lambda xp, x: xp.concat([x, 2 * x], axis=None),
    "concat from behind": lambda xp, x: xp.concat([x, 2 * x, x], axis=-2),
    "stack at the end": lambda xp, x: xp.stack([x, -x], axis=-1),
    "stack from behind": lambda xp, x: xp.stack([x, -x], axis=-2),
    "expand_dims tuple": lambda xp, x: xp.expand_dims(x, axis=(0, 2)),
    "expand_dims mixed tuple": lambda xp, x: xp.expand_dims(x, axis=(-1, 1)),
    "expand_dims behind": lambda xp, x: xp.expand_dims(x, axis=-1),
    "squeeze tuple": lambda xp, x: xp.squeeze(xp.reshape(x, (1, 2, 3, 1, 4)), axis=(0, -2)),
    "moveaxis tuples": lambda xp, x: xp.moveaxis(x, (0, -1), (-2, 0)),
    "moveaxis behind": lambda xp, x: xp.moveaxis(x, -1, 0),
    "permute_dims behind": lambda xp, x: xp.permute_dims(x, (-1, 0, -2)),
    "flip all": lambda xp, x: xp.flip(x),
    "flip tuple": lambda xp, x: xp.flip(x, axis=(0, -1)),
    "roll all": lambda xp, x: xp.roll(x, 5),
    "roll several": lambda xp, x: xp.roll(x, (1, -2), axis=(0, -1)),
    "roll one axis twice": lambda xp, x: xp.roll(x, (1, 2), axis=(2, 2)),
    "roll several alike": lambda xp, x: xp.roll(x, 2, axis=(1, 2)),
    "tile more axes": lambda xp, x: xp.tile(x, (2, 1, 3, 2)),
    "tile fewer axes": lambda xp, x: xp.tile(x, (3,)),
    "tile away": lambda xp, x: xp.tile(x, (1, 0, 2)),
    "repeat all": lambda xp, x: xp.repeat(x, 2),
    "repeat behind": lambda xp, x: xp.repeat(x, 3, axis=-2),
    "repeat never": lambda xp, x: xp.repeat(x, 0, axis=1),
    "diff twice": lambda xp, x: xp.diff(x, n=2, axis=-1),
    "diff not at all": lambda xp, x: xp.diff(x, n=0),
    "diff until nothing is left": lambda xp, x: xp.diff(x, n=5),
    "diff with more": lambda xp, x: xp.diff(x, axis=1, prepend=x[:, :1, :], append=2 * x[:, :2, :]),
    "cumulative_sum behind": lambda xp, x: xp.cumulative_sum(x, axis=-2),
    "cumulative_sum from zero": lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_sum of one axis": lambda xp, x: xp.cumulative_sum(xp.reshape(x, (-1,)), include_initial=True),
    "tril": lambda xp, x: xp.tril(x, k=1),
    "triu": lambda xp, x: xp.triu(x, k=-1),
    "unstack": lambda xp, x: xp.unstack(x, axis=-1)[2] - xp.unstack(x, axis=-1)[0],
}


def transposed(f, shape, g):
    """Return what the transpose of the linear host function ``f`` makes of ``g``, by applying it to a basis."""
    basis = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    return np.asarray([np.sum(f(host, e) * g) for e in basis]).reshape(shape)


def constant(xp, values):
    return tl.namespace(xp.namespace).lift(xp.asarray(values))


@pytest.mark.parametrize("name", LINEAR)
def test_the_gradient_of_a_linear_function_is_its_transpose(xp, name):
    f = LINEAR[name]
    if name == "permute_dims behind" and xp.name == "jax":
        pytest.skip("JAX counts these axes from the front only")
    out, pullback = tl.vjp(lambda x: f(tl.array_namespace(x), x), xp.asarray(X))
    expected = f(host, X)
    np.testing.assert_allclose(xp.to_numpy(out), expected, rtol=10 * xp.tolerance)
    assert out.shape == expected.shape
    g = np.random.default_rng(3).normal(size=expected.shape)
    got = xp.to_numpy(pullback(xp.asarray(g))[0])
    np.testing.assert_allclose(got, transposed(f, X.shape, g), rtol=10 * xp.tolerance, atol=10 * xp.tolerance)


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_function_is_mapped_as_in_a_loop(name):
    f = LINEAR[name]
    rows = np.stack([X, X[::-1], -X])
    got = tl.vmap(lambda x: f(tl.array_namespace(x), x))(rows)
    np.testing.assert_allclose(got, np.stack([f(host, row) for row in rows]), rtol=1e-12)


MORE = {
    "sort": lambda xp, x: xp.sort(x, axis=1, descending=True),
    "argsort": lambda xp, x: x * xp.astype(xp.argsort(x, axis=0), x.dtype),
    "take_along_axis": lambda xp, x: xp.take_along_axis(x, xp.argsort(x, axis=1), axis=1),
    "cumulative_prod": lambda xp, x: xp.cumulative_prod(x, axis=1, include_initial=True),
    "repeat each its own": lambda xp, x: xp.repeat(x, (1, 0, 2), axis=1),
    "searchsorted": lambda xp, x: xp.take(x[0, 0, :], xp.searchsorted(xp.sort(x[0, 0, :]), x[0, 0, :3])),
}


@pytest.mark.parametrize("name", [*LINEAR, *MORE])
def test_dask_computes_nothing_for_a_gradient(name):
    da = pytest.importorskip("dask.array")
    ran = []

    def count(block):
        ran.append(block.shape)
        return block

    x = da.from_array(X, chunks=(1, 2, 3)).map_blocks(count, dtype=X.dtype, meta=np.empty((0, 0, 0)))
    f = {**LINEAR, **MORE}[name]
    out, pullback = tl.vjp(lambda x: f(tl.array_namespace(x), x), x)
    (g,) = pullback(out)
    assert not ran
    expected = tl.vjp(lambda x: f(tl.array_namespace(x), x), X)[1](f(host, X))[0]
    np.testing.assert_allclose(g.compute(scheduler="sync"), expected, rtol=1e-12)


# ---- repeat
@pytest.mark.parametrize("axis", [None, 1, -1])
def test_each_element_may_be_repeated_its_own_number_of_times(xp, axis):
    count = X.size if axis is None else X.shape[axis]
    times = tuple(i % 3 for i in range(count))
    out, pullback = tl.vjp(lambda x: tl.array_namespace(x).repeat(x, times, axis=axis), xp.asarray(X))
    expected = np.repeat(X, times, axis=axis)
    np.testing.assert_allclose(xp.to_numpy(out), expected, rtol=xp.tolerance)
    g = np.random.default_rng(4).normal(size=expected.shape)
    got = xp.to_numpy(pullback(xp.asarray(g))[0])
    expected = transposed(lambda _, x: np.repeat(x, times, axis=axis), X.shape, g)
    np.testing.assert_allclose(got, expected, rtol=10 * xp.tolerance, atol=10 * xp.tolerance)


@pytest.mark.eager("the shape depends on values")
@pytest.mark.parametrize("times", [[2, 0, 1], [2], 3], ids=str)
def test_numbers_of_repeats_may_be_an_array(xp, times):
    if xp.name == "dask":
        with pytest.raises(tl.errors.BackendError, match=r"dask.*tuple of integers"):
            tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).repeat(x, xp.asarray(times), axis=1)))(
                xp.asarray(X)
            )
        return
    repeats = xp.asarray(np.asarray(times))
    g = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).repeat(x, repeats, axis=1)))(xp.asarray(X))
    expected = np.broadcast_to(np.broadcast_to(times, 3)[:, None], X.shape)
    np.testing.assert_allclose(xp.to_numpy(g), expected)


@pytest.mark.parametrize(
    ("repeats", "error", "words"),
    [
        (-1, "ArgumentError", "0 or more; got .-1"),
        ((1, -1, 0), "ArgumentError", r"0 or more; got \(1, -1, 0\)"),
        ((1, 1.5, 0), "ArgumentError", r"integer.*got \(1, 1.5, 0\)"),
        (np.asarray([1.0, 1.0, 0.0]), "DTypeError", "float64: cast it"),
        (np.asarray([1, -1, 0]), "ArgumentError", "negative"),
        ((1, 2), "ShapeError", r"one number of repeats, or 3.*got shape \(2,\)"),
        (np.ones((3, 1), dtype="int64"), "ShapeError", r"got shape \(3, 1\)"),
    ],
    ids=str,
)
def test_repeats_that_cannot_be_are_refused(repeats, error, words):
    with pytest.raises(getattr(tl.errors, error), match=words):
        tl.namespace(np).repeat(np.ones(3), repeats)


@pytest.mark.eager("the shape depends on values")
def test_numbers_of_repeats_that_differ_between_examples_are_refused():
    with pytest.raises(tl.errors.WatchedError, match="vmap"):
        tl.vmap(lambda x, n: tl.array_namespace(x).repeat(x, n))(np.ones((2, 3)), np.ones((2, 3), dtype="int64"))


# ---- cumulative_prod
@pytest.mark.parametrize("zeros", [(), (2,), (0, 3), (1, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("include_initial", [False, True])
def test_a_running_product_has_the_right_gradient_at_zeros(xp, zeros, include_initial):
    values = np.asarray([1.5, -0.5, 2.0, 0.7, -1.2])
    values[list(zeros)] = 0.0
    weights = np.linspace(0.5, 2.0, 5 + include_initial)

    def weighted(x):
        space = tl.array_namespace(x)
        out = space.cumulative_prod(x, include_initial=include_initial)
        return space.sum(out * constant(xp, weights))

    expected = np.zeros(5)
    later = weights[1:] if include_initial else weights
    for j in range(5):
        without = np.concatenate([values[:j], [1.0], values[j + 1 :]])
        expected[j] = np.sum((later * np.cumprod(without))[j:])
    got = xp.to_numpy(tl.grad(weighted)(xp.asarray(values)))
    np.testing.assert_allclose(got, expected, rtol=100 * xp.tolerance, atol=10 * xp.tolerance)


def test_the_second_derivative_of_a_running_product_is_right_at_zeros(xp):
    """The last of three running products is x y z: its Hessian holds the third factor of each pair."""
    hessian = tl.hessian(lambda x: tl.array_namespace(x).cumulative_prod(x)[2])(xp.asarray([0.0, 0.0, 3.0]))
    np.testing.assert_allclose(xp.to_numpy(hessian), [[0, 3, 0], [3, 0, 0], [0, 0, 0]], atol=1e-6)


def test_a_running_product_in_a_wider_dtype_gives_a_gradient_in_the_operands(xp):
    if xp.real != "float64":
        pytest.skip("no wider dtype")
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]], "float32")

    def last(x):
        space = tl.array_namespace(x)
        out = space.cumulative_prod(x, axis=1, dtype=space.float64) + space.cumulative_sum(
            x, axis=0, dtype=space.float64
        )
        assert out.dtype == space.float64
        return space.sum(out)

    g = tl.grad(last)(x)
    assert g.dtype == x.dtype
    np.testing.assert_allclose(xp.to_numpy(g), [[5.0, 3.0], [6.0, 4.0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda xp, x: xp.cumulative_prod(x, axis=0, include_initial=True),
        lambda xp, x: xp.prod(x, axis=0),
        lambda xp, x: xp.roll(x, 1),
        lambda xp, x: xp.tile(x, (2, 2)),
        lambda xp, x: xp.repeat(x, 2),
        lambda xp, x: xp.sort(x, axis=0),
    ],
    ids=["cumulative_prod", "prod", "roll", "tile", "repeat", "sort"],
)
def test_no_elements_have_a_gradient_of_none(xp, f):
    g = tl.grad(lambda x: tl.array_namespace(x).sum(f(tl.array_namespace(x), x)))(xp.asarray(np.ones((0, 3))))
    assert g.shape == (0, 3)


# ---- sort
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("stable", [False, True])
@pytest.mark.parametrize("axis", [0, -1])
def test_a_sort_sends_each_cotangent_back_to_its_element(xp, axis, stable, descending):
    values = np.random.default_rng(5).permutation(24).reshape(4, 6) / 3.0
    out, pullback = tl.vjp(
        lambda x: tl.array_namespace(x).sort(x, axis=axis, stable=stable, descending=descending), xp.asarray(values)
    )
    expected = host.sort(values, axis=axis, descending=descending)
    np.testing.assert_allclose(xp.to_numpy(out), expected, rtol=xp.tolerance)
    # The cotangent is the sorted array: sent back, it is the array.
    np.testing.assert_allclose(xp.to_numpy(pullback(out)[0]), values, rtol=xp.tolerance)


@pytest.mark.parametrize("descending", [False, True])
def test_among_equals_a_stable_sort_keeps_their_order(xp, descending):
    weights = [1.0, 2.0, 4.0, 8.0]

    def weighted(x):
        space = tl.array_namespace(x)
        return space.sum(space.sort(x, descending=descending) * constant(xp, weights))

    got = xp.to_numpy(tl.grad(weighted)(xp.asarray([2.0, 1.0, 2.0, 2.0])))
    np.testing.assert_allclose(got, [1.0, 8.0, 2.0, 4.0] if descending else [2.0, 1.0, 4.0, 8.0])


def test_an_order_is_a_constant(xp):
    def loss(x):
        space = tl.array_namespace(x)
        return space.sum(space.astype(space.argsort(x, descending=True), x.dtype) * x)

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([0.2, 0.9, 0.1]))), [1.0, 0.0, 2.0])


# ---- distinct values
def values_of(name, found):
    return found if name == "unique_values" else found.values


@pytest.mark.eager("the shape depends on values")
@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse", "unique_values"])
def test_a_distinct_value_sends_its_cotangent_to_where_it_occurs_first(xp, name):
    if xp.name == "strict-flags":
        pytest.skip("shapes that depend on data are switched off")

    def loss(x):
        space = tl.array_namespace(x)
        values = values_of(name, getattr(space, name)(space.reshape(x, (2, 3))))
        return space.sum(values * values * values)

    if xp.name == "dask":
        with pytest.raises(tl.errors.BackendError, match=rf"dask cannot say.*{name}"):
            tl.grad(loss)(xp.asarray(V))
        return
    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray(V))), [27.0, 3.0, 0.0, 12.0, 0.0, 3.0])
    second = tl.grad(lambda x: tl.array_namespace(x).sum(tl.grad(loss)(x)))(xp.asarray(V))
    np.testing.assert_allclose(xp.to_numpy(second), [18.0, 6.0, 0.0, 12.0, 0.0, -6.0])


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse"])
def test_the_set_functions_return_the_standards_named_tuples(xp, name):
    if xp.name in ("strict-flags", "dask"):
        pytest.skip("no shapes that depend on data")
    found = getattr(tl.namespace(xp.namespace), name)(xp.asarray(V))
    order = np.argsort(xp.to_numpy(found.values.value))
    expected = getattr(np, name)(V)
    assert found._fields == expected._fields
    parts = {field: xp.to_numpy(getattr(found, field).value) for field in found._fields}
    np.testing.assert_allclose(parts["values"][order], expected.values)
    if "counts" in parts:
        np.testing.assert_array_equal(parts["counts"][order], expected.counts)
    if "indices" in parts:
        np.testing.assert_array_equal(parts["indices"][order], expected.indices)
    if "inverse_indices" in parts:
        np.testing.assert_allclose(parts["values"][parts["inverse_indices"]], V)


@pytest.mark.eager("the shape depends on values")
def test_a_loss_of_counts_alone_has_a_gradient_of_zero():
    def loss(x):
        space = tl.array_namespace(x)
        return space.sum(x) + space.sum(space.astype(space.unique_counts(x).counts, x.dtype))

    np.testing.assert_array_equal(tl.grad(loss)(V), np.ones(6))


@pytest.mark.eager("the shape depends on values")
def test_distinct_values_under_where_keep_no_cotangent_of_the_branch_not_taken():
    def loss(x):
        space = tl.array_namespace(x)
        return space.where(space.sum(x) > 0, space.sum(x), space.sum(space.log(space.unique_values(x))))

    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(tl.grad(loss)(V), np.ones(6))


# ---- casts
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_what_is_cut_to_an_integer_or_a_boolean_does_not_move_with_it(xp, dtype):
    def loss(x):
        space = tl.array_namespace(x)
        cut = space.astype(space.astype(x, getattr(space, dtype)), x.dtype)
        return space.sum(cut * x) + space.sum(cut * cut)

    got = xp.to_numpy(tl.grad(loss)(xp.asarray([1.5, 2.5])))
    np.testing.assert_allclose(got, np.asarray([1.5, 2.5]).astype(dtype).astype(float))


def test_statistics_of_halves_do_not_overflow(xp):
    ours, x = tl.namespace(xp.namespace), xp.asarray([300.0, -300.0] * 400, "float16")
    assert float(xp.to_numpy(ours.std(x).value)) == 300.0
    assert float(xp.to_numpy(ours.mean(x + 300.0).value)) == 300.0
    g = tl.grad(lambda x: tl.array_namespace(x).std(x))(x)
    assert g.dtype == x.dtype
    np.testing.assert_allclose(xp.to_numpy(g), np.sign(xp.to_numpy(x)) / 800, rtol=1e-3)


# ---- axes that are not there
@pytest.mark.parametrize(
    "f",
    [
        lambda xp, x: xp.repeat(x, 2, axis=2),
        lambda xp, x: xp.diff(x, axis=-3),
        lambda xp, x: xp.take_along_axis(x, xp.argsort(x), axis=2),
        lambda xp, x: xp.tensordot(x, x, axes=((2,), (0,))),
    ],
    ids=["repeat", "diff", "take_along_axis", "tensordot"],
)
def test_an_axis_that_is_not_there_is_refused(f):
    with pytest.raises(tl.errors.ArgumentError, match=r"has no axis -?\d: its number of axes is 2"):
        f(tl.namespace(np), np.ones((2, 3)))


@pytest.mark.parametrize(
    "f",
    [
        lambda xp, x: xp.sum(x, axis=-2),
        lambda xp, x: xp.cumulative_sum(x, axis=-2),
        lambda xp, x: xp.fft.fft(x, axis=-2),
        lambda xp, x: xp.fft.fftn(x, axes=(-2,)),
        lambda xp, x: xp.flip(x, axis=-2),
        lambda xp, x: xp.roll(x, 1, axis=-2),
        lambda xp, x: xp.moveaxis(x, -2, 0),
        lambda xp, x: xp.expand_dims(x, axis=-3),
        lambda xp, x: xp.concat([x, x], axis=-2),
        lambda xp, x: xp.stack([x, x], axis=-3),
        lambda xp, x: xp.take(x, xp.asarray([0]), axis=-2),
        lambda xp, x: xp.permute_dims(x, (-2,)),
    ],
)
def test_an_axis_that_one_example_lacks_is_not_that_of_the_examples(f):
    with pytest.raises(tl.errors.ArgumentError, match=r"an example under vmap has no axis -[23]"):
        tl.vmap(lambda x: f(tl.array_namespace(x), x))(np.ones((3, 3)))


@pytest.mark.parametrize("name", ["matrix_transpose", "tril", "triu"])
def test_vectors_are_no_matrices_under_a_map(name):
    with pytest.raises(tl.errors.ShapeError, match=rf"{name} takes matrices.*\(3,\)"):
        tl.vmap(lambda x: getattr(tl.array_namespace(x), name)(x))(np.ones((3, 3)))
