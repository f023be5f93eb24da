"""The transforms compose in any order, to third order and beyond; they mind neither threads nor exceptions.

The functions here are G(x) = exp(c . x) K, for a constant array K. Whatever a transform makes of one is another, with a
K that is known, so that every composition has an exact result.
"""

import gc
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import array_api_compat
import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi.autograd.array import Array, Level

pytestmark = pytest.mark.usefixtures("backends")

C = np.asarray([0.5, -0.25, 0.75])
X = np.asarray([0.3, 0.2, -0.1])
V = np.asarray([1.0, 2.0, -1.0])
SHIFTS = np.asarray([[0.1, 0.0, 0.2], [-0.3, 0.4, 0.0]])
START = np.asarray([1.5, -0.5])

G = Callable[[Any], Any]


def total(g: G) -> G:
    """Return the sum of what ``g`` returns: a gradient needs one number."""
    return lambda x: tl.array_namespace(x).sum(g(x))


def beside(x: Any, values: np.ndarray) -> Any:
    """Return ``values`` as an array like ``x``: plain where it is, of its library, dtype and device."""
    xp = tl.array_namespace(x)
    return xp.asarray(values.tolist(), dtype=x.dtype, device=array_api_compat.device(x))


def start(x: Any) -> Any:
    xp = tl.array_namespace(x)
    return xp.exp(xp.sum(beside(x, C) * x)) * beside(x, START)


# ---- the transforms as functions of G, and what they make of K
def along(g: G) -> G:
    return lambda x: tl.jvp(g, (x,), (beside(x, V),))[1]


def hessian_times(g: G) -> G:
    return lambda x: tl.hvp(total(g), (x,), (beside(x, V),))[0]


def value_beside_gradient(g: G) -> G:
    def joined(x: Any) -> Any:
        value, gradient = tl.value_and_grad(total(g))(x)
        xp = tl.array_namespace(x)
        return xp.concat([xp.reshape(value, (1,)), gradient])

    return joined


def pulled_back(g: G) -> G:
    def pulled(x: Any) -> Any:
        out, pullback = tl.vjp(g, x)
        return pullback(tl.array_namespace(out).ones_like(out))[0]

    return pulled


def custom(g: G) -> G:
    return tl.custom_vjp(g, lambda x: (g(x), x), lambda x, cotangent: tl.vjp(g, x)[1](cotangent))


def mapped(g: G) -> G:
    return lambda x: tl.vmap(g)(x + beside(x, SHIFTS))


def mapped_around(g: G) -> G:
    """Map over shifts, with x from outside."""

    def run(x: Any) -> Any:
        # Lifted, for the operators of some libraries refuse what they do not know.
        lifted = tl.namespace(tl.array_namespace(x)).lift(x)
        return tl.vmap(lambda shift: g(lifted + shift))(beside(x, SHIFTS))

    return run


def stacked(k: np.ndarray) -> np.ndarray:
    return np.multiply.outer(np.exp(SHIFTS @ C), k)


@dataclass(frozen=True)
class Transform:
    apply: Callable[[G], G]
    expected: Callable[[np.ndarray], np.ndarray]
    order: int


TRANSFORMS = {
    "grad": Transform(lambda g: tl.grad(total(g)), lambda k: k.sum() * C, 1),
    "value_and_grad": Transform(value_beside_gradient, lambda k: k.sum() * np.asarray([1.0, *C]), 1),
    "vjp": Transform(pulled_back, lambda k: k.sum() * C, 1),
    "jvp": Transform(along, lambda k: k * (C @ V), 1),
    "jacobian": Transform(tl.jacobian, lambda k: np.multiply.outer(k, C), 1),
    "hvp": Transform(hessian_times, lambda k: k.sum() * C * (C @ V), 2),
    "hessian": Transform(lambda g: tl.hessian(total(g)), lambda k: k.sum() * np.outer(C, C), 2),
    "vmap": Transform(mapped, stacked, 0),
    "vmap around": Transform(mapped_around, stacked, 0),
    "checkpoint": Transform(tl.checkpoint, lambda k: k, 0),
    "custom_vjp": Transform(custom, lambda k: k, 0),
}


def composed(names: tuple[str, ...]) -> tuple[G, np.ndarray]:
    """Return the composition, the first name outermost, and its result at X."""
    g, k = start, START
    for name in reversed(names):
        g, k = TRANSFORMS[name].apply(g), TRANSFORMS[name].expected(k)
    return g, np.exp(C @ X) * k


# Every transform once outside and once inside of another.
ORDER = ("grad", "vmap", "hessian", "jvp", "checkpoint", "jacobian", "vmap around", "hvp", "custom_vjp", "vjp")
RING = [*itertools.pairwise(ORDER), ("vjp", "value_and_grad"), ("value_and_grad", "grad")]


