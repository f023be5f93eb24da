"""Programs of a reader who knew the promises alone."""

import inspect

import numpy as np
import pytest

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backend")


@pytest.mark.parametrize("order", ["view first", "owner first"])
def test_a_loss_captures_an_array_and_a_view_of_it(order):
    owner = np.ones((3, 3))
    view = owner[0, :]
    first, second = (view, owner) if order == "view first" else (owner, view)

    def loss(x):
        xp = tl.array_namespace(x)
        return xp.sum(x * first) + xp.sum(x * second)

    assert tl.grad(loss)(np.ones(3)).tolist() == [4.0, 4.0, 4.0]
    assert owner.flags.writeable
    assert view.flags.writeable


@pytest.mark.eager("a program keeps no values")
def test_a_view_is_let_go_of_while_its_owner_is_still_held():
    owner = np.ones((2, 3))
    view = owner[0, :]

    def loss(x):
        xp = tl.array_namespace(x)
        held = xp.sum(x * owner)
        inner = tl.grad(lambda y: tl.array_namespace(y).sum(y * y * view))(x)
        with pytest.raises(ValueError, match="read-only"):
            owner[0, 0] = 7.0
        return held + xp.sum(inner)

    assert tl.grad(loss)(np.ones(3)).tolist() == [4.0, 4.0, 4.0]
    assert owner.flags.writeable
    assert view.flags.writeable


def rows_of_a_product(xp, x):
    return xp.where(xp.expand_dims(x > 0, axis=1), xp.expand_dims(xp.log(x), axis=1) * xp.ones((1, 3)) @ xp.eye(3), 0.0)


def both_factors(xp, x):
    y = xp.expand_dims(1.0 / x, axis=1)
    return xp.where(xp.expand_dims(x > 0, axis=1) & (x > 0), xp.matmul(y, xp.matrix_transpose(y)), 0.0)


def a_matrix_and_a_vector(xp, x):
    y = xp.log(x)
    return xp.where(x > 0, xp.matmul(xp.expand_dims(y, axis=1), xp.ones(1)), 0.0)


def a_vector_and_a_matrix(xp, x):
    return xp.where(x > 0, xp.matmul(xp.ones(1), xp.expand_dims(xp.log(x), axis=0)), 0.0)


def a_product_with_itself(xp, x):
    y = xp.expand_dims(1.0 / x, axis=(1, 2))
    y = y * xp.eye(2)
    return xp.where(xp.expand_dims(x > 0, axis=(1, 2)), y @ y, 0.0)


def a_stack_of_matrices(xp, x):
    matrices = xp.expand_dims(1.0 / x, axis=(1, 2)) + xp.eye(2)
    return xp.where(x > 0, xp.linalg.det(matrices), 0.0)


PRODUCTS = [
    rows_of_a_product,
    both_factors,
    a_matrix_and_a_vector,
    a_vector_and_a_matrix,
    a_product_with_itself,
    a_stack_of_matrices,
]


@pytest.mark.parametrize("function", PRODUCTS)
def test_the_branch_not_taken_is_guarded_through_products(function):
    def loss(x):
        xp = tl.array_namespace(x)
        return xp.sum(function(xp, x) ** 2)

    poles, taken = np.asarray([0.0, 1.5, 4.0]), np.asarray([1.5, 4.0])
    with np.errstate(all="ignore"):
        gradient, hessian = tl.grad(loss)(poles), tl.hessian(loss)(poles)
    np.testing.assert_allclose(gradient, [0.0, *tl.grad(loss)(taken)], rtol=1e-12)
    np.testing.assert_allclose(hessian, np.pad(tl.hessian(loss)(taken), ((1, 0), (1, 0))), rtol=1e-12)


def test_the_other_factor_of_a_guarded_product_has_its_gradient():
    def loss(weight, x):
        xp = tl.array_namespace(weight, x)
        return xp.sum(xp.where(xp.all(x > 0, axis=1, keepdims=True), xp.log(x) @ weight, 0.0))

    x, weight = np.asarray([[0.0, 1.0], [2.0, 3.0]]), np.ones((2, 1))
    with np.errstate(all="ignore"):
        weighed = tl.grad(loss)(weight, x)
    np.testing.assert_allclose(weighed, np.log([[2.0], [3.0]]))


def test_the_jacobian_of_a_complex_result_is_complex(xp):
    x = xp.asarray([0.3, 0.7])
    kind = xp.complex64 if xp.real == "float32" else xp.complex128

    def turned(x):
        space = tl.array_namespace(x)
        return {"out": space.exp(space.astype(x, kind) * 1j), "real": x * x}

    found = tl.jacobian(turned)(x)
    expected = np.diag(1j * np.exp(1j * np.asarray([0.3, 0.7])))
    np.testing.assert_allclose(xp.to_numpy(found["out"]), expected, rtol=100 * xp.tolerance, atol=100 * xp.tolerance)
    np.testing.assert_allclose(xp.to_numpy(found["real"]), np.diag([0.6, 1.4]), rtol=100 * xp.tolerance)
    z = xp.asarray([1 + 2j, 0.5j], dtype="complex64" if xp.real == "float32" else "complex128")
    square = xp.to_numpy(tl.jacobian(lambda z: z * z)(z))
    np.testing.assert_allclose(square, np.diag([2 + 4j, 1j]), rtol=100 * xp.tolerance)


@pytest.mark.eager("a program keeps no values")
def test_a_captured_view_is_recorded_by_value():
    owner = np.asarray([1.0, 2.0, 3.0])

    def loss(x):
        out = tl.array_namespace(x).sum(x * owner[:])
        owner[0] = 5.0
        return out

    np.testing.assert_array_equal(tl.grad(loss)(np.ones(3)), [1.0, 2.0, 3.0])


def test_tile_takes_one_number_where_the_library_does():
    g = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).tile(x, 3) ** 2))(np.asarray([1.0, 2.0]))
    np.testing.assert_array_equal(g, [6.0, 12.0])
    rows = tl.vmap(lambda x: tl.array_namespace(x).tile(x, 2))(np.asarray([[1.0], [2.0]]))
    np.testing.assert_array_equal(rows, [[1.0, 1.0], [2.0, 2.0]])


@pytest.mark.parametrize("name", ["sin", "add", "sum", "matmul", "reshape"])
def test_every_function_tells_its_signature(xp, name):
    assert inspect.signature(getattr(tl.namespace(xp.namespace), name)).parameters
