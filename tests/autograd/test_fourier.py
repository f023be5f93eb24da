"""The Fourier transforms: their gradients against PyTorch and JAX, and what holds for any linear map."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import tl_arrayapi as tl

pytestmark = pytest.mark.usefixtures("backends")

ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
SEVERAL = ("fftn", "ifftn", "rfftn", "irfftn")
OF_REAL = ("rfft", "rfftn", "ihfft")
NORMS = ("backward", "ortho", "forward")


def draw(shape, real, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) if real else rng.normal(size=shape) + 1j * rng.normal(size=shape)


def operand(name, shape, seed=0):
    return draw(shape, name in OF_REAL, seed)


def called(name, **static):
    return lambda x: getattr(tl.array_namespace(x).fft, name)(x, **static)


def pulled(name, x, **static):
    """Return a cotangent drawn for the transform of ``x``, and its pullback."""
    out, pullback = tl.vjp(called(name, **static), x)
    g = draw(out.shape, not np.iscomplexobj(out), 1)
    return g, pullback(g)[0]


def options(name):
    """Return static arguments that pad, crop and choose axes, for an operand of shape (3, 5, 4)."""
    if name in ONE:
        return [{"n": n, "axis": axis} for n in (None, 2, 4, 7) for axis in (0, 1, -1)] + [{"n": 1}]
    return [
        *({"s": None, "axes": axes} for axes in (None, (1,), (2, 0), (0, -1, 1))),
        *({"s": s, "axes": axes} for s, axes in (((2, 7), (1, 2)), ((6, 3), (-1, 0)), ((1, 1), (0, 1)))),
    ]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ONE + SEVERAL)
def test_gradients_are_the_conjugates_of_torchs(name, norm):
    torch = pytest.importorskip("torch")
    x = operand(name, (3, 5, 4))
    for static in options(name):
        g, got = pulled(name, x, norm=norm, **static)
        theirs = torch.asarray(x).requires_grad_()
        named = {"axis": "dim", "axes": "dim"}
        out = getattr(torch.fft, name)(theirs, norm=norm, **{named.get(k, k): v for k, v in static.items()})
        out.backward(torch.asarray(g).conj())
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got, theirs.grad.conj().resolve_conj().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ONE + SEVERAL)
def test_gradients_are_jaxs(name):
    jax = pytest.importorskip("jax")
    x = operand(name, (3, 5))
    sizes = [{"n": 4, "axis": 0}, {"n": 7}] if name in ONE else [{}, {"s": (4, 3), "axes": (1, 0)}]
    for static in sizes:
        g, got = pulled(name, x, norm="ortho", **static)
        _, pullback = jax.vjp(lambda x, static=static: getattr(jax.numpy.fft, name)(x, norm="ortho", **static), x)
        np.testing.assert_allclose(got, pullback(jax.numpy.asarray(g))[0], rtol=1e-12, atol=1e-12)


def test_the_pullback_of_fft_is_fft_without_conjugation():
    g, got = pulled("fft", operand("fft", (3, 5)), norm="ortho")
    np.testing.assert_allclose(got, np.fft.fft(g, norm="ortho"), rtol=1e-12)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_pullback_is_the_transposed_map(data):
    """Re sum(F(x) y) = Re sum(x F*(y)), and for maps that are complex linear the imaginary parts agree as well."""
    name = data.draw(st.sampled_from(ONE + SEVERAL))
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple))
    norm, rank = data.draw(st.sampled_from(NORMS)), len(shape)
    twice = name in ("irfft", "irfftn", "hfft")  # of one frequency they would make a signal of no samples
    length = st.integers(1, 7)
    if name in ONE:
        axis = data.draw(st.integers(-rank, rank - 1))
        n = data.draw(length if twice and shape[axis] == 1 else st.none() | length)
        static = {"n": n, "axis": axis}
    else:
        order = data.draw(st.permutations(range(rank)))
        axes = tuple(order[: data.draw(st.integers(1, rank))])
        s = st.tuples(*[length] * len(axes))
        static = {"s": data.draw(s if twice and shape[axes[-1]] == 1 else st.none() | s), "axes": axes}
    x = operand(name, shape, data.draw(st.integers(0, 9)))
    out = getattr(np.fft, name)(x, norm=norm, **static)
    g, got = pulled(name, x, norm=norm, **static)
    forward, backward = np.sum(out * g), np.sum(x * got)
    assert np.real(forward) == pytest.approx(np.real(backward), rel=1e-11, abs=1e-11)
    if name in ("fft", "ifft", "fftn", "ifftn"):
        assert np.imag(forward) == pytest.approx(np.imag(backward), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("name", ["fft", "rfft", "irfft", "hfft"])
def test_third_derivatives_are_exact(xp, name):
    """The transform of t v is t times that of v: the sum of its cubes has the third derivative 6 sum(F(v)**3)."""
    v = operand(name, (5,))
    w = xp.asarray(v)

    def cubes(t):
        space = tl.array_namespace(t)
        z = getattr(space.fft, name)(t * w, n=6)
        z = space.real(z) - space.imag(z) if space.isdtype(z.dtype, "complex floating") else z
        return space.sum(z * z * z)

    z = getattr(np.fft, name)(v, n=6)
    expected = 6 * np.sum((z.real - z.imag if np.iscomplexobj(z) else z) ** 3)
    third = tl.grad(tl.grad(tl.grad(cubes)))(xp.asarray(0.5))
    assert float(xp.to_numpy(third)) == pytest.approx(expected, rel=1e4 * xp.tolerance)


@pytest.mark.parametrize("name", ONE + SEVERAL)
def test_single_precision_stays_single(xp, name):
    dtype = "float32" if name in OF_REAL else "complex64"
    x = xp.asarray(operand(name, (4, 3)), dtype)
    out, pullback = tl.vjp(called(name), x)
    expected = np.float32 if name in ("irfft", "irfftn", "hfft") else np.complex64
    assert xp.to_numpy(out).dtype == expected
    assert xp.to_numpy(pullback(out)[0]).dtype == np.dtype(dtype)


def test_a_real_signal_has_a_real_gradient(xp):
    x = operand("rfft", (6,))

    def energy(x):
        space = tl.array_namespace(x)
        return space.sum(space.abs(space.fft.fft(x)) ** 2)

    if xp.name.startswith(("array_api_strict", "strict")):  # the standard asks for complex signals
        with pytest.raises(TypeError, match="complex floating-point dtypes are allowed in fft"):
            tl.grad(energy)(xp.asarray(x))
        return
    got = xp.to_numpy(tl.grad(energy)(xp.asarray(x)))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, 2 * x.size * x, rtol=1e-12)  # Parseval


@pytest.mark.parametrize("name", ["fft", "irfft", "rfftn"])
def test_no_signals_at_all_have_no_gradient(xp, name):
    if xp.name == "torch":
        pytest.skip("torch's own transforms refuse an empty batch")
    x = xp.asarray(operand(name, (0, 4)))
    static = {} if name in ONE else {"axes": (1,)}
    out, pullback = tl.vjp(called(name, **static), x)
    assert out.shape[0] == 0
    assert pullback(out)[0].shape == (0, 4)


@pytest.mark.parametrize(
    ("name", "static"),
    [
        *((name, {}) for name in (*ONE, *SEVERAL, "fftshift", "ifftshift")),
        *((name, {"axis": axis, "n": 5}) for name in ONE for axis in (0, -2)),
        *((name, {"axes": axes}) for name in (*SEVERAL, "fftshift", "ifftshift") for axes in ((0,), [-1, 0])),
        *((name, {"axes": (1, 0), "s": (4, 5)}) for name in SEVERAL),
        ("fftshift", {"axes": 0}),
        ("ifftshift", {"axes": -1}),
    ],
    ids=str,
)
def test_mapped_transforms_equal_a_loop(name, static):
    x = operand(name, (3, 2, 5))
    expected = np.stack([getattr(np.fft, name)(row, **static) for row in x])
    np.testing.assert_allclose(tl.vmap(called(name, **static))(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@pytest.mark.parametrize("axes", [None, 0, (0, -1)], ids=str)
def test_a_shift_is_undone_by_its_gradient(xp, name, axes):
    x = xp.asarray(operand(name, (3, 4, 5)))
    out, pullback = tl.vjp(called(name, axes=axes), x)
    np.testing.assert_array_equal(xp.to_numpy(out), getattr(np.fft, name)(xp.to_numpy(x), axes=axes))
    np.testing.assert_array_equal(xp.to_numpy(pullback(out)[0]), xp.to_numpy(x))


@pytest.mark.parametrize("name", ONE + SEVERAL)
def test_dask_makes_the_axis_whole_and_computes_nothing(name):
    da = pytest.importorskip("dask.array")
    ran = []

    def count(block):
        ran.append(block.shape)
        return block

    host = operand(name, (4, 6, 5))
    x = da.from_array(host, chunks=(2, 3, 2)).map_blocks(count, dtype=host.dtype, meta=np.empty((0, 0, 0), host.dtype))
    static = {"axis": 1} if name in ONE else {"axes": (1, 2), "s": (7, 5)}
    out = called(name, **static)(tl.namespace(da).lift(x)).value
    assert out.chunks[0] == (2, 2)
    assert len(out.chunks[1]) == 1
    assert not ran
    np.testing.assert_allclose(out.compute(scheduler="sync"), getattr(np.fft, name)(host, **static), atol=1e-12)


def test_a_fit_in_fourier_space_finds_the_signal(xp):
    """Gradient descent along the gradient, on a real parameter, of the squared distance between two spectra."""
    t = np.linspace(0, 1, 16, endpoint=False)
    times = xp.asarray(t)
    seen = xp.asarray(np.fft.rfft(0.7 * np.sin(2 * math.pi * t) + 0.2 * np.cos(4 * math.pi * t)))

    def misfit(p):
        space = tl.array_namespace(p)
        model = p[0] * space.sin(2 * math.pi * times) + p[1] * space.cos(4 * math.pi * times)
        return space.sum(space.abs(space.fft.rfft(model, norm="ortho") - seen / 4.0) ** 2)

    p = xp.asarray([0.0, 0.0])
    for _ in range(6):
        p = p - 0.1 * tl.grad(misfit)(p)
    np.testing.assert_allclose(xp.to_numpy(p), [0.7, 0.2], rtol=1e-3)
