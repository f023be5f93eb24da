"""Every rule, in value, first and second derivative, on every library."""

import array_api_compat.numpy as host
import numpy as np
import pytest

from tests.autograd.cases import CASES, Case, complex_cases
from tl_arrayapi import autograd as tl

STEP = 1e-6


def weights_for(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape)


def central_differences(f, operands, direction):
    """Return the directional derivative of a scalar host function."""
    ahead = f(*(x + STEP * v for x, v in zip(operands, direction, strict=True)))
    behind = f(*(x - STEP * v for x, v in zip(operands, direction, strict=True)))
    return (ahead - behind) / (2 * STEP)


def weighted(case: Case, weights: np.ndarray):
    """Return sum(weights * case) as a function of Arrays, and of host arrays."""

    def loss(*operands):
        xp = tl.array_namespace(*operands)
        out = case.function(xp, *operands)
        if xp.isdtype(out.dtype, "complex floating"):
            out = xp.real(out) + 2 * xp.imag(out)
        w = xp.asarray(weights, dtype=out.dtype) if not hasattr(operands[0], "device") else None
        if w is None:
            w = xp.asarray(weights.tolist(), dtype=out.dtype, device=operands[0].device)
        return xp.sum(out * w)

    return loss


def out_shape(case: Case) -> tuple[int, ...]:
    return np.shape(case.function(tl.namespace(host), *(tl.namespace(host).asarray(x) for x in case.operands)).value)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_is_the_librarys_own(xp, case):
    ours = tl.namespace(xp.namespace)
    operands = [xp.asarray(x) for x in case.operands]
    with np.errstate(all="ignore"):
        expected = case.function(host, *(np.asarray(x) for x in case.operands))
    got = tl.stop_gradient(case.function(ours, *(ours.lift(x) for x in operands)))
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(xp.to_numpy(got.value), expected, rtol=10 * xp.tolerance, atol=10 * xp.tolerance)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_and_its_gradient_agree_with_central_differences(xp, case):
    weights = weights_for(out_shape(case), 20)
    loss = weighted(case, weights)
    direction = [np.random.default_rng(21 + i).uniform(-1, 1, x.shape) for i, x in enumerate(case.operands)]
    every = tuple(range(len(case.operands)))

    def slope(*operands):
        """Return the derivative along ``direction``: a scalar function of the operands, made of the first gradient."""
        space = tl.array_namespace(*operands)
        grads = tl.grad(loss, every)(*operands)
        device = None if not hasattr(operands[0], "device") else operands[0].device
        parts = [
            space.sum(g * space.asarray(v.tolist(), dtype=g.dtype, device=device))
            for g, v in zip(grads, direction, strict=True)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def on_host(f):
        return lambda *operands: float(f(*operands))

    operands = [xp.asarray(x) for x in case.operands]
    tolerance = 1e-6 if xp.real == "float64" else 2e-3
    first = float(xp.to_numpy(slope(*operands)))
    expected = central_differences(
        on_host(lambda *xs: np.sum(case.function(host, *xs) * weights)), case.operands, direction
    )
    assert first == pytest.approx(expected, rel=tolerance, abs=tolerance)
    second = tl.grad(slope, every)(*operands)
    along = sum(float(np.sum(xp.to_numpy(g) * v)) for g, v in zip(second, direction, strict=True))
    expected = central_differences(on_host(slope), case.operands, direction)
    assert along == pytest.approx(expected, rel=10 * tolerance, abs=10 * tolerance)


@pytest.mark.parametrize("case", complex_cases(), ids=str)
def test_complex_gradient_follows_the_real_part_of_g_dz(case):
    weights = weights_for(out_shape(case), 22)
    loss = weighted(case, weights)
    rng = np.random.default_rng(23)
    direction = [
        rng.normal(size=x.shape) + (1j * rng.normal(size=x.shape) if np.iscomplexobj(x) else 0) for x in case.operands
    ]
    grads = tl.grad(loss, tuple(range(len(case.operands))))(*case.operands)
    for g, x in zip(grads, case.operands, strict=True):
        assert g.dtype == x.dtype
    along = sum(float(np.real(np.sum(g * v))) for g, v in zip(grads, direction, strict=True))

    def on_host(*xs):
        out = case.function(host, *xs)
        out = np.real(out) + 2 * np.imag(out) if np.iscomplexobj(out) else out
        return float(np.sum(out * weights))

    assert along == pytest.approx(central_differences(on_host, case.operands, direction), rel=1e-6, abs=1e-6)
