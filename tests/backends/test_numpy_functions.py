"""NumPy's fast forms equal compat's functions in value, dtype and shape, on arrays and on NumPy's scalars."""

import array_api_compat.numpy as compat
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_arrayapi import backends
from tl_arrayapi.backends.numpy.functions import FUNCTIONS

REAL = ["float16", "float32", "float64"]
NUMERIC = ["int8", "int32", "int64", "uint8", "uint64", *REAL, "complex64", "complex128"]
DTYPES = ["bool", *NUMERIC]


def values(dtype):
    """Small whole numbers: every sum and product of a few of them is exact, in whatever order it is made."""
    signed = st.integers(-4, 4)
    return {"b": st.booleans(), "u": st.integers(0, 4), "c": st.builds(complex, signed, signed)}.get(dtype[0], signed)


def any_floats(dtype):
    """Every float, and NaN, infinities and signed zeros often."""
    special = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5])
    return special | hnp.from_dtype(np.dtype(dtype), allow_subnormal=False)


@st.composite
def arrays(draw, dtypes=DTYPES, min_dims=0, max_dims=3, elements=values):
    """An array in one of many layouts, or a NumPy scalar, as reductions return them."""
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=0, max_side=3))
    x = draw(hnp.arrays(dtype, shape, elements=elements(dtype)))
    if x.ndim == 0 and draw(st.booleans()):
        return x[()]
    layout = draw(st.sampled_from(["C", "transposed", "backwards", "readonly"]))
    if layout == "transposed":
        return np.asfortranarray(x)
    if layout == "backwards" and x.ndim:
        return x[::-1]
    x.flags.writeable = layout != "readonly"
    return x


def axes(ndim, none=True):
    some = st.lists(st.integers(-ndim, ndim - 1), unique_by=lambda a: a % ndim).map(tuple) if ndim else st.just(())
    one = [st.integers(-ndim, ndim - 1)] if ndim else []
    return st.one_of(*([st.none()] if none else []), *one, some)


def for_all(**strategies):
    """Run a test on enough examples to meet every dtype and layout, however slow the machine is."""
    return lambda test: settings(max_examples=50, deadline=None)(given(**strategies)(test))


REFUSED = "refused"


def outcome(function, *args, **static):
    with np.errstate(all="ignore"):
        try:
            return function(*args, **static)
        except (TypeError, ValueError) as error:
            return REFUSED, error


def same(name, *args, **static):
    """Hold one call of ours to compat's: the same value, dtype and shape, or both refuse."""
    ours, theirs = (outcome(function, *args, **static) for function in (FUNCTIONS[name], getattr(compat, name)))
    assert isinstance(ours, tuple) == isinstance(theirs, tuple), (ours, theirs)
    if not isinstance(ours, tuple):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_array_equal(ours, theirs)
    return ours


def test_no_function_is_left_without_a_test():
    by_themselves = {"relu", "embed", "embed_add", "logaddexp"}
    tested = {*ARITHMETIC, *REDUCTIONS, *LIKE, *OTHERS} | by_themselves
    assert tested == set(FUNCTIONS)
    assert dict(backends.get(None).functions) == FUNCTIONS


# ---- arithmetic
ARITHMETIC = ("add", "subtract", "multiply", "divide", "negative")


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
@for_all(data=st.data())
def test_binary_operators(name, data):
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    dtypes = DTYPES if name != "subtract" else NUMERIC
    pair = []
    for shape in shapes.input_shapes:
        dtype = data.draw(st.sampled_from(dtypes))
        x = data.draw(hnp.arrays(dtype, shape, elements=values(dtype)))
        pair.append(x[()] if data.draw(st.booleans()) else x)
    same(name, *pair)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
@for_all(x=arrays(REAL, elements=any_floats), scalar=st.sampled_from([0.0, -0.0, 2.5, float("inf"), float("nan")]))
def test_operators_keep_special_values(name, x, scalar):
    for other in (x.dtype.type(scalar), np.asarray(scalar, x.dtype)):
        same(name, x, other)
        same(name, other, x)


@for_all(x=arrays(NUMERIC))
def test_negative(x):
    same("negative", x)


def test_booleans_have_no_difference_and_no_negative():
    x = np.asarray([True, False])
    assert isinstance(same("subtract", x, x), tuple)
    assert isinstance(same("negative", x), tuple)


