"""Linear algebra: gradients against PyTorch and JAX, and what holds where a decomposition is not unique, a matrix is
singular, a norm is at 0, or there is nothing at all.
"""

import numpy as np
import pytest

import tl_arrayapi as tl
from tests.autograd.test_rules import central_differences

pytestmark = pytest.mark.usefixtures("backends")

N = tl.namespace(np)


def draw(*shape, dtype="float64", seed=50):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if dtype.startswith("complex") else x


def adjoint(x):
    return np.conj(x).swapaxes(-1, -2)


def minors(x):
    """Return the matrix of cofactors by their definition."""
    rows = range(x.shape[-1])
    parts = [[np.linalg.det(np.delete(np.delete(x, i, -2), j, -1)) * (-1) ** (i + j) for j in rows] for i in rows]
    return np.moveaxis(np.asarray(parts), (0, 1), (-2, -1))


def of_rank(rank, rows, dtype="float64"):
    return draw(rows, rank, dtype=dtype) @ draw(rank, rows, dtype=dtype, seed=51)


# ---- matrices that are read as symmetric
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: N.abs(N.linalg.cholesky(x)),
        lambda x: N.linalg.cholesky(x, upper=True) ** 2,
        lambda x: N.linalg.eigvalsh(x) ** 2,
        lambda x: N.abs(N.linalg.eigh(x).eigenvectors),
    ],
    ids=["cholesky", "upper", "eigvalsh", "eigh"],
)
def test_gradient_of_a_hermitian_matrix_is_hermitian_although_one_triangle_is_read(function, dtype):
    x = draw(3, 3, dtype=dtype)
    x = x @ adjoint(x) + np.eye(3)

    def loss(x):
        return N.sum(N.real(function(x) * N.asarray(np.arange(1.0, 4.0))))

    g = tl.grad(loss)(x)
    np.testing.assert_allclose(g, adjoint(g), rtol=1e-9, atol=1e-12)
    direction = draw(3, 3, dtype=dtype, seed=53)
    direction = direction + adjoint(direction)
    expected = central_differences(lambda x: float(tl.stop_gradient(loss(N.asarray(x)))), (x,), (direction,))
    assert np.sum(g * direction).real == pytest.approx(expected, rel=1e-6)


# ---- values that repeat
def test_what_depends_on_repeated_eigenvalues_alone_has_its_exact_gradient(xp):
    ours = tl.namespace(xp.namespace)
    turn = np.linalg.qr(draw(4, 4))[0]
    x = xp.asarray(turn @ np.diag([1.0, 1.0, 3.0, 3.0]) @ turn.T)
    g = tl.grad(lambda x: ours.sum(ours.linalg.eigvalsh(x) ** 3))(x)
    np.testing.assert_allclose(xp.to_numpy(g), 3 * xp.to_numpy(x) @ xp.to_numpy(x), rtol=1e-4, atol=1e-4)
    g = tl.grad(lambda x: ours.sum(ours.linalg.svdvals(x)))(xp.asarray(3.0 * turn))
    np.testing.assert_allclose(xp.to_numpy(g), turn, rtol=1e-4, atol=1e-4)


def test_the_space_of_a_repeated_eigenvalue_has_its_gradient():
    turn = np.linalg.qr(draw(4, 4))[0]
    x = turn @ np.diag([1.0, 1.0, 1.0, 3.0]) @ turn.T
    weights = draw(4, 4, seed=54)

    def loss(x):
        first = N.linalg.eigh(x).eigenvectors[:, :3]
        return N.sum((first @ first.mT) * N.asarray(weights))

    direction = draw(4, 4, seed=55)
    direction = direction + direction.T
    expected = central_differences(lambda x: float(tl.stop_gradient(loss(N.asarray(x)))), (x,), (direction,))
    assert np.sum(tl.grad(loss)(x) * direction) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("columns", [4, 2])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_orthogonal_factor_has_its_gradient_where_all_singular_values_are_equal(dtype, columns):
    x, direction = (draw(4, 4, seed=i) + (1j * draw(4, 4, seed=i + 2) if "c" in dtype else 0) for i in (56, 57))
    x, direction = 2.0 * np.linalg.qr(x)[0][:, :columns], direction[:, :columns]
    weights = draw(4, columns, seed=60)

    def loss(x):
        u, _, vh = N.linalg.svd(x, full_matrices=False)
        return N.sum(N.real((1.0 + 2.0j) * (u @ vh)) * N.asarray(weights))

    expected = central_differences(lambda x: float(tl.stop_gradient(loss(N.asarray(x)))), (x,), (direction,))
    assert np.real(np.sum(tl.grad(loss)(x) * direction)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", ["eigh", "eig", "svd", "svd of zeros"])
def test_vectors_of_repeated_values_give_no_nan(name, order, dtype):
    def loss(x):
        _, *rest = getattr(N.linalg, name.split()[0])(x)
        return N.sum(N.abs(rest[-1]) ** 4)

    def slope(x):
        return N.sum(N.real(tl.grad(loss)(x) * N.asarray([1.0, 2.0, 3.0])))

    x = (np.zeros((3, 3)) if "zeros" in name else np.eye(3)).astype(dtype)
    assert np.all(np.isfinite(tl.grad(loss if order == 1 else slope)(x)))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)], ids=str)
