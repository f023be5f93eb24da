"""NaN, infinities, zeros of both signs and numbers at the ends of the range: compiled functions treat them alike.

With exact passes the bits are the same, signs of zeros included. A reassociated program has the same NaN and the same
infinities, but at the ends of the range, where sums and products in another order overflow, or not.
"""

import itertools

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.test_numerics import POINTS
from tests.compiled.equality import assert_same_bits, eager, exactly, hosts, quickly
from tests.libraries import load

INF, NAN = np.inf, np.nan
VALUES = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, INF, -INF, NAN, 1e-300, -1e-300, 5e-324, 1e300, -1e300, 20.0, -800.0]

UNARY = [
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "exp", "expm1", "floor"),
    *("isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "negative", "positive", "reciprocal", "round"),
    *("sign", "signbit", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc"),
]
BINARY = [
    *("add", "atan2", "copysign", "divide", "equal", "floor_divide", "greater", "greater_equal", "hypot", "less"),
    *("less_equal", "logaddexp", "maximum", "minimum", "multiply", "nextafter", "not_equal", "pow", "remainder"),
    *("subtract",),
]
ON = pytest.mark.parametrize("library", ["numpy", "array_api_strict", pytest.param("torch", marks=pytest.mark.slow)])


def both(xp, f, *args):
    """Compare ``f`` of ``args`` with its compiled forms: exactly, and reassociated where numbers are ordinary."""
    ordinary = np.all([is_ordinary(xp.to_numpy(x)) for x in args], axis=0)
    some = [xp.asarray(xp.to_numpy(x)[ordinary]) for x in args]
    with np.errstate(all="ignore"):
        assert_same_bits(xp, exactly(xp, f)(*args), eager(xp, f)(*args))
        for one, another in zip(hosts(xp, quickly(xp, f)(*some)), hosts(xp, eager(xp, f)(*some)), strict=True):
            assert (one.shape, one.dtype) == (another.shape, another.dtype)
            np.testing.assert_allclose(one, another, rtol=1e-12)  # NaN and infinities are equal only to themselves


def is_ordinary(x):
    if x.dtype.kind != "f":
        return np.ones(x.shape, bool)
    with np.errstate(all="ignore"):
        far = np.abs(np.log2(np.abs(x))) > -np.log2(np.finfo(x.dtype).smallest_normal) / 3
    return ~(far & np.isfinite(x) & (x != 0))


def with_gradient(f, count):
    """Return ``f`` and its gradient along ones, where it has one."""

    def run(*operands):
        out = f(*operands)
        xp = tl.array_namespace(*operands)
        if not xp.isdtype(out.dtype, "real floating"):
            return out
        return out, tl.vjp(f, *operands)[1](xp.ones_like(out))[:count]

    return run


@ON
@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_operand_treats_special_values_alike(library, name):
    xp = load(library)
    both(xp, with_gradient(lambda x: getattr(tl.array_namespace(x), name)(x), 1), xp.asarray(VALUES))


@ON
@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_operands_treats_special_values_alike(library, name):
    xp = load(library)
    x, y = (xp.asarray(column) for column in zip(*itertools.product(VALUES, VALUES), strict=True))
    both(xp, with_gradient(lambda x, y: getattr(tl.array_namespace(x, y), name)(x, y), 2), x, y)


NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, INF, -INF, NAN)


@ON
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "pow", "maximum", "minimum"])
def test_a_number_that_is_written_in_the_program_treats_special_values_alike(library, name):
    # What an algebraic rule would like to take for x: x + 0, x * 1, x ** 2, x - (-0), 0 * x, x / 1 and so on.
    xp, x = load(library), load(library).asarray(VALUES)

    def f(x):
        op = getattr(tl.array_namespace(x), name)
        return [op(x, number) for number in NUMBERS] + [op(number, x) for number in NUMBERS]

    both(xp, f, x)

    def slopes(x):
        op = getattr(tl.array_namespace(x), name)
        xp = tl.array_namespace(x)
        return [tl.grad(lambda x, n=n: xp.sum(op(x, n)))(x) for n in NUMBERS]

    both(xp, slopes, x)


