"""`x[key] = value` on Arrays: NumPy's result, functional underneath, with gradients for the array and the value."""

import array_api_compat
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tl_arrayapi as tl
from tests.libraries import load

pytestmark = pytest.mark.usefixtures("backends")

X = np.random.default_rng(0).uniform(-1, 1, (3, 4, 2))

# (name, key as a function of (asarray, integer-asarray), shape of the value)
KEYS = [
    ("integer", lambda a: 1, (4, 2)),
    ("integers to a 0-d place", lambda a: (1, -1, 0), ()),
    ("negative integer", lambda a: -1, ()),
    ("slice", lambda a: slice(1, None), (2, 4, 2)),
    ("everything", lambda a: Ellipsis, (3, 4, 2)),
    ("ellipsis and integer", lambda a: (..., 1), (3, 4)),
    ("backwards", lambda a: (slice(None), slice(None, None, -2)), (3, 2, 2)),
    ("new axis", lambda a: (slice(None), None, 2), (3, 1, 2)),
    ("broadcast value", lambda a: (slice(None), slice(0, 2)), (2,)),
    ("empty slice", lambda a: slice(2, 2), (0, 4, 2)),
    ("mask of all axes", lambda a: a(X > 0.2), ()),
    ("mask of all axes, a value each", lambda a: a(X > 0.2), (int((X > 0.2).sum()),)),
    ("mask of first axes", lambda a: a(X[..., 0] > 0), (2,)),
    ("mask of first axes, a row each", lambda a: a(X[..., 0] > 0), (int((X[..., 0] > 0).sum()), 2)),
    ("mask of first axes, ellipsis", lambda a: (a(X[:, 0, 0] > -2), ...), (4, 2)),
    ("mask behind a slice", lambda a: (slice(None), a(np.array([True, False, True, False]))), (3, 2, 2)),
    ("integer array", lambda a: a(np.array([2, 0])), (2, 4, 2)),
    ("integer array, repeated", lambda a: a(np.array([1, 1, -2, 0])), (4, 4, 2)),
    ("integer array, all the same value", lambda a: a(np.array([1, 1])), ()),
    ("matrix of integers", lambda a: (slice(None), a(np.array([[0, 1], [1, 3]]))), (3, 2, 2, 2)),
    ("two integer arrays", lambda a: (a(np.array([0, 2, 0])), a(np.array([1, -1, 1]))), (3, 2)),
    ("integer arrays that broadcast", lambda a: (a(np.array([[0], [2]])), a(np.array([1, 3]))), (2, 2, 2)),
    ("integer array and integer", lambda a: (1, a(np.array([0, 3]))), (2, 2)),
    ("arrays apart from one another", lambda a: (a(np.array([0, 1])), slice(None), a(np.array([1, 0]))), (2, 4)),
    ("array, backwards slice", lambda a: (a(np.array([2, 1])), slice(None, None, -1)), (2, 4, 2)),
]


def keyed(xp, make):
    return make(lambda host: xp.asarray(host, dtype=None))


def refused(xp, backend, name):
    """Say whether the key needs the values of an array, where these are not to be had."""
    return (backend == "compiled" or xp.name in ("dask", "strict-flags")) and name == "mask behind a slice"


each_key = pytest.mark.parametrize(("name", "make", "shape"), KEYS, ids=[k[0] for k in KEYS])


@each_key
def test_setitem_gives_numpys_array_and_its_gradients(xp, backends, name, make, shape):
    value = np.random.default_rng(1).uniform(2, 3, shape)
    weights = np.random.default_rng(2).uniform(1, 2, X.shape)
    key = keyed(xp, make)

    def loss(x, v):
        space = tl.array_namespace(x)
        y = x * 1.0
        y[key] = v * v
        return space.sum(y * y * xp.asarray(weights))

    if refused(xp, backends, name):
        with pytest.raises(
            (tl.errors.ShapeError, RuntimeError), match=r"would be unknown|data-dependent|depends on values"
        ):
            tl.grad(loss)(xp.asarray(X), xp.asarray(value))
        return
    host_key = make(lambda host: host)
    expected = X.copy()
    expected[host_key] = value**2
    places = np.full(X.shape, -1)  # which element of the value was written last, or none
    places[host_key] = np.broadcast_to(np.arange(value.size).reshape(shape), X[host_key].shape)
    got, (gx, gv) = tl.value_and_grad(loss, (0, 1))(xp.asarray(X), xp.asarray(value))
    np.testing.assert_allclose(float(xp.to_numpy(got)), np.sum(expected**2 * weights), rtol=1e2 * xp.tolerance)
    tolerance = {"rtol": 100 * xp.tolerance, "atol": 100 * xp.tolerance}
    np.testing.assert_allclose(xp.to_numpy(gx), np.where(places < 0, 2 * X * weights, 0), **tolerance)
    flat = np.zeros(value.size)
    hit = places >= 0
    np.add.at(flat, places[hit], (2 * expected * weights)[hit])
    np.testing.assert_allclose(xp.to_numpy(gv), flat.reshape(shape) * 2 * value, **tolerance)


