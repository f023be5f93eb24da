"""array-api-extra on traced arrays: the same code, with right gradients, on every library."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host
import numpy as np
import pytest

import tl_arrayapi as tl

xpx = pytest.importorskip("array_api_extra", reason="pip install 'tl-arrayapi[test]'")


@dataclass(frozen=True)
class Extra:
    """One call of array-api-extra: ``function(xp, *operands)``; some need shapes that depend on data."""

    name: str
    function: Callable[..., Any]
    operands: tuple[np.ndarray, ...]
    data_dependent: bool = False

    def __str__(self) -> str:
        return self.name


_rng = np.random.default_rng(6)
X, Y = _rng.uniform(-1.0, 1.0, (3, 4)), _rng.uniform(0.5, 1.5, (3, 4))
V, W = _rng.uniform(-1.0, 1.0, 5), _rng.uniform(0.5, 1.5, 3)
GAPS = np.where(np.arange(12).reshape(3, 4) % 5 == 0, np.nan, X)


def _at(method: str, value: Callable[..., Any], key: Any) -> Callable[..., Any]:
    def function(xp, x, y):
        return getattr(xpx.at(x, key(xp, x) if callable(key) else key), method)(value(y), copy=True)

    return function


_METHODS = ("set", "add", "subtract", "multiply", "divide", "power", "min", "max")
_KEYS: dict[str, Any] = {
    "integer": 1,
    "slice": (slice(None), slice(1, 3)),
    "ellipsis": (..., 2),
    "mask": lambda xp, x: x > 1.0,
}

CASES = [
    *(
        Extra(
            f"at {method} {name}",
            _at(method, lambda y: y[0, 0] * 0.7, key),
            (Y, Y[::-1].copy()),
            name == "mask" and method != "set",
        )
        for method in _METHODS
        for name, key in _KEYS.items()
    ),
    Extra("at set rows", _at("set", lambda y: y[0, :] ** 2, 1), (X, Y)),
    Extra("angle", lambda xp, x, y: xpx.angle(x + 1j * y), (X, Y)),
    Extra("apply_where", lambda xp, x: xpx.apply_where(x > 0, x, lambda t: xp.sqrt(t), lambda t: t * t), (X,), True),
    Extra("apply_where fill", lambda xp, x: xpx.apply_where(x > 0, x, lambda t: xp.log(t), fill_value=2.0), (X,), True),
    Extra("atleast_nd", lambda xp, x: xpx.atleast_nd(x, ndim=3) ** 2, (V,)),
    Extra("cov", lambda xp, x: xpx.cov(x), (X,)),
    Extra("cov of weights", lambda xp, x, w: xpx.cov(x, aweights=w), (X, Y[0])),
    Extra("create_diagonal", lambda xp, x: xpx.create_diagonal(x, offset=1), (V,)),
    Extra("deg2rad", lambda xp, x: xpx.deg2rad(x), (X,)),
    Extra("rad2deg", lambda xp, x: xpx.rad2deg(x), (X,)),
    Extra("kron", lambda xp, x, y: xpx.kron(x, y), (X, Y[:2, :2].copy())),
    Extra("nan_to_num", lambda xp, x: xpx.nan_to_num(x * x), (X,)),
    Extra("nanmax", lambda xp, x: xpx.nanmax(x, axis=1), (GAPS,)),
    Extra("nanmin", lambda xp, x: xpx.nanmin(x, axis=0), (GAPS,)),
    Extra("nanmean", lambda xp, x: xpx.nanmean(x, axis=1), (GAPS,)),
    Extra("nansum", lambda xp, x: xpx.nansum(x), (GAPS,)),
    Extra("pad", lambda xp, x: xpx.pad(x, ((1, 0), (2, 1)), constant_values=0.3), (X,)),
    Extra("partition", lambda xp, x: xpx.partition(x, 2, axis=1), (X,)),
    Extra("argpartition", lambda xp, x: xp.take(x, xpx.argpartition(x, 0)[:1], axis=0), (V,)),
    Extra("sinc", lambda xp, x: xpx.sinc(x), (X,)),
    Extra("setdiff1d", lambda xp, x: xpx.setdiff1d(x, x[:2]), (V,), True),
    Extra("union1d", lambda xp, x, y: xpx.union1d(x, y) ** 2, (V, W), True),
    Extra("isclose", lambda xp, x: xp.where(xpx.isclose(x, x + 1e-12), x, 0 * x), (X,), True),
    Extra("isin", lambda xp, x: xp.where(xpx.isin(x, x[:2]), x, 0 * x), (V,)),
    Extra("searchsorted", lambda xp, x, y: x * xp.astype(xpx.searchsorted(xp.sort(y), x), x.dtype), (V, W)),
    Extra("one_hot", lambda xp, x: xp.sum(xpx.one_hot(xp.argsort(x), 5, dtype=x.dtype) * x, axis=1), (V,)),
    Extra("tril_indices", lambda xp, x: x[xpx.tril_indices(3, xp=xp, device=_device(x))], (X[:, :3].copy(),), True),
    Extra("triu_indices", lambda xp, x: x[xpx.triu_indices(3, xp=xp, device=_device(x))], (X[:, :3].copy(),), True),
    Extra("diag_indices", lambda xp, x: x[xpx.diag_indices(3, xp=xp, device=_device(x))], (X[:, :3].copy(),)),
    Extra(
        "unravel_index",
        lambda xp, x: x[xpx.unravel_index(xp.asarray([5, 2], device=_device(x)), (3, 4))],
        (X,),
    ),
]


def _device(x: Any) -> Any:
    return None if isinstance(x, np.ndarray) else x.device


def weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(7).uniform(0.5, 1.5, shape)


def total(xp: Any, out: Any, dtype: Any, device: Any) -> Any:
    return xp.sum(xp.astype(out, dtype) * xp.asarray(weights(tuple(out.shape)).tolist(), dtype=dtype, device=device))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_agrees_with_central_differences(xp, case):
    if case.data_dependent and xp.name in ("strict-flags", "dask"):
        pytest.skip(f"a shape depends on data, which {xp.name} does not have")
    if case.name.startswith("cov") and xp.real != "float64":
        pytest.skip("array-api-extra computes covariances in the library's default dtype at least")
    direction = [np.random.default_rng(8 + i).uniform(-1.0, 1.0, x.shape) for i, x in enumerate(case.operands)]

    def on_host(step):
        moved = [x + step * d for x, d in zip(case.operands, direction, strict=True)]
        out = np.asarray(case.function(host, *moved))
        return float(np.sum(out * weights(out.shape)))

    expected = (on_host(1e-6) - on_host(-1e-6)) / 2e-6

    def loss(*operands):
        space = tl.array_namespace(*operands)
        return total(space, case.function(space, *operands), operands[0].dtype, operands[0].device)

    grads = tl.grad(loss, tuple(range(len(case.operands))))(*(xp.asarray(x) for x in case.operands))
    along = sum(float(np.nansum(xp.to_numpy(g) * d)) for g, d in zip(grads, direction, strict=True))
    tolerance = 1e-6 if xp.real == "float64" else 2e-3
    assert along == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_sinc_is_smooth_at_zero(xp):
    g = tl.grad(lambda x: tl.array_namespace(x).sum(xpx.sinc(x)))(xp.asarray([0.0, 1.0]))
    np.testing.assert_allclose(xp.to_numpy(g), [0.0, -1.0], atol=1e-5)


def test_the_default_dtype_is_the_librarys(xp):
    space = tl.namespace(xp.namespace)
    assert xpx.default_dtype(space, device=xp.device) == xpx.default_dtype(xp.namespace, device=xp.device)


def test_nunique_of_a_watched_array_counts_without_a_gradient(xp):
    if xp.name in ("strict-flags", "dask"):
        pytest.skip("the number of values depends on data")

    def loss(x):
        space = tl.array_namespace(x)
        return space.sum(x) * space.astype(space.asarray(xpx.nunique(x), device=x.device), x.dtype)

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0, 2.0]))), [2.0, 2.0, 2.0])


def test_lazy_apply_of_the_namespaces_own_functions_keeps_the_gradient(xp):
    def loss(x):
        return tl.array_namespace(x).sum(xpx.lazy_apply(lambda t: t * t, x))

    np.testing.assert_allclose(xp.to_numpy(tl.grad(loss)(xp.asarray([1.0, 2.0]))), [2.0, 4.0])


def test_lazy_apply_by_way_of_numpy_refuses_a_watched_array(xp):
    def loss(x):
        return tl.array_namespace(x).sum(xpx.lazy_apply(np.exp, x, as_numpy=True))

    with pytest.raises(tl.errors.WatchedError, match="stop_gradient"):
        tl.grad(loss)(xp.asarray([1.0, 2.0]))