@pytest.mark.parametrize("names", RING, ids=" of ".join)
def test_a_pair_of_transforms_composes_on_every_library(xp, names):
    g, expected = composed(names)
    got = xp.to_numpy(g(xp.asarray(X)))
    np.testing.assert_allclose(got, expected, rtol=100 * xp.tolerance, atol=xp.tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("outer", TRANSFORMS)
def test_each_pair_of_transforms_composes_on_every_library(xp, outer):
    for inner in TRANSFORMS:
        g, expected = composed((outer, inner))
        got = xp.to_numpy(g(xp.asarray(X)))
        np.testing.assert_allclose(got, expected, rtol=100 * xp.tolerance, atol=xp.tolerance, err_msg=inner)


def test_the_pairs_on_every_library_have_each_transform_outside_and_inside():
    assert {outer for outer, _ in RING} == {inner for _, inner in RING} == TRANSFORMS.keys()


PAIRS_AND_TRIPLES = [
    *itertools.product(TRANSFORMS, repeat=2),
    *(names for names in itertools.product(TRANSFORMS, repeat=3) if sum(TRANSFORMS[name].order for name in names) <= 3),
]


@pytest.mark.parametrize("outer", TRANSFORMS)
def test_all_pairs_and_triples_of_transforms_compose_to_third_order(outer):
    for names in PAIRS_AND_TRIPLES:
        if names[0] == outer:
            g, expected = composed(names)
            np.testing.assert_allclose(g(X), expected, rtol=1e-12, err_msg=" of ".join(names))


def test_hvp_is_the_gradient_pushed_forwards_for_complex_arrays():
    z, v = X + 1j * V, V - 0.5j * X

    def f(z):
        xp = tl.array_namespace(z)
        return xp.sum(xp.real(z * z * xp.conj(z) * xp.exp(0.1 * z)) + xp.abs(z) ** 3)

    forwards = tl.jvp(tl.grad(f), (z,), (v,))[1]
    np.testing.assert_allclose(tl.hvp(f, (z,), (v,))[0], forwards, rtol=1e-12)
    differences = (tl.grad(f)(z + 1e-6 * v) - tl.grad(f)(z - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(forwards, differences, rtol=1e-7)


# ---- one variable of a transform is not another's
def by_grad(f: G) -> G:
    return tl.grad(f)


def by_jvp(f: G) -> G:
    return lambda x: tl.jvp(f, (x,), (tl.array_namespace(x).ones_like(x),))[1]


def by_vjp(f: G) -> G:
    def slope(x: Any) -> Any:
        out, pullback = tl.vjp(f, x)
        return pullback(tl.array_namespace(out).ones_like(out))[0]

    return slope


def by_vmap(f: G) -> G:
    def slope(x: Any) -> Any:
        xp = tl.array_namespace(x)
        return tl.vmap(tl.grad(f))(xp.reshape(x, (1,)))[0]

    return slope


DERIVATIVES = {"grad": by_grad, "jvp": by_jvp, "vjp": by_vjp, "jacobian": tl.jacobian, "mapped grad": by_vmap}


@pytest.mark.parametrize("outer", DERIVATIVES)
@pytest.mark.parametrize("inner", DERIVATIVES)
def test_a_derivative_inside_another_does_not_take_its_variable_for_its_own(xp, outer, inner):
    outside, inside = DERIVATIVES[outer], DERIVATIVES[inner]
    one, two = xp.asarray(1.0), xp.asarray(2.0)
    sums = outside(lambda x: x * inside(lambda y: x + y)(one))
    np.testing.assert_allclose(xp.to_numpy(sums(two)), 1.0)
    products = outside(lambda x: x * inside(lambda y: x * y * y)(x + 1.0))
    np.testing.assert_allclose(xp.to_numpy(products(two)), 32.0)  # of 2 x^2 (x + 1) at 2


def test_a_derivative_inside_a_map_inside_a_derivative_sees_three_variables():
    def outer(x):
        inner = tl.vmap(lambda s: tl.grad(lambda y: x * s * y * y)(x + s))(np.asarray([1.0, 2.0]))
        return tl.array_namespace(inner).sum(inner)

    # The sum over s of 2 x s (x + s) has the slope of 4 x s + 2 s^2.
    np.testing.assert_allclose(tl.grad(outer)(np.asarray(3.0)), sum(12 * s + 2 * s * s for s in (1.0, 2.0)))


# ---- threads
def test_threads_run_different_transforms_at_once():
    names = [names for names in PAIRS_AND_TRIPLES if len(names) == 2][::15][:8]
    assert len(names) == 8
    work = [composed(pair) for pair in names]
    barrier = Barrier(len(work))

    def run(job: tuple[G, np.ndarray]) -> list[np.ndarray]:
        barrier.wait()
        return [job[0](X) for _ in range(20)]

    with ThreadPoolExecutor(len(work)) as threads:
        found = list(threads.map(run, work))
    for (_, expected), results in zip(work, found, strict=True):
        for result in results:
            np.testing.assert_allclose(result, expected, rtol=1e-12)


# ---- exceptions
class StumbleError(Exception):
    pass


@pytest.fixture
def left() -> Iterator[Callable[[], list[type]]]:
    """Give a function that returns the types of the levels and Arrays made in this test that are still there."""
    gc.freeze()  # what was there before is not looked at
    # By the type: isinstance asks objects of other libraries for their class, and wakes some of them.
    yield lambda: [type(x) for x in gc.get_objects() if issubclass(type(x), (Level, Array))]
    gc.unfreeze()


@pytest.mark.parametrize("outer", TRANSFORMS)
def test_an_exception_leaves_nothing_behind(left, outer):
    for inner in TRANSFORMS:
        stumbles = True

        def stumbling(x: Any) -> Any:
            out = start(x)
            if stumbles:  # noqa: B023  (it is to change between the calls)
                raise StumbleError
            return out

        g, k = stumbling, START
        for name in (inner, outer):
            g, k = TRANSFORMS[name].apply(g), TRANSFORMS[name].expected(k)
        with pytest.raises(StumbleError):
            g(X)
        gc.collect()
        assert left() == [], inner
        stumbles = False
        np.testing.assert_allclose(g(X), np.exp(C @ X) * k, rtol=1e-12, err_msg=inner)


def test_an_exception_in_the_backward_pass_leaves_nothing_behind(left):
    def backward(kept, g):
        raise StumbleError

    bad = tl.custom_vjp(start, lambda x: (start(x), None), backward)
    for transform in (tl.grad(total(bad)), tl.hessian(total(bad)), tl.jacobian(bad), along(bad)):
        with pytest.raises(StumbleError):
            transform(X)
    gc.collect()
    assert left() == []
    np.testing.assert_allclose(tl.grad(total(start))(X), np.exp(C @ X) * START.sum() * C)


@pytest.mark.eager("a trace and its namespace hold each other")
@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_a_transform_made_is_freed_without_the_garbage_collector(left, name):
    g, _ = composed((name,))
    gc.disable()
    try:
        kept = tl.namespace(np).lift(X)
        assert left() == [Array]
        del kept
        g(X)
        assert left() == []
    finally:
        gc.enable()


# ---- axes
def test_axes_nest_as_arguments_and_results_do(xp):
    rng = np.random.default_rng(0)
    a, w, s = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(2, 4))

    def f(p, q):
        xs = tl.array_namespace(p["a"])
        return {"y": p["a"] * p["w"] + xs.sum(q[0]), "z": [p["w"] * 2.0, q[0] * q[1]["n"]]}

    mapped_f = tl.vmap(f, in_axes=({"a": 0, "w": None}, (1, None)), out_axes={"y": 1, "z": [None, -1]})
    got = mapped_f({"a": xp.asarray(a), "w": xp.asarray(w)}, (xp.asarray(s), {"n": xp.asarray(3.0)}))
    each = [a[i] * w + s[:, i].sum() for i in range(4)]
    tolerance = 100 * xp.tolerance
    np.testing.assert_allclose(xp.to_numpy(got["y"]), np.stack(each, axis=1), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(xp.to_numpy(got["z"][0]), 2 * w, rtol=tolerance)
    np.testing.assert_allclose(xp.to_numpy(got["z"][1]), 3 * s, rtol=tolerance)


def test_maps_nest_with_axes_of_their_own_around_a_gradient(xp):
    a, b = np.arange(24.0).reshape(2, 3, 4), np.arange(8.0).reshape(4, 2)

    def loss(p):
        return tl.array_namespace(p["a"]).sum(p["a"] * p["a"] * p["b"])

    inner = tl.vmap(tl.grad(loss), in_axes=({"a": 1, "b": None},), out_axes={"a": 1, "b": 0})
    outer = tl.vmap(inner, in_axes=({"a": 2, "b": 0},), out_axes={"a": 0, "b": 2})
    got = outer({"a": xp.asarray(a), "b": xp.asarray(b)})
    tolerance = 100 * xp.tolerance
    by_a, by_b = xp.to_numpy(got["a"]), xp.to_numpy(got["b"])
    for k, i in itertools.product(range(4), range(3)):
        np.testing.assert_allclose(by_a[k, :, i], 2 * a[:, i, k] * b[k], rtol=tolerance)
        np.testing.assert_allclose(by_b[i, :, k], a[:, i, k] ** 2, rtol=tolerance)
