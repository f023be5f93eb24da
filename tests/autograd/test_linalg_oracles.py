"""Linear algebra against PyTorch and JAX, whose gradients ours are, and against itself in single precision."""

import importlib

import numpy as np
import pytest

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backends")

N = tl.namespace(np)


def draw(*shape, dtype="float64", seed=50):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if dtype.startswith("complex") else x


def _hermitian(xp, x):
    return x + xp.conj(x).mT


def _of_svd(xp, x):
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    return (u * xp.exp(-s)[..., None, :]) @ vh


ORACLES = {
    "cholesky": lambda xp, x: xp.linalg.cholesky(x @ xp.conj(x).mT),
    "cross": lambda xp, x: xp.linalg.cross(x, x[:1, :1] * x),
    "det": lambda xp, x: xp.linalg.det(x),
    "eigh, values": lambda xp, x: xp.linalg.eigh(_hermitian(xp, x))[0],
    "eigh, vectors": lambda xp, x: xp.abs(xp.linalg.eigh(_hermitian(xp, x))[1]),
    "eig, values": lambda xp, x: xp.linalg.eig(x)[0] ** 2,
    "eig, vectors": lambda xp, x: xp.abs(xp.linalg.eig(x)[1]),
    "eigvals": lambda xp, x: xp.linalg.eigvals(x) ** 2,
    "eigvalsh": lambda xp, x: xp.linalg.eigvalsh(_hermitian(xp, x)),
    "inv": lambda xp, x: xp.linalg.inv(x),
    "matrix_norm": lambda xp, x: xp.linalg.matrix_norm(x, ord="nuc"),
    "matrix_power": lambda xp, x: xp.linalg.matrix_power(x, -3),
    "pinv": lambda xp, x: xp.linalg.pinv(x[..., :2]),
    "qr, q": lambda xp, x: xp.linalg.qr(x[..., :2])[0],
    "qr, r": lambda xp, x: xp.linalg.qr(x)[1],
    "qr of a wide matrix": lambda xp, x: xp.linalg.qr(x[..., :2, :])[1],
    "slogdet": lambda xp, x: xp.linalg.slogdet(x)[1],
    "slogdet, sign": lambda xp, x: xp.linalg.slogdet(x)[0] * xp.linalg.det(x),
    "solve": lambda xp, x: xp.linalg.solve(x, x[..., :2] + x[0, :, :1]),
    "svd of a tall matrix": lambda xp, x: _of_svd(xp, x[..., :2]),
    "svd of a wide matrix": lambda xp, x: _of_svd(xp, x[..., :2, :]),
    "svdvals": lambda xp, x: xp.linalg.svd(x, full_matrices=False)[1],
}


def _against(name, dtype):
    x = draw(2, 3, 3, dtype=dtype)
    shape = ORACLES[name](N, N.asarray(x)).shape
    weights = draw(*shape, dtype=dtype, seed=52)

    def weighted(xp, x, convert):
        out = ORACLES[name](xp, x)
        return xp.sum(xp.real(out * convert(weights)))

    return x, weighted


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", ORACLES)
def test_gradient_is_that_of_pytorch(name, dtype):
    torch = pytest.importorskip("torch")
    x, loss = _against(name, dtype)
    leaf = torch.asarray(x).requires_grad_()
    loss(importlib.import_module("array_api_compat.torch"), leaf, torch.asarray).backward()
    # PyTorch's gradient is the conjugate of ours: the direction in which a real loss grows.
    expected = leaf.grad.resolve_conj().numpy().conj()
    np.testing.assert_allclose(tl.grad(lambda z: loss(N, z, N.asarray))(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [name for name in ORACLES if not name.startswith("eig,")])
def test_complex_gradient_is_that_of_jax(name):
    jax = pytest.importorskip("jax")
    x, loss = _against(name, "complex128")
    expected = jax.jit(jax.grad(lambda z: loss(jax.numpy, z, jax.numpy.asarray)))(x)
    np.testing.assert_allclose(tl.grad(lambda z: loss(N, z, N.asarray))(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "name",
    ["cholesky", "det", "eig, vectors", "eigh, vectors", "pinv", "qr, r", "slogdet", "solve", "svd of a wide matrix"],
)
def test_single_precision_stays_single(xp, name):
    ours = tl.namespace(xp.namespace)

    def loss(x):
        out = ORACLES[name](ours, x)
        assert out.dtype == xp.float32
        return ours.sum(out)

    x = draw(1, 3, 3)
    g = tl.grad(loss)(xp.asarray(x, "float32"))
    assert g.dtype == xp.float32
    np.testing.assert_allclose(xp.to_numpy(g), tl.grad(lambda x: N.sum(ORACLES[name](N, x)))(x), rtol=2e-3, atol=2e-3)
