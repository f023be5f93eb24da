"""jvp, hvp, jacobian, hessian and check_grads: against hand-written derivatives, composed to third order."""

import numpy as np
import pytest

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backend")


def cube(x):
    return tl.array_namespace(x).sum(x * x * x)


def rosenbrock(x):
    return tl.array_namespace(x).sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


X, V = np.asarray([1.0, -2.0, 3.0]), np.asarray([1.0, 1.0, -1.0])


def close(xp, got, expected):
    np.testing.assert_allclose(xp.to_numpy(got), expected, rtol=100 * xp.tolerance, atol=100 * xp.tolerance)


def test_jvp_is_the_derivative_along_a_direction(xp):
    out, tangent = tl.jvp(lambda x: x * x, (xp.asarray(X),), (xp.asarray(V),))
    close(xp, out, X * X)
    close(xp, tangent, 2 * X * V)
    assert type(tangent) is type(xp.asarray(X))


def test_jvp_of_nested_arguments_and_results(xp):
    args = ({"a": xp.asarray(X), "n": xp.asarray([1, 2, 3])}, xp.asarray(2.0))
    tangents = ({"a": xp.asarray(V), "n": None}, xp.asarray(1.0))
    _, (first, second) = tl.jvp(lambda p, s: (p["a"] * s, {"s": s * s}), args, tangents)
    close(xp, first, V * 2.0 + X)
    close(xp, second["s"], 4.0)


def test_hvp_of_one_and_two_arguments(xp):
    x, v = xp.asarray(X), xp.asarray(V)
    close(xp, tl.hvp(cube, (x,), (v,))[0], 6 * X * V)
    both = tl.hvp(lambda x, y: tl.array_namespace(x).sum(x * x * y), (x, v), (v, 0 * x))
    close(xp, both[0], 2 * V * V)
    close(xp, both[1], 2 * X * V)


def test_jacobian_has_the_results_axes_first(xp):
    m = np.arange(6.0).reshape(2, 3)
    close(xp, tl.jacobian(lambda x: xp_matmul(xp, m, x))(xp.asarray(X)), m)
    j = tl.jacobian(lambda x: tl.array_namespace(x).sum(x * x, axis=0), 0)(xp.asarray(m))
    expected = np.zeros((3, 2, 3))
    for k in range(3):
        expected[k, :, k] = 2 * m[:, k]
    close(xp, j, expected)


def xp_matmul(xp, m, x):
    return tl.namespace(xp.namespace).lift(xp.asarray(m)) @ x


def test_jacobian_keeps_containers_of_result_and_arguments(xp):
    def f(p, s):
        return {"y": p["x"] * s, "z": [s * s]}

    j = tl.jacobian(f, (0, 1))({"x": xp.asarray(X)}, xp.asarray(2.0))
    by_p, by_s = j["y"]
    close(xp, by_p["x"], 2.0 * np.eye(3))
    close(xp, by_s, X)
    close(xp, j["z"][0][0]["x"], np.zeros(3))
    close(xp, j["z"][0][1], 4.0)


def test_hessian_of_a_known_function(xp):
    close(xp, tl.hessian(cube)(xp.asarray(X)), np.diag(6 * X))


def test_hessian_of_rosenbrock_is_that_of_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    x = np.random.default_rng(0).normal(size=12)
    np.testing.assert_allclose(tl.grad(rosenbrock)(x), optimize.rosen_der(x), rtol=1e-12)
    np.testing.assert_allclose(tl.hessian(rosenbrock)(x), optimize.rosen_hess(x), rtol=1e-10, atol=1e-9)


def test_transforms_compose_to_third_order(xp):
    x, v = xp.asarray(X), xp.asarray(V)
    third = tl.jvp(lambda x: tl.hvp(cube, (x,), (v,))[0], (x,), (v,))[1]
    close(xp, third, 6 * V * V)
    along = tl.grad(lambda x: tl.jvp(cube, (x,), (v,))[1])(x)
    close(xp, along, 6 * X * V)
    rows = tl.vmap(tl.hessian(cube))(xp.asarray(np.stack([X, V])))
    close(xp, rows, np.stack([np.diag(6 * X), np.diag(6 * V)]))
    close(xp, tl.jacobian(tl.jacobian(tl.jacobian(cube)))(x), 6 * np.eye(3)[:, :, None] * np.eye(3)[:, None, :])


def test_no_perturbation_confusion_between_jvps(xp):
    one = xp.asarray(1.0)

    def outer(x):
        return x * tl.jvp(lambda y: x + y, (one,), (one,))[1]

    close(xp, tl.jvp(outer, (one,), (one,))[1], 1.0)


@pytest.mark.parametrize(
    ("tangents", "error"),
    [
        ((), "StructureError"),
        (([V, V],), "StructureError"),
        ((V[:2],), "ShapeError"),
        ((V.astype(np.float32),), "DTypeError"),
        ((None,), "ShapeError"),
    ],
)
def test_tangents_that_do_not_fit_are_refused(tangents, error):
    with pytest.raises(getattr(tl.errors, error)):
        tl.jvp(cube, (X,), tangents)


def test_integer_arguments_have_no_jacobian():
    with pytest.raises(tl.errors.DTypeError, match=r"args\[1\]"):
        tl.jacobian(lambda x, i: x, 1)(X, np.asarray([1]))


def test_check_grads_accepts_right_derivatives(xp):
    if xp.real == "float64":
        assert tl.check_grads(lambda x: tl.array_namespace(x).sin(x) * x, (xp.asarray(X),), order=3) is None


