"""Linear algebra on Dask: every chunking, stacks, and nothing computed before it is asked for."""

import numpy as np
import pytest

import tl_arrayapi as tl
from tl_arrayapi import backends

da = pytest.importorskip("dask.array")
pytestmark = pytest.mark.parametrize("xp", ["dask"], indirect=True)


def draw(*shape, seed=60):
    return np.random.default_rng(seed).normal(size=shape)


def positive(x):
    return x @ x.swapaxes(-1, -2) + np.eye(x.shape[-2])


CHUNKS = [((4, 4), 2), ((3, 3), 2), ((4, 4), (4, 1)), ((2, 3, 3), (1, 2, 2)), ((3, 2, 2, 2), 2), ((4, 4), 4)]
FUNCTIONS = {
    "cholesky": lambda xp, x: xp.cholesky(positive(x)),
    "cholesky upper": lambda xp, x: xp.cholesky(positive(x), upper=True),
    "det": lambda xp, x: xp.det(x),
    "eig": lambda xp, x: xp.eig(x)[0][..., None, :] * xp.eig(x)[1],
    "eigh": lambda xp, x: xp.eigh(positive(x))[1] ** 2,
    "eigvals": lambda xp, x: xp.eigvals(x),
    "eigvalsh": lambda xp, x: xp.eigvalsh(positive(x)),
    "inv": lambda xp, x: xp.inv(x),
    "matrix_rank": lambda xp, x: xp.matrix_rank(x),
    "pinv": lambda xp, x: xp.pinv(x[..., :1]),
    "qr": lambda xp, x: xp.qr(x)[1] ** 2,
    "qr complete": lambda xp, x: xp.qr(x[..., :1], mode="complete")[0] ** 2,
    "slogdet": lambda xp, x: xp.slogdet(x)[1],
    "solve": lambda xp, x: xp.solve(x, x[..., :1]),
    "svd": lambda xp, x: xp.svd(x[..., :1])[0] ** 2,
    "svdvals": lambda xp, x: xp.svdvals(x[..., 1:, :]),
}


class Lib:
    """The functions of the Dask backend, under their names."""

    def __getattr__(self, name):
        return backends.get(da).functions[f"linalg.{name}"]


@pytest.mark.parametrize(("shape", "chunks"), CHUNKS, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_works_on_every_chunking_and_on_stacks(xp, name, shape, chunks):
    import array_api_compat.numpy as host

    x = draw(*shape)
    found = FUNCTIONS[name](Lib(), da.from_array(x, chunks=chunks))
    expected = FUNCTIONS[name](host.linalg, x)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_stack_keeps_its_chunks(xp, name):
    found = FUNCTIONS[name](Lib(), da.from_array(draw(5, 3, 3), chunks=(2, 2, 2)))
    assert found.chunks[0] == (2, 2, 1)


def test_stacks_that_broadcast_may_be_cut_differently(xp):
    a, b = draw(4, 3, 3) + 3 * np.eye(3), draw(2, 4, 3, 2)
    found = Lib().solve(da.from_array(a, chunks=(3, 2, 3)), da.from_array(b, chunks=(1, 2, 3, 1)))
    np.testing.assert_allclose(found.compute(), np.linalg.solve(a, b), rtol=1e-9)


def test_a_limit_a_matrix_is_cut_like_the_stack(xp):
    x, limits = draw(4, 3, 2), np.asarray([1e-12, 0.9, 1e-12, 0.9])
    chunked = da.from_array(x, chunks=(3, 2, 1)), da.from_array(limits, chunks=2)
    found = Lib().pinv(chunked[0], rtol=chunked[1])
    assert found.chunks[0] == (2, 1, 1)
    np.testing.assert_allclose(found.compute(), np.linalg.pinv(x, rtol=limits), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(Lib().matrix_rank(chunked[0], rtol=chunked[1]).compute()[::2], [2, 2])


def test_a_tall_matrix_in_rows_is_never_one_chunk(xp):
    x = da.from_array(draw(12, 2), chunks=(4, 2))
    assert Lib().qr(x)[0].chunks == ((4, 4, 4), (2,))
    assert Lib().svd(x, full_matrices=False)[0].chunks == ((4, 4, 4), (2,))
    np.testing.assert_allclose(Lib().svdvals(x).compute(), np.linalg.svd(x.compute(), compute_uv=False), rtol=1e-12)
    g = tl.grad(lambda x: tl.array_namespace(x).sum(tl.array_namespace(x).linalg.qr(x).R ** 2))(x)
    np.testing.assert_allclose(g.compute(), 2 * x.compute(), rtol=1e-12)


def test_a_matrix_that_is_not_square_is_refused_before_anything_is_computed(xp):
    with pytest.raises(ValueError, match="different lengths"):
        Lib().inv(da.ones((2, 3)))


def test_gradients_of_decompositions_compute_nothing(xp):
    import dask

    def refuse(*args, **keywords):
        raise AssertionError("computed")

    def loss(x):
        space = tl.array_namespace(x)
        linalg = space.linalg
        q, r = linalg.qr(x)
        return (
            space.sum(linalg.solve(x, r)) + linalg.slogdet(x).logabsdet + linalg.det(x) + linalg.vector_norm(q[0, :])
            + space.sum(linalg.eigh(x + x.mT).eigenvectors ** 4) + linalg.matrix_norm(x, ord="nuc")
            + space.sum(linalg.cholesky(x @ x.mT)) + space.sum(linalg.pinv(x)) + space.sum(linalg.svd(x).U ** 4)
        )  # fmt: skip

    with dask.config.set(scheduler=refuse):
        first = tl.grad(loss)(da.from_array(draw(4, 4), chunks=2))
        second = tl.hvp(loss, (da.from_array(draw(4, 4), chunks=2),), (da.ones((4, 4)),))[0]
    with pytest.raises(AssertionError, match="computed"), dask.config.set(scheduler=refuse):
        first.compute()
    assert np.all(np.isfinite(second.compute()))
