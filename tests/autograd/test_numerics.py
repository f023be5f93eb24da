"""Derivatives at the points that people trip over: zeros, ties, infinities, ends of domains, and numbers whose squares
overflow. What is documented holds there, no NaN comes out, and NumPy has nothing to warn of.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backends")

INF = math.inf
HALF = math.sqrt(0.5)


@dataclass(frozen=True)
class Point:
    """Operands of a function, and its derivatives there, one an operand; both given a number that is huge in the
    dtype: its square overflows.
    """

    name: str
    operands: Callable[[float], tuple[float, ...]]
    expected: Callable[[float], tuple[float, ...]]
    says: str

    def __str__(self) -> str:
        return f"{self.name}, {self.says}"


def point(name: str, operands: tuple[float, ...], expected: tuple[float, ...], says: str) -> Point:
    return Point(name, lambda huge: operands, lambda huge: expected, says)


POINTS = [
    point("abs", (0.0,), (0.0,), "0 at 0"),
    point("sign", (0.0,), (0.0,), "0 at 0"),
    point("sqrt", (0.0,), (0.0,), "0 at 0"),
    point("hypot", (0.0, 0.0), (0.0, 0.0), "0 at the origin"),
    point("hypot", (3.0, 0.0), (1.0, 0.0), "on an axis"),
    Point("hypot", lambda h: (h, h), lambda h: (HALF, HALF), "of huge numbers"),
    Point("hypot", lambda h: (1 / h, 1 / h), lambda h: (HALF, HALF), "of tiny numbers"),
    point("atan2", (0.0, 0.0), (0.0, 0.0), "0 at the origin"),
    point("atan2", (0.0, -2.0), (-0.5, -0.0), "on the cut"),
    Point("atan2", lambda h: (h, h), lambda h: (0.5 / h, -0.5 / h), "of huge numbers"),
    Point("atan2", lambda h: (1 / h, 1 / h), lambda h: (0.5 * h, -0.5 * h), "of tiny numbers"),
    point("pow", (0.0, 0.0), (0.0, 0.0), "0 to the 0"),
    point("pow", (0.0, 1.0), (1.0, 0.0), "0 to the 1"),
    point("pow", (0.0, 2.0), (0.0, 0.0), "0 to the 2"),
    point("pow", (0.0, 0.5), (0.0, 0.0), "0 to the half, where the derivative would be infinite"),
    point("pow", (-2.0, 3.0), (12.0, 0.0), "a negative base with a whole exponent"),
    point("logaddexp", (-INF, -INF), (0.5, 0.5), "half and half of two impossible events"),
    point("logaddexp", (INF, INF), (0.5, 0.5), "half and half of two infinities"),
    point("logaddexp", (-INF, 1.0), (0.0, 1.0), "an impossible event has no part"),
    point("logaddexp", (INF, 1.0), (1.0, 0.0), "an infinity has all of it"),
    Point("logaddexp", lambda h: (h, h), lambda h: (0.5, 0.5), "a tie of huge numbers"),
    Point("logaddexp", lambda h: (h, 1.0), lambda h: (1.0, 0.0), "a huge number has all of it"),
    Point("tanh", lambda h: (h,), lambda h: (0.0,), "of a huge number"),
    Point("atan", lambda h: (h,), lambda h: (0.0,), "of a huge number"),
    Point("asinh", lambda h: (h,), lambda h: (1 / h,), "of a huge number"),
    Point("acosh", lambda h: (h,), lambda h: (1 / h,), "of a huge number"),
    Point("log1p", lambda h: (h,), lambda h: (1 / h,), "of a huge number"),
    Point("log1p", lambda h: (1 / h,), lambda h: (1.0,), "of a tiny number"),
    Point("expm1", lambda h: (1 / h,), lambda h: (1.0,), "of a tiny number"),
    Point("expm1", lambda h: (-h,), lambda h: (0.0,), "of a huge negative number"),
    Point("reciprocal", lambda h: (h,), lambda h: (0.0,), "of a huge number"),
    Point("divide", lambda h: (1.0, h), lambda h: (1 / h, 0.0), "by a huge number"),
    Point("square", lambda h: (1 / h,), lambda h: (2 / h,), "of a tiny number"),
    point("copysign", (0.0, -1.0), (-1.0, 0.0), "the sign of 0 is that of the zero"),
    point("maximum", (1.0, 1.0), (0.5, 0.5), "a tie is shared"),
    point("minimum", (1.0, 1.0), (0.5, 0.5), "a tie is shared"),
    point("remainder", (-7.0, 3.0), (1.0, 3.0), "of a negative number"),
]


def function(name: str):
    return lambda *operands: getattr(tl.array_namespace(*operands), name)(*operands)


def huge(xp) -> float:
    return 1e200 if xp.real == "float64" else 1e30


@pytest.mark.parametrize("case", POINTS, ids=str)
def test_a_derivative_is_what_is_documented(xp, case):
    operands = [xp.asarray(x, dtype=xp.real) for x in case.operands(huge(xp))]
    grads = tl.grad(function(case.name), tuple(range(len(operands))))(*operands)
    for g, expected in zip(grads, case.expected(huge(xp)), strict=True):
        assert float(xp.to_numpy(g)) == pytest.approx(expected, rel=1e-6, abs=0)


# Second derivatives of tiny numbers are beyond all numbers.
@pytest.mark.parametrize("case", [case for case in POINTS if "tiny" not in case.says], ids=str)
def test_a_second_derivative_is_no_nan(case):
    f, every = function(case.name), tuple(range(len(case.operands(1.0))))

    def slope(*operands):
        return sum(tl.grad(f, every)(*operands))

    second = tl.grad(slope, every)(*(np.asarray(x) for x in case.operands(1e200)))
    assert not any(math.isnan(g) for g in second)


@pytest.mark.parametrize("name", ["abs", "sqrt", "sign"])
def test_a_complex_function_has_derivative_0_at_0(xp, name):
    def loss(z):
        space = tl.array_namespace(z)
        out = getattr(space, name)(z)
        return space.sum(space.real(out) if space.isdtype(out.dtype, "complex floating") else out)

    z = xp.asarray([0j, 3 + 4j], dtype="complex64")
    with np.errstate(invalid="ignore"):  # compat's own sign of 0
        g = xp.to_numpy(tl.grad(loss)(z))
    assert g[0] == 0
    assert np.isfinite(g[1])
    assert g[1] != 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("asin", lambda e: 1 / math.sqrt(e * (2 - e))),
        ("acos", lambda e: -1 / math.sqrt(e * (2 - e))),
        ("atanh", lambda e: 1 / (e * (2 - e))),
    ],
)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_nothing_cancels_at_the_ends_of_a_domain(xp, name, expected, side):
    eps = float(np.finfo(xp.real).eps)
    x = xp.asarray(side * (1 - 3 * eps), dtype=xp.real)
    assert float(xp.to_numpy(tl.grad(function(name))(x))) == pytest.approx(expected(3 * eps), rel=8 * eps)


def test_nothing_cancels_at_the_end_of_acosh(xp):
    eps = float(np.finfo(xp.real).eps)
    x = xp.asarray(1 + 4 * eps, dtype=xp.real)
    expected = 1 / math.sqrt(4 * eps * (2 + 4 * eps))
    assert float(xp.to_numpy(tl.grad(function("acosh"))(x))) == pytest.approx(expected, rel=8 * eps)


@pytest.mark.parametrize(
    ("name", "edge"), [("log", 0.0), ("log2", 0.0), ("asin", 1.0), ("acosh", 1.0), ("atanh", -1.0)]
)
def test_a_derivative_that_is_infinite_at_the_end_of_a_domain_is_infinite(xp, name, edge):
    with np.errstate(divide="ignore"):
        g = xp.to_numpy(tl.grad(function(name))(xp.asarray(edge, dtype=xp.real)))
    assert g == INF


def test_logaddexp_shares_a_tie_to_every_order(xp):
    x, y = xp.asarray(1.5, dtype=xp.real), xp.asarray(1.5, dtype=xp.real)
    f = function("logaddexp")
    first = tl.grad(f)
    second = tl.grad(lambda x, y: first(x, y))
    third = tl.grad(lambda x, y: second(x, y))
    assert [float(xp.to_numpy(d(x, y))) for d in (first, second, third)] == pytest.approx([0.5, 0.25, 0.0], abs=1e-6)


def test_powers_of_0_have_their_derivatives_to_every_order(xp):
    def derivatives(exponent, x):
        def d(x):
            return x**exponent

        found = []
        for _ in range(3):
            d = tl.grad(d)
            found.append(float(xp.to_numpy(d(x))))
        return found

    zero = xp.asarray(0.0, dtype=xp.real)
    assert derivatives(2, zero) == [0.0, 2.0, 0.0]
    assert derivatives(3.0, zero) == [0.0, 0.0, 6.0]
    assert derivatives(1, zero) == [1.0, 0.0, 0.0]
    assert derivatives(0, zero) == [0.0, 0.0, 0.0]


def test_a_quotient_like_sinc_is_finite_where_it_is_mended(xp):
    def sinc(x):
        space = tl.array_namespace(x)
        return space.sum(space.where(x == 0, 1.0, space.sin(x) / x))

    with np.errstate(invalid="ignore", divide="ignore"):
        g = xp.to_numpy(tl.grad(sinc)(xp.asarray([0.0, 0.5], dtype=xp.real)))
    assert g[0] == 0
    assert g[1] == pytest.approx((0.5 * math.cos(0.5) - math.sin(0.5)) / 0.25, rel=1e-5)


@pytest.mark.parametrize("correction", [0.0, 1.0])
@pytest.mark.parametrize("name", ["var", "std"])
def test_a_constant_has_no_spread_and_no_gradient_of_it(xp, name, correction):
    def spread(x):
        space = tl.array_namespace(x)
        return space.sum(getattr(space, name)(x, axis=-1, correction=correction))

    x = xp.asarray([[2.0, 2.0, 2.0], [4.0, 4.0, 4.0]], dtype=xp.real)
    np.testing.assert_array_equal(xp.to_numpy(tl.grad(spread)(x)), np.zeros((2, 3)))
    second = tl.grad(lambda x: tl.array_namespace(x).sum(tl.grad(spread)(x)))(x)
    assert np.all(np.isfinite(xp.to_numpy(second)))


@pytest.mark.parametrize("name", ["max", "min"])
def test_an_extremum_is_shared_by_all_that_tie_infinities_too(xp, name):
    sign = 1 if name == "max" else -1
    x = xp.asarray([[3.0, 1.0, 3.0], [INF, 0.0, 1.0], [5.0, 5.0, 5.0]], dtype=xp.real) * sign
    g = tl.grad(lambda x: tl.array_namespace(x).sum(getattr(tl.array_namespace(x), name)(x, axis=1)))(x)
    np.testing.assert_allclose(xp.to_numpy(g), [[0.5, 0, 0.5], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


def test_a_product_with_zeros_has_the_product_of_the_others(xp):
    x = xp.asarray([[2.0, 0.0, 3.0], [0.0, 0.0, 3.0]], dtype=xp.real)

    def product(x):
        return tl.array_namespace(x).sum(tl.array_namespace(x).prod(x, axis=1))

    np.testing.assert_allclose(xp.to_numpy(tl.grad(product)(x)), [[0, 6, 0], [0, 0, 0]])
    hessian = xp.to_numpy(tl.hessian(product)(x))
    np.testing.assert_allclose(hessian[1, :, 1, :], [[0, 3, 0], [3, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("order", [2, 1, 3, INF])
def test_a_norm_has_gradient_0_at_0(xp, order):
    def norm(x):
        return tl.array_namespace(x).linalg.vector_norm(x, ord=order)

    np.testing.assert_array_equal(xp.to_numpy(tl.grad(norm)(xp.asarray([0.0, 0.0], dtype=xp.real))), [0.0, 0.0])