@each_key
def test_getitem_reads_what_setitem_writes(xp, name, make, shape):
    if xp.name in ("dask", "strict-flags") and "mask" in name:
        pytest.skip("what a boolean index reads has a length that depends on values")
    space, key = tl.namespace(xp.namespace), keyed(xp, make)
    x = space.lift(xp.asarray(X))
    np.testing.assert_array_equal(xp.to_numpy(x[key].value), xp.to_numpy(xp.asarray(X[make(lambda host: host)])))


@pytest.mark.eager("the function reads values")
def test_setitem_changes_no_other_array(xp):
    def loss(x):
        y = x * 1.0
        view, same = y[0:2], y
        y[0] = 5.0
        view[1] = 7.0
        assert same is y
        assert float(xp.to_numpy(tl.stop_gradient(y).value)[1]) == 2.0
        return view[0] * view[1] + same[0] * same[2]

    x = xp.asarray([1.0, 2.0, 3.0])
    value, g = tl.value_and_grad(loss)(x)
    assert float(xp.to_numpy(value)) == 22.0
    np.testing.assert_array_equal(xp.to_numpy(g), [7.0, 0.0, 5.0])
    np.testing.assert_array_equal(xp.to_numpy(x), [1.0, 2.0, 3.0])


def test_a_write_after_a_use_leaves_the_gradient_of_that_use_right(xp):
    def loss(x):
        space = tl.array_namespace(x)
        y = space.exp(x)
        z = y * y
        y[...] = 0.0
        x[0] = 100.0
        return space.sum(z + y + x)

    g = tl.grad(loss)(xp.asarray([0.5, 1.0]))
    np.testing.assert_allclose(
        xp.to_numpy(g), [2 * np.e, 2 * np.exp(2.0) + 1], rtol=100 * xp.tolerance, atol=100 * xp.tolerance
    )


def test_a_write_to_an_outer_array_does_not_reach_what_an_inner_transform_recorded(xp):
    def loss(x):
        space = tl.array_namespace(x)
        y = x * 2.0

        def inner(z):
            product = z * y
            y[0] = 100.0
            return space.sum(product * product)

        along = tl.grad(inner)(x)
        out, pullback = tl.vjp(space.exp, x)
        out[...] = 0.0
        x[1] = 50.0
        (back,) = pullback(space.ones_like(x))
        return space.sum(along) + space.sum(back)

    # 2 z y**2 with z = x and y = 2 x is 8 x**3.
    np.testing.assert_allclose(
        xp.to_numpy(tl.grad(loss)(xp.asarray([0.5, 1.0]))),
        24 * np.array([0.25, 1.0]) + np.exp([0.5, 1.0]),
        rtol=100 * xp.tolerance,
    )


def test_a_constant_becomes_watched_when_a_watched_value_is_written(xp):
    def loss(x):
        space = tl.array_namespace(x)
        out = space.zeros((2, 2), dtype=x.dtype, device=x.device)
        for i in range(2):
            out[i, i] = x[i] ** (i + 2)
        out[0, 1] += 3 * x[1]
        return space.sum(out)

    x = xp.asarray([2.0, 3.0])
    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(x)), [4.0, 30.0], rtol=100 * xp.tolerance)
    np.testing.assert_allclose(xp.to_numpy(tl.hessian(loss)(x)), [[2.0, 0.0], [0.0, 18.0]], rtol=100 * xp.tolerance)