def test_a_matrix_put_together_again_from_its_singular_values_has_the_gradient_of_itself(shape, dtype):
    rows, columns = shape
    x, weights = draw(*shape, dtype=dtype), draw(*shape, dtype=dtype, seed=56)
    if rows == columns and dtype == "float64":
        x[:, 0] = x[:, 1]  # singular

    def loss(x):
        u, s, vh = N.linalg.svd(x)
        k = s.shape[0]
        return N.sum(N.real((u[:, :k] * s) @ vh[:k, :] * N.asarray(weights)))

    np.testing.assert_allclose(tl.grad(loss)(x), weights, rtol=1e-9, atol=1e-9)


def test_results_that_nothing_depends_on_cost_no_gradient(xp):
    ours = tl.namespace(xp.namespace)
    x = xp.asarray(draw(2, 3, 3))
    alone = tl.grad(lambda x: ours.sum(ours.linalg.svd(x).S ** 3))(x)
    values = tl.grad(lambda x: ours.sum(ours.linalg.svdvals(x) ** 3))(x)
    np.testing.assert_allclose(xp.to_numpy(alone), xp.to_numpy(values), rtol=1e-4, atol=1e-4)


# ---- singular matrices
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize(("rows", "rank"), [(1, 0), (2, 1), (2, 0), (3, 2), (3, 1), (4, 3), (4, 2), (5, 4), (5, 0)])
def test_det_of_a_singular_matrix_has_its_cofactors_for_gradient(rows, rank, dtype):
    x = of_rank(rank, rows, dtype)
    g = tl.grad(lambda x: N.real(N.linalg.det(x)))(x)
    np.testing.assert_allclose(g, minors(x), rtol=1e-9, atol=1e-11)


def test_det_of_singular_and_regular_matrices_in_one_stack(xp):
    ours = tl.namespace(xp.namespace)
    x = np.stack([of_rank(3, 4), draw(4, 4), np.zeros((4, 4)), np.eye(4)])
    g = tl.grad(lambda x: ours.sum(ours.linalg.det(x)))(xp.asarray(x))
    np.testing.assert_allclose(xp.to_numpy(g), minors(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("rows", "rank"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 3), (4, 4), (5, 4)])
def test_det_has_its_second_derivative_at_singular_matrices_and_at_the_identity(rows, rank):
    x = of_rank(rank, rows) if rank < rows else np.eye(rows)
    direction = draw(rows, rows, seed=57)
    _, got = tl.jvp(tl.grad(N.linalg.det), (x,), (direction,))
    step = 1e-5
    expected = (minors(x + step * direction) - minors(x - step * direction)) / (2 * step)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_slogdet_of_a_singular_matrix_is_infinite_and_a_branch_not_taken_stays_zero(xp):
    ours = tl.namespace(xp.namespace)
    x = xp.asarray(np.stack([np.zeros((2, 2)), np.diag([2.0, 4.0])]))
    with np.errstate(all="ignore"):
        g = xp.to_numpy(tl.grad(lambda x: ours.sum(ours.linalg.slogdet(x).logabsdet))(x))
        assert not np.any(np.isfinite(g[0]))
        np.testing.assert_allclose(g[1], np.diag([0.5, 0.25]))

        def guarded(x):
            sign, size = ours.linalg.slogdet(x)
            return ours.sum(ours.where(sign == 0, ours.zeros_like(size), size))

        np.testing.assert_allclose(xp.to_numpy(tl.grad(guarded)(x)), [np.zeros((2, 2)), np.diag([0.5, 0.25])])


