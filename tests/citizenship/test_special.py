"""Special functions: values as SciPy has them, derivatives by rules, on every library."""

import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.citizenship.special_cases import CASES, SpecialCase
from tl_arrayapi.autograd.primitive import PRIMITIVES, Kind

scipy_special = pytest.importorskip("scipy.special", reason="special functions come from SciPy 1.12 or newer")

each_case = pytest.mark.parametrize("case", CASES, ids=str)


def tolerance(xp) -> float:
    # PyTorch's and JAX's own functions keep fewer digits than SciPy's.
    return 2e-9 if xp.real == "float64" else 2e-4


def function(case: SpecialCase, space):
    return getattr(space.special, case.name)


def smooth(case: SpecialCase) -> tuple[int, ...]:
    return tuple(i for i in range(len(case.bounds)) if i not in case.refused)


def central(f, operands, place, step=1e-5):
    """Return the elementwise derivative by one operand, from five points."""

    def at(k):
        moved = [x + k * step if i == place else x for i, x in enumerate(operands)]
        return f(*moved)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def test_every_special_function_has_a_case():
    defined = {name for where, name in PRIMITIVES if where == "special"}
    assert defined == {case.name for case in CASES} | {"gammasgn"}
    assert all(p.kind is Kind.ELEMENTWISE for (where, _), p in PRIMITIVES.items() if where == "special")


@each_case
def test_value_is_scipys_in_the_dtype_and_on_the_device_of_the_operands(xp, case):
    operands = case.operands()
    made = [xp.asarray(x) for x in operands]
    out = tl.stop_gradient(function(case, tl.namespace(xp.namespace))(*made)).value
    assert out.dtype == made[-1].dtype
    if xp.device is not None:
        assert out.device == made[-1].device
    expected = getattr(scipy_special, case.name)(*operands)
    np.testing.assert_allclose(xp.to_numpy(out), expected, rtol=tolerance(xp), atol=tolerance(xp))


@each_case
def test_gradient_agrees_with_central_differences_of_scipy(xp, case):
    operands = case.operands()
    held = {i: xp.asarray(x) for i, x in enumerate(operands)}
    for place in smooth(case):

        def loss(x, place=place):
            space = tl.array_namespace(x)
            return space.sum(function(case, space)(*(x if i == place else held[i] for i in held)))

        g = xp.to_numpy(tl.grad(loss)(held[place]))
        expected = central(getattr(scipy_special, case.name), operands, place)
        np.testing.assert_allclose(g, expected, rtol=5 * tolerance(xp), atol=5 * tolerance(xp))


@each_case
@pytest.mark.parametrize("second", [1, 2], ids=["second order", "third order"])
def test_higher_derivatives_agree_with_central_differences_of_the_one_below(case, second):
    operands = case.operands()

    def derivative(f, place):
        return lambda *xs: tl.grad(
            lambda x: tl.array_namespace(x).sum(f(*(x if i == place else y for i, y in enumerate(xs))))
        )(xs[place])

    for place in smooth(case):
        if case.name == "huber":
            continue  # its second derivative jumps
        f = function(case, tl.namespace(np))
        for _ in range(second):
            f = derivative(f, place)
        found = derivative(f, place)(*operands)
        expected = central(f, operands, place)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=str)
def test_an_operand_without_a_rule_is_refused_when_it_is_watched(case):
    operands = case.operands()
    for place in case.refused:

        def loss(x, place=place):
            space = tl.array_namespace(x)
            return space.sum(function(case, space)(*(x if i == place else y for i, y in enumerate(operands))))

        with pytest.raises(tl.errors.NoRuleError, match="stop_gradient"):
            tl.grad(loss)(operands[place])


@each_case
def test_vmap_is_a_loop(case):
    operands = case.operands(6)
    place = smooth(case)[-1]

    def one(x):
        return function(case, tl.array_namespace(x))(*(x if i == place else y for i, y in enumerate(operands)))

    x, space = np.stack([operands[place], operands[place][::-1]]), tl.namespace(np)
    np.testing.assert_allclose(tl.vmap(one)(x), np.stack([one(space.lift(row)).value for row in x]), rtol=1e-14)


@pytest.mark.slow
@each_case
def test_operands_broadcast_and_may_be_empty_or_without_axes(xp, case):
    operands = case.operands(3)
    for shape in ((0,), (), (2, 3)):
        x = np.ones(shape) * (operands[-1] if shape == (2, 3) else operands[-1][:1].sum())
        parameters = [xp.asarray(p if p.ndim == 0 else p[0]) for p in operands[:-1]]

        def loss(x, parameters=parameters):
            space = tl.array_namespace(x)
            out = function(case, space)(*parameters, x)
            assert out.shape == x.shape
            return space.sum(out)

        g = xp.to_numpy(tl.grad(loss)(xp.asarray(x)))
        assert g.shape == shape
        assert np.all(np.isfinite(g))