@pytest.mark.parametrize("order", [1, 2])
def test_check_grads_refuses_wrong_ones(order):
    wrong = tl.custom_vjp(
        lambda x: x**3, lambda x: (x**3, x), lambda x, g: (3.3 * x * x * g if order == 1 else slightly(x) * g,)
    )

    def slightly(x):  # right to first order, wrong to second
        return 3 * x * tl.stop_gradient(x)

    with pytest.raises(tl.errors.GradientError, match="central differences"):
        tl.check_grads(wrong, (X,), order=order)
    if order == 2:
        tl.check_grads(wrong, (X,), order=1)


# ---- rules of one's own
def test_custom_rules_are_used_where_they_are_asked_for(xp):
    def scaled(scale):
        return tl.custom_vjp(lambda x: x * x, lambda x: (x * x, (x,)), lambda kept, g: (scale * 2 * kept[0] * g,))

    g = tl.grad(lambda x: tl.array_namespace(x).sum(scaled(5.0)(x)))(xp.asarray(X))
    close(xp, g, 10 * X)
    close(xp, scaled(5.0)(xp.asarray(X)), X * X)
    second = tl.grad(
        lambda x: tl.array_namespace(x).sum(tl.grad(lambda y: tl.array_namespace(y).sum(scaled(5.0)(y)))(x))
    )
    close(xp, second(xp.asarray(X)), 10 * np.ones(3))
    mapped = tl.vmap(tl.grad(lambda x: tl.array_namespace(x).sum(scaled(5.0)(x))))(xp.asarray(np.stack([X, V])))
    close(xp, mapped, 10 * np.stack([X, V]))


def test_custom_rules_of_several_arguments_and_results_under_every_transform(xp):
    @lambda f: tl.custom_vjp(
        f, lambda p, s: (f(p, s), (p, s)), lambda kept, g: ({"x": 2 * g[0]}, 3 * tl.array_namespace(g[1]).sum(g[1]))
    )
    def f(p, s):
        return p["x"] * s, p["x"] + s

    def loss(p, s):
        a, b = f(p, s)
        return tl.array_namespace(a).sum(a) + tl.array_namespace(b).sum(b)

    gp, gs = tl.grad(loss, (0, 1))({"x": xp.asarray(X)}, xp.asarray(2.0))
    close(xp, gp["x"], 2 * np.ones(3))
    close(xp, gs, 9.0)
    around = tl.grad(
        lambda s: tl.array_namespace(s).sum(tl.vmap(loss, in_axes=(0, None))({"x": xp.asarray(np.stack([X, V]))}, s))
    )
    close(xp, around(xp.asarray(2.0)), 18.0)


def test_cotangents_that_do_not_match_are_refused():
    bad = tl.custom_vjp(lambda x: x, lambda x: (x, None), lambda kept, g: (g[:1],))
    with pytest.raises(tl.errors.StructureError, match=r"\(1,\).*\(3,\)"):
        tl.grad(lambda x: cube(bad(x)))(X)
    few = tl.custom_vjp(lambda x, y: x, lambda x, y: (x, None), lambda kept, g: (g,))
    with pytest.raises(tl.errors.StructureError, match="2 cotangents"):
        tl.grad(lambda x: cube(few(x, x)))(X)


def test_a_watched_array_that_is_no_argument_is_refused():
    def loss(x):
        return cube(tl.checkpoint(lambda y: y * x)(x * 2.0))

    with pytest.raises(tl.errors.TraceError, match="not among its arguments"):
        tl.grad(loss)(X)


def test_checkpoint_changes_no_derivative(xp):
    def layer(x, w):
        space = tl.array_namespace(x, w)
        return space.tanh(space.matmul(x, w))

    def loss(w, x, wrap):
        for _ in range(3):
            x = wrap(layer)(x, w)
        return tl.array_namespace(x).sum(x * x)

    rng = np.random.default_rng(0)
    w, x = xp.asarray(rng.normal(size=(3, 3))), xp.asarray(rng.normal(size=(2, 3)))
    plain = tl.grad(lambda w: loss(w, x, lambda f: f))
    kept = tl.grad(lambda w: loss(w, x, tl.checkpoint))
    close(xp, kept(w), xp.to_numpy(plain(w)))
    second = [tl.hvp(lambda w, wrap=wrap: loss(w, x, wrap), (w,), (w,))[0] for wrap in (lambda f: f, tl.checkpoint)]
    close(xp, second[1], xp.to_numpy(second[0]))


def test_checkpoint_keeps_no_intermediates():
    def layer(x):
        for _ in range(10):
            x = tl.array_namespace(x).sin(x)
        return x

    plain = tl.explain(lambda x: cube(layer(x)), X)
    kept = tl.explain(lambda x: cube(tl.checkpoint(layer)(x)), X)
    assert len(plain.rows) - len(kept.rows) == 9
    assert kept.rows[1].operation == "custom_vjp(layer)"


def test_the_functions_of_custom_rules_run_on_arrays_of_the_standard(xp):
    """Steps below zero and partial indices work with a rule of one's own as without, on libraries that lack them."""
    g = tl.grad(tl.checkpoint(lambda x: tl.array_namespace(x).sum(x[::-1] * x) + tl.array_namespace(x).sum(x[0])))
    close(xp, g(xp.asarray(np.ones((2, 2)))), [[3.0, 3.0], [2.0, 2.0]])


@pytest.mark.parametrize(
    ("forward", "backward", "words"),
    [
        (lambda x: x, lambda kept, g: (g,), "must return"),
        (lambda x: (x, None), lambda kept, g: (2.0,), "is a float"),
    ],
)
def test_functions_of_custom_rules_that_return_something_else_are_refused(forward, backward, words):
    with pytest.raises(tl.errors.StructureError, match=words):
        tl.grad(lambda x: cube(tl.custom_vjp(lambda x: x, forward, backward)(x)))(X)