# ---- norms
@pytest.mark.parametrize("ord", [0, 0.5, 1, 2, 3, np.inf])
def test_a_vector_norm_at_zero_has_the_gradient_zero_to_second_order(xp, ord):
    ours = tl.namespace(xp.namespace)
    x = xp.asarray(np.zeros((2, 3)))

    def norm(x):
        return ours.sum(ours.linalg.vector_norm(x, axis=-1, ord=ord))

    np.testing.assert_array_equal(xp.to_numpy(tl.grad(norm)(x)), np.zeros((2, 3)))
    np.testing.assert_array_equal(xp.to_numpy(tl.grad(lambda x: ours.sum(tl.grad(norm)(x)))(x)), np.zeros((2, 3)))


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_a_matrix_norm_at_zero_has_the_gradient_zero(xp, ord):
    ours = tl.namespace(xp.namespace)
    g = tl.grad(lambda x: ours.linalg.matrix_norm(x, ord=ord))(xp.asarray(np.zeros((2, 3))))
    np.testing.assert_array_equal(xp.to_numpy(g), np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_a_norm_neither_overflows_nor_vanishes_where_its_squares_do(scale, dtype):
    value, g = tl.value_and_grad(lambda x: N.linalg.vector_norm(x))(np.asarray([3.0, 4.0], dtype) * scale)
    assert value == pytest.approx(5 * scale, rel=1e-14)
    np.testing.assert_allclose(g, [0.6, 0.8], rtol=1e-14)


# ---- nothing at all
EMPTY = {
    "cholesky": lambda xp, x: xp.linalg.cholesky(x),
    "det": lambda xp, x: xp.linalg.det(x),
    "eig": lambda xp, x: xp.abs(xp.linalg.eig(x)[1]),
    "eigh": lambda xp, x: xp.linalg.eigh(x)[1],
    "eigvals": lambda xp, x: xp.real(xp.linalg.eigvals(x)),
    "inv": lambda xp, x: xp.linalg.inv(x),
    "matrix_norm": lambda xp, x: xp.linalg.matrix_norm(x),
    "matrix_power": lambda xp, x: xp.linalg.matrix_power(x, 3),
    "pinv": lambda xp, x: xp.linalg.pinv(x),
    "qr": lambda xp, x: xp.linalg.qr(x)[0],
    "slogdet": lambda xp, x: xp.linalg.slogdet(x)[1],
    "solve": lambda xp, x: xp.linalg.solve(x, x),
    "svd": lambda xp, x: xp.linalg.svd(x)[0],
    "svdvals": lambda xp, x: xp.linalg.svdvals(x),
    "trace": lambda xp, x: xp.linalg.trace(x),
    "vector_norm": lambda xp, x: xp.linalg.vector_norm(x),
}


@pytest.mark.parametrize("name", EMPTY)
def test_matrices_of_no_element_and_stacks_of_no_matrix_have_gradients_of_their_shape(xp, name):
    ours = tl.namespace(xp.namespace)

    def loss(x):
        return ours.sum(EMPTY[name](ours, x))

    for shape in ((0, 0), (0, 2, 2), (2, 0, 0)):
        x = xp.asarray(np.zeros(shape))
        assert tuple(tl.grad(loss)(x).shape) == shape
        assert tuple(tl.grad(lambda x: ours.sum(tl.grad(loss)(x)))(x).shape) == shape


# ---- dtypes, shapes, names
def test_jax_without_double_precision_differentiates_what_it_makes():
    jax = pytest.importorskip("jax")
    with jax.enable_x64(False):
        x = jax.numpy.asarray(draw(3, 3), "float32")
        ours = tl.namespace(jax.numpy)
        g = tl.grad(lambda x: ours.sum(ours.abs(ours.linalg.eig(x).eigenvectors)) + ours.linalg.det(x))(x)
    assert g.dtype == np.float32
    expected = tl.grad(lambda x: N.sum(N.abs(N.linalg.eig(x).eigenvectors)) + N.linalg.det(x))(draw(3, 3))
    np.testing.assert_allclose(g, expected, rtol=2e-3, atol=2e-3)


def test_real_and_complex_operands_keep_their_kinds(xp):
    ours = tl.namespace(xp.namespace)
    a, b = xp.asarray(draw(3, 3) + 2 * np.eye(3)), xp.asarray(draw(3, 2, dtype="complex128"))
    for function in (
        lambda a, b: ours.linalg.solve(a, b),
        lambda a, b: ours.linalg.solve(ours.conj(b[:2, :]), a[:2, :]),
    ):
        g_a, g_b = tl.grad(lambda a, b: ours.sum(ours.real(function(a, b))), (0, 1))(a, b)  # noqa: B023  (called at once)
        assert (g_a.dtype, g_b.dtype) == (a.dtype, b.dtype)


def test_results_have_the_standards_names_and_counts(xp):
    ours = tl.namespace(xp.namespace)
    x = xp.asarray(draw(2, 4, 3))
    square = xp.asarray(draw(2, 3, 3))
    assert {
        name: (result._fields, [tuple(part.shape) for part in result])
        for name, result in {
            "eig": ours.linalg.eig(square),
            "eigh": ours.linalg.eigh(square),
            "qr": ours.linalg.qr(x, mode="complete"),
            "slogdet": ours.linalg.slogdet(square),
            "svd": ours.linalg.svd(x),
        }.items()
    } == {
        "eig": (("eigenvalues", "eigenvectors"), [(2, 3), (2, 3, 3)]),
        "eigh": (("eigenvalues", "eigenvectors"), [(2, 3), (2, 3, 3)]),
        "qr": (("Q", "R"), [(2, 4, 4), (2, 4, 3)]),
        "slogdet": (("sign", "logabsdet"), [(2,), (2,)]),
        "svd": (("U", "S", "Vh"), [(2, 4, 4), (2, 3), (2, 3, 3)]),
    }


def test_a_rank_and_a_power_of_zero_do_not_change(xp):
    ours = tl.namespace(xp.namespace)
    x = xp.asarray(of_rank(2, 3))

    def loss(x):
        return ours.sum(x) * ours.astype(ours.linalg.matrix_rank(x), x.dtype) + ours.sum(ours.linalg.matrix_power(x, 0))

    value, g = tl.value_and_grad(loss)(x)
    assert float(xp.to_numpy(value)) == pytest.approx(2 * of_rank(2, 3).sum() + 3, rel=1e-5)
    np.testing.assert_allclose(xp.to_numpy(g), np.full((3, 3), 2.0))


@pytest.mark.eager("a limit that is an array is no number")
def test_pinv_leaves_out_what_its_limit_says(xp):
    ours = tl.namespace(xp.namespace)
    x = xp.asarray(np.diag([1.0, 1e-3]))
    cut = xp.asarray(np.asarray(1e-2))
    for rtol in (1e-2, cut, ours.lift(cut)):
        g = tl.grad(lambda x: ours.sum(ours.linalg.pinv(x, rtol=rtol)))(x)  # noqa: B023  (called at once)
        assert np.max(np.abs(xp.to_numpy(g))) < 2
    assert np.max(np.abs(xp.to_numpy(tl.grad(lambda x: ours.sum(ours.linalg.pinv(x)))(x)))) > 1e5


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: N.linalg.cross(x, x), "3 elements along axis -1"),
        (lambda x: N.linalg.matrix_power(x, 2), r"matrix_power takes square matrices.*\(3, 2\)"),
        (lambda x: N.linalg.solve(x, x), "solve takes square matrices"),
        (lambda x: N.linalg.solve(x.mT @ x, x), "3 rows|as many rows"),
        (lambda x: N.linalg.trace(x[0]), "diagonal takes matrices"),
        (lambda x: N.linalg.matrix_norm(x[0]), "matrix_norm takes matrices"),
        (lambda x: N.linalg.outer(x, x), "two vectors"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(function, words):
    with pytest.raises(tl.errors.ShapeError, match=words):
        tl.grad(lambda x: N.sum(function(x)))(draw(3, 2))


def test_a_norm_of_no_name_is_refused():
    with pytest.raises(tl.errors.ArgumentError, match="ord=3: it has 'fro', 'nuc'"):
        N.linalg.matrix_norm(draw(3, 3), ord=3)


def test_an_error_of_the_library_says_what_was_computed():
    with pytest.raises(np.linalg.LinAlgError) as caught:
        tl.grad(lambda x: N.sum(N.linalg.inv(x)))(np.zeros((2, 2)))
    assert any("inv(float64[2, 2])" in note and "test_linalg.py" in note for note in caught.value.__notes__)


# ---- to higher order, over examples, lazily
@pytest.mark.parametrize(
    "function",
    [
        lambda x: N.linalg.solve(x, x[0]),
        lambda x: N.linalg.cholesky(x @ x.mT),
        lambda x: N.linalg.slogdet(x).logabsdet,
        lambda x: N.linalg.pinv(x[:, :2]),
        lambda x: N.linalg.qr(x).R ** 2,
        lambda x: N.linalg.eigvalsh(x + x.mT),
        lambda x: N.linalg.svdvals(x),
        lambda x: N.linalg.vector_norm(x, ord=3),
    ],
    ids=["solve", "cholesky", "slogdet", "pinv", "qr", "eigvalsh", "svdvals", "vector_norm"],
)
def test_third_derivatives_agree_with_differences_of_second_ones(function):
    x, along = draw(3, 3) + 2 * np.eye(3), draw(3, 3, seed=58)

    def loss(x):
        return N.sum(N.sin(function(x)))

    def second(x):
        return N.sum(tl.hvp(loss, (x,), (along,))[0] * N.asarray(along))

    expected = central_differences(lambda x: float(tl.stop_gradient(second(N.asarray(x)))), (x,), (along,))
    assert np.sum(tl.grad(second)(x) * along) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_a_limit_that_differs_between_examples_is_refused():
    with pytest.raises(tl.errors.NoRuleError, match="rtol differs"):
        tl.vmap(lambda x, r: N.linalg.pinv(x, rtol=r))(draw(2, 3, 3), np.asarray([1e-3, 1e-4]))