def test_a_broadcast_operand_gets_the_sum_of_its_cotangents(xp):
    x, y = xp.asarray([[1.0], [2.0]]), xp.asarray([1.0, 2.0, 4.0])
    g = tl.grad(lambda x, y: tl.array_namespace(x).sum(tl.array_namespace(x).special.xlogy(x, y)), (0, 1))(x, y)
    np.testing.assert_allclose(xp.to_numpy(g[0]), np.full((2, 1), 3 * math.log(2)), rtol=1e-6)
    np.testing.assert_allclose(xp.to_numpy(g[1]), [3.0, 1.5, 0.75], rtol=1e-6)


def test_numbers_and_integers_are_operands(xp):
    space = tl.namespace(xp.namespace)
    x = xp.asarray([1.0, 2.0])
    for out, expected in (
        (space.special.xlogy(2.0, space.lift(x)), [0.0, 2 * math.log(2)]),
        (space.special.polygamma(1, x), scipy_special.polygamma(1, [1.0, 2.0])),
        (space.special.chdtri(3, x / 4), scipy_special.chdtri(3, [0.25, 0.5])),
    ):
        assert out.dtype == x.dtype
        np.testing.assert_allclose(xp.to_numpy(out.value), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@each_case
def test_narrow_floats_stay_what_they_are(case, dtype):
    operands = [x.astype(dtype) for x in case.operands(3)]
    space = tl.namespace(np)
    value, g = tl.value_and_grad(lambda x: tl.array_namespace(x).sum(function(case, space)(*operands[:-1], x)))(
        operands[-1]
    )
    assert value.dtype == g.dtype == dtype


def test_functions_of_integers_have_the_default_floating_dtype(xp):
    whole = xp.asarray([1, 2, 3], dtype="int64")
    out = tl.namespace(xp.namespace).special.gammaln(whole)
    assert out.dtype == xp.namespace.asarray(0.0, **({} if xp.device is None else {"device": xp.device})).dtype
    np.testing.assert_allclose(xp.to_numpy(out.value), np.log([1.0, 1.0, 2.0]), atol=1e-6)


def slope(name, *values, place=0, order=1, xp=np):
    """Return a derivative of a special function of numbers."""

    def f(*xs):
        return getattr(tl.array_namespace(*xs).special, name)(*xs)

    for _ in range(order):
        f = tl.grad(f, place)
    return float(f(*(np.asarray(v) for v in values)))


def test_entropies_have_gradient_zero_where_it_would_be_infinite():
    assert slope("entr", 0.0) == 0.0
    assert slope("rel_entr", 0.0, 2.0) == 0.0
    assert slope("kl_div", 0.0, 2.0) == 0.0
    assert slope("kl_div", 0.0, 2.0, place=1) == 1.0
    assert slope("xlogy", 0.0, 0.0) == 0.0
    assert slope("xlogy", 0.0, 0.0, place=1) == 0.0
    assert slope("xlog1py", 0.0, -1.0) == 0.0


def test_the_gradient_of_xlogy_by_x_at_zero_is_the_logarithm():
    assert slope("xlogy", 0.0, 3.0) == pytest.approx(math.log(3))
    assert slope("xlogy", 0.0, 3.0, place=1) == 0.0


def test_quotients_are_smooth_where_both_parts_vanish():
    assert slope("sinc", 0.0) == 0.0
    assert slope("sinc", 0.0, order=2) == pytest.approx(-(math.pi**2) / 3, rel=1e-14)
    assert slope("exprel", 0.0) == pytest.approx(0.5)
    assert slope("exprel", 1e-9, order=2) == pytest.approx(1 / 3)
    assert slope("i1", 0.0, order=3) == pytest.approx(3 / 8)
    assert slope("j1", 0.0, order=3) == pytest.approx(-3 / 8)
    assert slope("spence", 1.0) == -1.0
    assert slope("spence", 1.0, order=2) == pytest.approx(0.5)
    assert slope("boxcox", 2.0, 0.0, place=1) == pytest.approx(math.log(2) ** 2 / 2)
    assert slope("inv_boxcox", 2.0, 0.0, place=1) == pytest.approx(-2 * math.exp(2))
    assert slope("rgamma", -2.0) == pytest.approx(2.0)
    assert slope("stdtr", 3.0, 0.0, place=1) == pytest.approx(2 / (math.sqrt(3) * math.pi))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("log_ndtr", -40.0, 40.02493768),
        ("log_ndtr", -1e8, 1e8),
        ("log_ndtr", 40.0, 0.0),
        ("log_expit", -800.0, 1.0),
        ("expit", 800.0, 0.0),
        ("expit", 40.0, 4.248354255291589e-18),
        ("spence", 1e-300, -690.7755278982137),
        # The first terms of the asymptotic series, -(1 - 3 / (2 x^2)) / (sqrt(pi) x^2).
        ("erfcx", 1e6, -5.641895835469106e-13),
        ("k0e", 700.0, -3.38182e-05),
        ("i0e", 1e4, -1.9949e-07),
        ("gammaln", 1e300, 690.7755278982137),
    ],
)
def test_derivatives_far_out_are_neither_lost_nor_infinite(name, x, expected):
    assert slope(name, x) == pytest.approx(expected, rel=2e-4, abs=1e-300)