@for_all(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_matmul(data, dtype):
    shapes = data.draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3))
    pair = [data.draw(hnp.arrays(dtype, shape, elements=values(dtype))) for shape in shapes.input_shapes]
    same("matmul", *pair)
    same("matmul", *(np.asfortranarray(x) for x in pair))


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "complex128"])
@pytest.mark.parametrize("shapes", [((2, 0), (0, 3)), ((0, 2), (2, 3)), ((2, 3), (3, 0)), ((0,), (0,)), ((2, 0), (0,))])
def test_products_over_nothing_are_zeros(dtype, shapes):
    out = same("matmul", *(np.ones(shape, dtype) for shape in shapes))
    assert not np.any(out)


@pytest.mark.parametrize("shapes", [((), ()), ((2, 2), ()), ((), (2,)), ((2, 3), (2, 3)), ((2,), (3,))])
def test_products_of_shapes_that_do_not_fit_are_refused(shapes):
    assert isinstance(same("matmul", *(np.ones(shape)[()] for shape in shapes)), tuple)


# ---- reductions
REDUCTIONS = ("sum", "prod", "max", "min", "all", "any")


@pytest.mark.parametrize("name", REDUCTIONS)
@for_all(data=st.data())
def test_reductions(name, data):
    x = data.draw(arrays(DTYPES if name not in ("max", "min") else ["bool", "int8", "uint64", *REAL]))
    same(name, x, axis=data.draw(axes(x.ndim)), keepdims=data.draw(st.booleans()))


@pytest.mark.parametrize("name", REDUCTIONS)
@for_all(x=arrays(REAL, elements=any_floats))
def test_reductions_of_special_values(name, x):
    same(name, x)


@pytest.mark.parametrize("name", ["sum", "prod"])
@for_all(data=st.data())
def test_reductions_in_a_dtype_that_is_asked_for(name, data):
    x = data.draw(arrays(["bool", "int8", "int32", "uint8", "float16", "float32"]))
    same(name, x, axis=data.draw(axes(x.ndim)), dtype=data.draw(st.sampled_from([np.dtype("float64"), np.complex128])))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [2, -3, (0, 0), (0, 2)])
def test_reductions_over_axes_that_are_not_there_are_refused(name, axis):
    assert isinstance(same(name, np.ones((2, 3)), axis=axis), tuple)


# ---- new arrays
LIKE = ("zeros_like", "ones_like")


@pytest.mark.parametrize("name", LIKE)
@for_all(
    x=arrays(), dtype=st.sampled_from([None, np.dtype("float32"), np.int64]), device=st.sampled_from([None, "cpu"])
)
def test_new_arrays_like_another(name, x, dtype, device):
    out = same(name, x, dtype=dtype, device=device)
    assert type(out) is np.ndarray
    assert out.flags.writeable


OTHERS = (
    *("asarray", "astype", "broadcast_to", "expand_dims", "matmul", "matrix_transpose", "moveaxis", "permute_dims"),
    *("reshape", "squeeze", "take"),
)


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "astype", "asarray"])
def test_a_device_that_is_not_there_is_refused(name):
    more = (np.dtype("float32"),) if name == "astype" else ()
    assert isinstance(same(name, np.ones(2), *more, device="nowhere"), tuple)


@for_all(x=arrays(), dtype=st.sampled_from([None, "float64", "complex128"]), copy=st.sampled_from([None, True]))
def test_asarray(x, dtype, copy):
    dtype = None if dtype is None or x.dtype.kind == "c" else np.dtype(dtype)
    out = same("asarray", x, dtype=dtype, copy=copy)
    assert type(out) is np.ndarray
    assert not (copy and np.shares_memory(out, x))


@pytest.mark.parametrize("value", [2, 2.5, True, 1j, [[1, 2], [3, 4]], [], [1.0, np.float32(2)]], ids=repr)
@pytest.mark.parametrize("dtype", [None, "float32", "complex64"])
def test_asarray_of_python_numbers(value, dtype):
    same("asarray", value, dtype=None if dtype is None else np.dtype(dtype))


@for_all(x=arrays(["bool", "int8", "int32", "uint8", *REAL]), dtype=st.sampled_from(DTYPES), copy=st.booleans())
def test_astype(x, dtype, copy):
    out = same("astype", x, np.dtype(dtype), copy=copy)
    assert not (copy and np.shares_memory(out, x))


# ---- movement
@for_all(data=st.data())
def test_reshape(data):
    x = data.draw(arrays())
    shapes = [x.shape, x.shape[::-1], (*x.shape, 1), (x.size,), (1, x.size), (x.size + 1,)]
    shapes += [(-1,), (1, -1)] if x.size else []
    same("reshape", x, data.draw(st.sampled_from(shapes)), copy=data.draw(st.sampled_from([None, True])))