def test_setitem_under_vmap_equals_a_loop(xp):
    rows = np.random.default_rng(3).uniform(-1, 1, (5, 4))
    picks = np.array([[0, 1, 1], [3, 2, 2], [0, 0, 0], [1, 2, 3], [-1, 0, 3]])

    def f(x, i):
        space = tl.array_namespace(x)
        y = space.zeros(4, dtype=x.dtype, device=x.device)
        y[1:3] = x[0]
        y[i] = x[:3] * 2
        y[x > 0] = y[0] + 1
        y[-1] = 9.0
        return y

    xs, indices = xp.asarray(rows), xp.asarray(picks, dtype=None)
    mapped = xp.to_numpy(tl.vmap(f)(xs, indices))
    space = tl.namespace(xp.namespace)
    for row, pick, got in zip(rows, picks, mapped, strict=True):
        one = f(space.lift(xp.asarray(row)), space.lift(xp.asarray(pick, dtype=None)))
        np.testing.assert_allclose(got, xp.to_numpy(one.value), rtol=10 * xp.tolerance)


def test_an_index_outside_is_refused_and_changes_nothing(xp):
    if xp.name in ("jax", "dask"):
        pytest.skip("jax and dask do not look at the values of indices")
    x = tl.namespace(xp.namespace).lift(xp.asarray([1.0, 2.0]))
    with pytest.raises(IndexError):
        x[xp.asarray([0, 2], dtype=None)] = 5.0
    with pytest.raises(IndexError):
        x[7] = 5.0
    np.testing.assert_array_equal(xp.to_numpy(x.value), [1.0, 2.0])


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        (slice(0, 2), [1.0, 2.0, 3.0], Exception),
        pytest.param(
            *(np.array([True, False, True]), [1.0, 2.0, 3.0], tl.errors.ShapeError),
            marks=pytest.mark.eager("how many are true depends on values"),
        ),
        (np.array([True, False]), 1.0, tl.errors.ShapeError),
        (np.array([0.5]), 1.0, IndexError),
        ("name", 1.0, tl.errors.NamespaceError),
        ((0, 0), 1.0, IndexError),
        (0, 1j, tl.errors.DTypeError),
        (0, "text", tl.errors.NamespaceError),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(key, value, error):
    def loss(x):
        y = x * 1.0
        with pytest.raises(error):
            y[key] = np.asarray(value) if isinstance(value, list) else value
        return tl.array_namespace(x).sum(y)

    np.testing.assert_array_equal(tl.grad(loss)(np.asarray([1.0, 2.0, 3.0])), [1.0, 1.0, 1.0])


def test_a_watched_value_is_refused_by_an_array_of_integers(xp):
    def loss(x):
        space = tl.array_namespace(x)
        counts = space.zeros(2, dtype=space.int32, device=x.device)
        counts[0] = x[0]
        return space.sum(x)

    with pytest.raises(tl.errors.WatchedError, match="floating"):
        tl.grad(loss)(xp.asarray([1.0, 2.0]))


def test_a_value_takes_the_dtype_of_the_array(xp):
    space = tl.namespace(xp.namespace)
    x = space.zeros(3, dtype=space.float32, device=xp.device)
    x[0] = 1
    x[1] = True
    x[2] = xp.asarray(2, dtype="int32") if xp.has("int32") else 2
    assert x.dtype == space.float32
    np.testing.assert_array_equal(xp.to_numpy(x.value), [1, 1, 2])


def test_at_of_array_api_extra_writes_functionally(xp):
    xpx = pytest.importorskip("array_api_extra")

    def loss(x):
        space = array_api_compat.array_namespace(x)
        y = xpx.at(x)[0].set(x[1] ** 2, copy=True)
        z = xpx.at(y)[1:].multiply(3.0)
        assert z is y
        return space.sum(z) + space.sum(x)

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0, 3.0]))), [1.0, 8.0, 4.0], rtol=1e-5)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_setitem_agrees_with_numpy_for_any_key(data):
    shape = data.draw(st.tuples(*[st.integers(0, 4)] * data.draw(st.integers(1, 3))))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    parts = []
    for n in shape:
        kinds = ["slice"] + (["int", "array"] if n else [])
        kind = data.draw(st.sampled_from(kinds))
        if kind == "slice":
            parts.append(data.draw(st.slices(n)))
        elif kind == "int":
            parts.append(data.draw(st.integers(-n, n - 1)))
        else:
            parts.append(np.array(data.draw(st.lists(st.integers(-n, n - 1), min_size=3, max_size=3))))
    key = tuple(parts)
    value = np.random.default_rng(0).uniform(1, 2, x[key].shape)
    expected = x.copy()
    expected[key] = value
    y = tl.namespace(np).asarray(x, copy=True)
    y[key] = value
    np.testing.assert_array_equal(y.value, expected)
    np.testing.assert_array_equal(tl.namespace(np).asarray(x)[key].value, x[key])