def test_gammasgn_is_constant():
    assert tl.grad(lambda x: tl.array_namespace(x).special.gammasgn(x) * x)(np.asarray(-0.5)) == -1.0


def test_composites_agree_with_scipy(xp):
    host = np.asarray([[0.3, -2.0, 500.0], [1.0, 2.0, 3.0]])
    x, space = xp.asarray(host), tl.namespace(xp.namespace)
    for name in ("softmax", "log_softmax", "logsumexp"):
        for axis in (None, 0, -1):
            out = getattr(space.special, name)(x, axis=axis)
            expected = getattr(scipy_special, name)(host, axis=axis)
            np.testing.assert_allclose(xp.to_numpy(out.value), expected, rtol=1e-5, atol=1e-30)
    out = space.special.multigammaln(xp.asarray(host[1] + 2), 3)
    np.testing.assert_allclose(xp.to_numpy(out.value), scipy_special.multigammaln(host[1] + 2, 3), rtol=1e-5)


DISTRIBUTIONS = {
    "chdtri": (3, [0.2, 0.7]),
    "fdtr": (3, 5, [0.2, 1.7]),
    "fdtrc": (3, 5, [0.2, 1.7]),
    "fdtri": (3, 5, [0.2, 0.7]),
    "gdtr": (1.5, 2, [0.2, 1.7]),
    "gdtrc": (1.5, 2, [0.2, 1.7]),
    "pdtr": (3.5, [0.2, 1.7]),
    "pdtrc": (3.5, [0.2, 1.7]),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution_functions_agree_with_scipy_in_value_and_gradient(xp, name):
    *parameters, host = DISTRIBUTIONS[name]
    made = [xp.asarray(p) for p in parameters]

    def loss(x):
        return tl.array_namespace(x).sum(getattr(tl.array_namespace(x).special, name)(*made, x))

    value, g = tl.value_and_grad(loss)(xp.asarray(host))
    f = getattr(scipy_special, name)
    operands = (*parameters, np.asarray(host))
    assert float(xp.to_numpy(value)) == pytest.approx(np.sum(f(*operands)), rel=10 * tolerance(xp))
    np.testing.assert_allclose(xp.to_numpy(g), central(f, operands, len(parameters)), rtol=10 * tolerance(xp))


ORACLES = {
    # Functions that each library differentiates by rules of its own, by all operands that have a rule here.
    "jax": """
        betainc betaln cbrt digamma entr erf erfc erfinv exp1 exp2 expi expit expn gamma gammainc gammaincc gammaln i0
        i0e i1 i1e kl_div log_ndtr logit ndtr ndtri polygamma rel_entr sinc xlog1py xlogy
    """,
    "torch": """
        digamma entr erf erfc erfcx erfinv exp2 expit gammainc gammaincc gammaln i0 i0e i1 i1e log_ndtr logit ndtr ndtri
        polygamma psi sinc xlog1py xlogy
    """,
}


def by_jax(case, operands, place):
    jax = pytest.importorskip("jax")
    f = tl.backends.get(jax.numpy).special(case.name)
    made = [jax.numpy.asarray(x) for x in operands]
    return jax.grad(lambda x: f(*(x if i == place else y for i, y in enumerate(made))).sum())(made[place])


def by_torch(case, operands, place):
    torch = pytest.importorskip("torch")
    f = tl.backends.get(torch).special(case.name)
    made = [torch.asarray(x, dtype=torch.float64) for x in operands]
    made[place].requires_grad_()
    f(*made).sum().backward()
    return made[place].grad


@pytest.mark.parametrize(
    ("library", "name"), [(library, name) for library, names in ORACLES.items() for name in names.split()]
)
def test_gradient_agrees_with_the_librarys_own(library, name):
    case = next(case for case in CASES if case.name == name)
    operands = case.operands()
    for place in smooth(case):

        def loss(x, place=place):
            space = tl.array_namespace(x)
            return space.sum(function(case, space)(*(x if i == place else y for i, y in enumerate(operands))))

        expected = {"jax": by_jax, "torch": by_torch}[library](case, operands, place)
        np.testing.assert_allclose(tl.grad(loss)(operands[place]), np.asarray(expected), rtol=1e-8, atol=1e-10)


def test_a_lazy_library_stays_lazy():
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")

    def never(*_, **__):
        raise AssertionError("something was computed")

    x = da.ones(4, chunks=2)
    with dask.config.set(scheduler=never):
        g = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).special.gammaln(x)))(x)
    np.testing.assert_allclose(g.compute(), scipy_special.digamma(np.ones(4)))