def test_reshape_without_a_copy_is_refused_where_it_takes_one():
    x = np.arange(6.0).reshape(2, 3).T
    assert isinstance(same("reshape", x, (6,), copy=False), tuple)
    assert np.shares_memory(same("reshape", x.T, (6,), copy=False), x)


@for_all(x=arrays(min_dims=2))
def test_matrix_transpose(x):
    same("matrix_transpose", x)


@for_all(data=st.data())
def test_permute_dims(data):
    x = data.draw(arrays())
    order = data.draw(st.permutations(range(x.ndim)))
    same("permute_dims", x, tuple(a - x.ndim * data.draw(st.booleans()) for a in order))


@for_all(data=st.data())
def test_moveaxis(data):
    x = data.draw(arrays(min_dims=1))
    places = st.integers(-x.ndim - 1, x.ndim)
    same("moveaxis", x, data.draw(places), data.draw(places))
    several = st.permutations(range(x.ndim)).map(tuple)
    same("moveaxis", x, data.draw(several), data.draw(several))


@for_all(data=st.data())
def test_squeeze(data):
    x = data.draw(arrays())
    same("squeeze", x, data.draw(axes(x.ndim, none=False)))


@for_all(data=st.data())
def test_expand_dims(data):
    x = data.draw(arrays())
    some = st.lists(st.integers(0, x.ndim + 1), min_size=2, max_size=2, unique=True).map(tuple)
    same("expand_dims", x, axis=data.draw(st.integers(-x.ndim - 3, x.ndim + 2)))
    same("expand_dims", x, axis=data.draw(some))
    np.testing.assert_array_equal(FUNCTIONS["expand_dims"](x), x[None])


@for_all(data=st.data())
def test_broadcast_to(data):
    x = data.draw(arrays())
    target = data.draw(hnp.broadcastable_shapes(x.shape, max_dims=4, max_side=3))
    same("broadcast_to", x, np.broadcast_shapes(x.shape, target))
    same("broadcast_to", x, target)


def test_broadcasting_far_needs_no_memory():
    out = same("broadcast_to", np.ones((1, 3)), (1 << 20, 3))
    assert out.strides[0] == 0


@for_all(data=st.data())
def test_take(data):
    x = data.draw(arrays(min_dims=1))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    count = x.shape[axis]
    chosen = data.draw(st.lists(st.integers(-count, count - 1), max_size=4)) if count else []
    indices = np.asarray(chosen, data.draw(st.sampled_from(["int8", "int32", "int64"])))
    same("take", x, indices, axis=axis)
    if x.ndim == 1:
        same("take", x, indices)


# ---- beyond the standard
@for_all(x=arrays(REAL, elements=any_floats))
def test_relu_is_the_maximum_with_zero(x):
    out = FUNCTIONS["relu"](x)
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    np.testing.assert_array_equal(out, np.where(np.isnan(x), x, np.where(x > 0, x, 0)))


@for_all(data=st.data())
def test_embed_is_the_adjoint_of_a_slice(data):
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=4))
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=False))
    key = key if isinstance(key, tuple) else (key,)
    expected = np.zeros(shape, "float32")
    x = np.asarray(expected[key] + 1)
    expected[key] = 1
    for g in (x, x[()]):
        out = FUNCTIONS["embed"](g, shape, key)
        assert (out.dtype, out.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(out, expected)
        FUNCTIONS["embed_add"](out, key, g)
        np.testing.assert_array_equal(out, 2 * expected)


@pytest.mark.parametrize("dtype", REAL)
def test_logaddexp_is_that_of_numpy_but_for_rounding_at_any_size_and_warns_of_nothing(dtype):
    info = np.finfo(dtype)
    special = np.asarray([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, info.tiny, 700.0, -700.0], dtype)
    x, y = np.meshgrid(np.concat([special, np.linspace(-20, 20, 30).astype(dtype)]), special)
    with np.errstate(all="raise", under="ignore"):
        out = FUNCTIONS["logaddexp"](x, y)
    with np.errstate(invalid="ignore"):
        expected = np.logaddexp(x, y)
    assert out.dtype == expected.dtype
    np.testing.assert_allclose(out, expected, rtol=4 * float(info.eps), atol=4 * float(info.eps))
    huge = np.full(100, info.max)
    assert (FUNCTIONS["logaddexp"](huge, -huge) == huge).all()
    assert FUNCTIONS["logaddexp"](np.zeros((70, 1), dtype), special).shape == (70, 10)
    assert FUNCTIONS["logaddexp"](special[:3], special[0]).tolist() == np.logaddexp(special[:3], special[0]).tolist()