@pytest.mark.eager("a program keeps no values")
# ---- writes that are not an Array's
@pytest.mark.parametrize("library", ["numpy", "torch", "dask"])
@pytest.mark.parametrize("use", ["operator", "reflected", "function"])
def test_a_write_to_a_captured_array_that_a_gradient_needs_is_refused(library, use):
    lib = load(library)
    scale = lib.asarray([2.0, 3.0])

    def loss(x):
        space = tl.array_namespace(x)
        y = {
            "operator": lambda: x * scale,
            "reflected": lambda: scale * x,
            "function": lambda: space.multiply(scale, x),
        }
        out = y[use]()
        scale[0] = 100.0
        return space.sum(out)

    x = lib.asarray([1.0, 1.0])
    with pytest.raises((ValueError, tl.errors.TraceError)) as found:
        tl.grad(loss)(x)
    assert "write to a copy" in str(found.value) + "".join(getattr(found.value, "__notes__", ()))
    scale[0] = 7.0  # it can be written to again
    g = tl.grad(lambda x: tl.array_namespace(x).sum(x * scale))(x)
    np.testing.assert_array_equal(lib.to_numpy(g), [7.0, 3.0])


def test_a_captured_array_can_be_written_to_once_the_function_has_returned_or_raised():
    scale = np.asarray([2.0, 3.0])

    def failing(x):
        tl.array_namespace(x).sum(x * scale)
        raise KeyboardInterrupt

    for f, error in ((lambda x: x * scale, tl.errors.ShapeError), (failing, KeyboardInterrupt)):
        with pytest.raises(error):
            tl.grad(f)(np.ones(2))
        assert scale.flags.writeable


@pytest.mark.eager("a program keeps no values")
def test_what_a_library_cannot_hold_is_copied():
    lib = load("array_api_strict")
    scale = lib.asarray([2.0, 3.0])

    def loss(x):
        y = x * tl.array_namespace(x).asarray(1.0) * tl.namespace(lib.namespace).multiply(scale, x)
        scale[0] = 100.0
        return tl.array_namespace(x).sum(y)

    np.testing.assert_array_equal(lib.to_numpy(tl.grad(loss)(lib.asarray([1.0, 1.0]))), [4.0, 6.0])


@pytest.mark.eager("a program keeps no values")
@pytest.mark.parametrize("library", ["numpy", "torch", "dask", "array_api_strict"])
def test_a_pullback_keeps_what_its_function_captured_as_it_was(library):
    lib = load(library)
    scale = lib.asarray([2.0, 3.0])
    _, pullback = tl.vjp(lambda x: tl.array_namespace(x).multiply(x, scale), lib.asarray([1.0, 1.0]))
    scale[0] = 100.0
    (g,) = pullback(lib.asarray([1.0, 1.0]))
    np.testing.assert_array_equal(lib.to_numpy(g), [2.0, 3.0])


@pytest.mark.parametrize("dtype", ["bool", "float64"])
def test_writing_nothing_changes_nothing_and_gives_an_array_of_its_own(xp, dtype):
    space = tl.namespace(xp.namespace)
    x = space.lift(xp.asarray([1, 0, 1], dtype if dtype == "bool" else xp.real))
    nothing = space.lift(xp.asarray(np.zeros(0, "int64")))
    same = space.setitem(x, nothing, x[:0])
    same[0] = x[1]
    np.testing.assert_array_equal(xp.to_numpy(x.value), [1, 0, 1])
    np.testing.assert_array_equal(xp.to_numpy(same.value), [0, 0, 1])