def test_jax_compiles_its_own_functions_and_their_gradients():
    jax = pytest.importorskip("jax")
    f = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).special.log_ndtr(x)))
    x = jax.numpy.asarray([-1.0, 2.0])
    np.testing.assert_allclose(jax.jit(f)(x), f(x), rtol=1e-12)


def test_a_library_has_what_it_can_compute_and_no_more(monkeypatch):
    import array_api_strict

    from tl_arrayapi.autograd.namespace import Namespace
    from tl_arrayapi.backends import special
    from tl_arrayapi.backends.base import Backend

    monkeypatch.setattr(special, "_is_installed", lambda: False)
    space = Namespace(Backend(array_api_strict))
    assert not hasattr(space.special, "erf")
    assert not hasattr(space.special, "fdtr")
    assert "erf" not in dir(space.special)
    x = array_api_strict.asarray([1.0, 2.0])
    np.testing.assert_allclose(np.asarray(space.special.logsumexp(x).value), scipy_special.logsumexp([1.0, 2.0]))


def test_check_grads_takes_functions_with_special_ones(xp):
    if xp.real == "float64":
        tl.check_grads(lambda x: tl.array_namespace(x).special.gammaln(x), (xp.asarray([0.7, 2.0]),), order=2)


def test_a_namespace_that_has_special_functions_of_its_own_is_asked_first():
    from tl_arrayapi.backends.base import Backend

    own = SimpleNamespace(__name__="own", special=SimpleNamespace(erf=abs))
    assert Backend(own).special("erf") is abs
    assert Backend(own).special("erfc").__name__ == "erfc"


def test_polygamma_takes_several_orders(xp):
    orders, x = np.asarray([1.0, 2.0, 3.0]), np.asarray([0.5, 1.5, 2.5])
    space = tl.namespace(xp.namespace)
    made = xp.asarray(orders)

    def loss(x):
        return space.sum(space.special.polygamma(made, x))

    np.testing.assert_allclose(
        xp.to_numpy(tl.grad(loss)(xp.asarray(x))), scipy_special.polygamma(orders + 1, x), rtol=1e-5
    )


@pytest.mark.parametrize(
    "name", ["erf", "erfc", "ndtr", "log_ndtr", "sinc", "expi", "exp1", "loggamma", "gamma", "spence"]
)
def test_holomorphic_functions_take_complex_numbers(name):
    rng = np.random.default_rng(41)
    z = rng.uniform(0.3, 0.8, 4) + 1j * rng.uniform(0.1, 0.6, 4)
    f = getattr(scipy_special, name)

    def loss(z):
        xp = tl.array_namespace(z)
        return xp.sum(xp.real((1 + 2j) * getattr(xp.special, name)(z)))

    slope = (8 * (f(z + 1e-4) - f(z - 1e-4)) - (f(z + 2e-4) - f(z - 2e-4))) / 12e-4
    np.testing.assert_allclose(tl.grad(loss)(z), (1 + 2j) * slope, rtol=1e-8)


def test_logsumexp_has_softmax_for_its_gradient(xp):
    host = np.asarray([[0.3, -2.0, 500.0], [1.0, 2.0, -np.inf]])
    g = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).special.logsumexp(x, axis=1)))(
        xp.asarray(host)
    )
    np.testing.assert_allclose(xp.to_numpy(g), scipy_special.softmax(host, axis=1), rtol=1e-5, atol=1e-30)


WITHOUT_X64 = """
import jax.numpy
import numpy
import tl_arrayapi as tl
from tests.citizenship.special_cases import CASES

for case in CASES:
    operands = [jax.numpy.asarray(x, dtype="float32") for x in case.operands(4)]
    place = len(operands) - 1

    def loss(x):
        xp = tl.array_namespace(x)
        return xp.sum(getattr(xp.special, case.name)(*operands[:-1], x))

    g = tl.grad(loss)(operands[-1])
    assert g.dtype == "float32", case.name
    assert numpy.all(numpy.isfinite(numpy.asarray(g))), case.name
"""


@pytest.mark.slow
def test_jax_without_64_bit_numbers_has_all_of_them():
    pytest.importorskip("jax")
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "JAX_ENABLE_X64": "0", "PYTHONPATH": root}
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_X64], env=env, cwd=root, capture_output=True, text=True, timeout=280, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