REWRITTEN = {
    "x - x": lambda xp, x: x - x,
    "x / x": lambda xp, x: x / x,
    "x + x": lambda xp, x: x + x,
    "0 * x": lambda xp, x: xp.zeros_like(x) * x,
    "x + zeros": lambda xp, x: x + xp.zeros_like(x),
    "x - zeros": lambda xp, x: x - xp.zeros_like(x),
    "x * ones": lambda xp, x: x * xp.ones_like(x),
    "-(-x)": lambda xp, x: xp.negative(-x),
    "(-x) * (-x)": lambda xp, x: (-x) * (-x),
    "x + (-x)": lambda xp, x: x + (-x),
    "1 / (1 / x)": lambda xp, x: 1 / (1 / x),
    "sqrt of a square": lambda xp, x: xp.sqrt(x * x),
    "square of a square root": lambda xp, x: xp.sqrt(x) ** 2,
    "abs of a square": lambda xp, x: xp.abs(x * x),
    "abs of abs": lambda xp, x: xp.abs(xp.abs(x)),
    "exp of log": lambda xp, x: xp.exp(xp.log(x)),
    "log of exp": lambda xp, x: xp.log(xp.exp(x)),
    "log of 1 + x": lambda xp, x: xp.log(1 + x),
    "exp(x) - 1": lambda xp, x: xp.exp(x) - 1,
    "x * 2 / 2": lambda xp, x: x * 2 / 2,
    "x / 3 * 3": lambda xp, x: x / 3 * 3,
    "x * 0.1 * 10": lambda xp, x: x * 0.1 * 10,
    "(x + 1) - 1": lambda xp, x: (x + 1) - 1,
    "where x is x": lambda xp, x: xp.where(xp.isnan(x), x, x),
    "where of its own truth": lambda xp, x: xp.where(x > 0, x, xp.zeros_like(x)),
    "where x is 0": lambda xp, x: xp.where(x == 0, xp.ones_like(x), x),
    "where not": lambda xp, x: xp.where(xp.logical_not(x > 0), x, -x),
    "a mask times x": lambda xp, x: xp.astype(x > 0, x.dtype) * x,
    "maximum with itself": lambda xp, x: xp.maximum(x, x),
    "maximum with 0": lambda xp, x: xp.maximum(x, xp.zeros_like(x)),
    "minimum of maximum": lambda xp, x: xp.minimum(xp.maximum(x, -1.0 + 0 * x), 1.0 + 0 * x),
    "clip": lambda xp, x: xp.clip(x, -1.0, 1.0),
    "pow 0": lambda xp, x: x**0,
    "pow -1": lambda xp, x: x**-1,
    "pow 0.5": lambda xp, x: xp.abs(x) ** 0.5,
    "not of a comparison": lambda xp, x: xp.logical_not(x < 1.0),
    "x == x": lambda xp, x: x == x,
    "abs(x) < 0": lambda xp, x: xp.abs(x) < 0,
    "x * x == 0": lambda xp, x: x * x == 0,
    "sign of abs": lambda xp, x: xp.sign(xp.abs(x)),
    "a sum of one": lambda xp, x: xp.sum(x[:, None], axis=1),
    "a mean of one": lambda xp, x: xp.mean(x[:, None], axis=1),
    "a sum of equals": lambda xp, x: xp.sum(xp.broadcast_to(x[:, None], (*x.shape, 4)), axis=1),
    "a maximum of equals": lambda xp, x: xp.max(xp.broadcast_to(x[:, None], (*x.shape, 4)), axis=1),
}


@ON
@pytest.mark.parametrize("name", REWRITTEN)
def test_what_algebra_would_rewrite_treats_special_values_alike(library, name):
    xp = load(library)
    both(xp, with_gradient(lambda x: REWRITTEN[name](tl.array_namespace(x), x), 1), xp.asarray(VALUES))


def _log_sum_exp(xp, x):
    top = xp.max(x, axis=-1, keepdims=True)
    return xp.log(xp.sum(xp.exp(x - top), axis=-1, keepdims=True)) + top


REDUCED = {
    "sum": lambda xp, x: xp.sum(x, axis=-1),
    "mean": lambda xp, x: xp.mean(x, axis=-1),
    "prod": lambda xp, x: xp.prod(x, axis=-1),
    "max": lambda xp, x: xp.max(x, axis=-1),
    "min": lambda xp, x: xp.min(x, axis=-1),
    "var": lambda xp, x: xp.var(x, axis=-1),
    "std": lambda xp, x: xp.std(x, axis=-1),
    "cumulative_sum": lambda xp, x: xp.cumulative_sum(x, axis=-1),
    "sum of squares": lambda xp, x: xp.sum(x * x, axis=-1),
    "mean of all squares": lambda xp, x: xp.mean(x * x),
    "vector_norm": lambda xp, x: xp.linalg.vector_norm(x, axis=-1),
    "log-sum-exp": _log_sum_exp,
    "softmax": lambda xp, x: xp.exp(x - _log_sum_exp(xp, x)),
    "a product with a matrix": lambda xp, x: x @ xp.matrix_transpose(x),
    "a product with zeros": lambda xp, x: x @ xp.zeros((x.shape[1], 2), dtype=x.dtype, device=x.device),
    "vecdot": lambda xp, x: xp.vecdot(x, x),
    "a masked mean": lambda xp, x: xp.sum(xp.where(xp.isfinite(x), x, xp.zeros_like(x)), axis=-1) / x.shape[-1],
    "sum of rows": lambda xp, x: xp.sum(x, axis=0),
    "sum times number": lambda xp, x: xp.sum(x * 0.0, axis=0),
}
ROWS = [
    [0.0, -0.0, 0.0],
    [-0.0, -0.0, -0.0],
    [1.0, INF, 2.0],
    [-INF, 1.0, INF],
    [-INF, -INF, -INF],
    [INF, INF, INF],
    [NAN, 1.0, 2.0],
    [NAN, INF, -INF],
    [1e200, -1e200, 1e-200],
    [1e308, 1e308, -1e308],
    [5e-324, 5e-324, 0.0],
    [700.0, 800.0, -800.0],
    [2.0, 2.0, 2.0],
]


@ON
@pytest.mark.parametrize("name", REDUCED)
def test_a_reduction_treats_special_values_alike(library, name):
    xp = load(library)
    f = with_gradient(lambda x: REDUCED[name](tl.array_namespace(x), x), 1)
    for rows in ([row] for row in ROWS):
        both_reduced(xp, f, xp.asarray(rows))
    both_reduced(xp, f, xp.asarray(ROWS))
    both_reduced(xp, f, xp.asarray([row for row in ROWS if np.all(is_ordinary(np.asarray(row)))]))


def both_reduced(xp, f, x):
    with np.errstate(all="ignore"):
        expected = eager(xp, f)(x)
        assert_same_bits(xp, exactly(xp, f)(x), expected)
        for one, another in zip(hosts(xp, quickly(xp, f)(x)), hosts(xp, expected), strict=True):
            if np.all(is_ordinary(xp.to_numpy(x))):
                np.testing.assert_allclose(one, another, rtol=1e-11)


@pytest.mark.parametrize("p", POINTS, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_derivative_at_a_point_that_people_trip_over_is_the_same(p, dtype):
    xp = load("numpy")
    operands = [xp.asarray(x, dtype) for x in p.operands(1e160 if dtype == "float64" else 1e20)]
    where = tuple(range(len(operands)))

    def f(*operands):
        return getattr(tl.array_namespace(*operands), p.name)(*operands)

    def slope(*operands):
        return sum(tl.grad(f, where)(*operands))

    for one in (f, tl.value_and_grad(f, where), tl.grad(slope, where)):
        both_points(xp, one, operands)


def both_points(xp, f, operands):
    with np.errstate(all="ignore"):
        expected = eager(xp, f)(*operands)
        assert_same_bits(xp, exactly(xp, f)(*operands), expected)
        for one, another in zip(hosts(xp, quickly(xp, f)(*operands)), hosts(xp, expected), strict=True):
            np.testing.assert_allclose(one, another, rtol=1e-5 if one.dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_ends_of_the_range_survive(dtype):
    xp, limits = load("numpy"), np.finfo(dtype)
    x = xp.asarray(
        [limits.max, -limits.max, limits.smallest_normal, limits.smallest_subnormal, -limits.smallest_subnormal, 1],
        dtype,
    )

    def f(x):
        return [x * 1, x + 0, x / 1, x * 0.5, x * 2 / 2, x / 2 * 2, x / 3, x * x, -x, x / 1e3, x - x / 2, 1 / x]

    both(xp, f, x)


def test_integers_wrap_and_shift_alike():
    xp = load("numpy")
    for dtype in ("int8", "uint8", "int32", "uint64", "int64"):
        limits = np.iinfo(dtype)
        x = xp.asarray(np.asarray([limits.min, limits.max, 0, 1, 7], dtype))

        def f(x):
            names = tl.array_namespace(x)
            out = [x + x, x * x, x - 1, x + 1, x * 2, x // 2, x % 3, x << 1, x >> 1, ~x, x & 6, x | 1, x ^ x, x * 0]
            return [*out, names.abs(x), names.sum(x), names.cumulative_sum(x), x == 0, names.square(x), x**2]

        both(xp, f, x)
