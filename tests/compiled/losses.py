"""Losses as people write them, none of which a test of a single function covers: what compiled and eager runs share.

A loss is a function of (xp, key, *arrays); its arrays are host values, the first few of which are parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tl_arrayapi as tl

__all__ = ["LOSSES", "Loss"]

Host = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Loss:
    """A loss, its host arrays, and how many of them are parameters."""

    name: str
    function: Callable[..., Any]
    arrays: tuple[Host, ...]
    params: int
    takes_key: bool = False

    def __str__(self) -> str:
        return self.name

    def __call__(self, *arrays: Any) -> Any:
        """Return the loss; where it takes a key, that is the last of ``arrays``."""
        *rest, key = arrays if self.takes_key else (*arrays, None)
        return self.function(tl.array_namespace(*rest), key, *rest)


def _draw(seed: int, *shapes: tuple[int, ...], scale: float = 0.5) -> tuple[Host, ...]:
    rng = np.random.default_rng(seed)
    return tuple(scale * rng.normal(size=shape) for shape in shapes)


# ---- networks
def _gru(xp: Any, key: Any, wz: Any, wr: Any, wn: Any, b: Any, out: Any, xs: Any, y: Any) -> Any:
    """A gated recurrent unit over 20 steps, and a linear readout of its last state."""

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + xp.exp(-x))

    h = xp.zeros((xs.shape[1], out.shape[0]), dtype=xs.dtype, device=xs.device)
    for t in range(xs.shape[0]):
        both = xp.concat([xs[t], h], axis=1)
        z, r = sigmoid(both @ wz + b[0]), sigmoid(both @ wr + b[1])
        n = xp.tanh(xp.concat([xs[t], r * h], axis=1) @ wn + b[2])
        h = (1 - z) * n + z * h
    return xp.mean((h @ out - y) ** 2)


def _convolution(xp: Any, key: Any, k1: Any, k2: Any, k3: Any, x: Any, y: Any) -> Any:
    """Three layers of convolution by slicing, with relu between them, and global pooling."""

    def layer(x: Any, kernel: Any) -> Any:
        rows, columns = kernel.shape[0], kernel.shape[1]
        height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
        return sum(
            x[:, i : i + height, j : j + width, :] @ kernel[i, j, :, :] for i in range(rows) for j in range(columns)
        )

    for kernel in (k1, k2):
        x = xp.maximum(layer(x, kernel), xp.zeros_like(x[:1, :1, :1, :1]))
    pooled = xp.mean(layer(x, k3), axis=(1, 2))
    return xp.mean((pooled - y) ** 2)


def _attention(xp: Any, key: Any, wq: Any, wk: Any, wv: Any, x: Any, y: Any) -> Any:
    """Causal self-attention, softmax by hand, a residual and layer normalisation."""
    q, k, v = x @ wq, x @ wk, x @ wv
    scores = q @ xp.matrix_transpose(k) / q.shape[-1] ** 0.5
    places = xp.arange(x.shape[1], device=x.device)
    visible = places[:, None] >= places[None, :]
    scores = xp.where(visible, scores, -xp.inf)
    scores = scores - xp.max(scores, axis=-1, keepdims=True)
    weights = xp.exp(scores)
    h = x + (weights / xp.sum(weights, axis=-1, keepdims=True)) @ v
    h = (h - xp.mean(h, axis=-1, keepdims=True)) / xp.sqrt(xp.var(h, axis=-1, keepdims=True) + 1e-5)
    return xp.mean((h - y) ** 2)


def _layer_norm(xp: Any, key: Any, gain: Any, shift: Any, w: Any, x: Any, y: Any) -> Any:
    """Layer normalisation, a linear layer, and cross-entropy with labels that are integers."""
    h = (x - xp.mean(x, axis=-1, keepdims=True)) / xp.std(x, axis=-1, keepdims=True)
    logits = (h * gain + shift) @ w
    top = xp.max(logits, axis=-1, keepdims=True)
    normalised = logits - top - xp.log(xp.sum(xp.exp(logits - top), axis=-1, keepdims=True))
    return -xp.mean(xp.take_along_axis(normalised, y[:, None], axis=-1))


def _masked_rnn(xp: Any, key: Any, w: Any, u: Any, b: Any, xs: Any, lengths: Any) -> Any:
    """A plain recurrent network over sequences of several lengths: a state stays what it is where one has ended."""
    h = xp.zeros((xs.shape[1], u.shape[0]), dtype=xs.dtype, device=xs.device)
    for t in range(xs.shape[0]):
        h = xp.where((lengths > t)[:, None], xp.tanh(xs[t] @ w + h @ u + b), h)
    return xp.sum(h * h)


def _dropout(xp: Any, key: Any, w1: Any, w2: Any, x: Any, y: Any) -> Any:
    """Two layers with dropout between them, its mask drawn from the key."""
    h = xp.tanh(x @ w1)
    kept = tl.random.bernoulli(tl.random.fold_in(key, 1), 0.75, h.shape)
    noise = tl.random.uniform(tl.random.fold_in(key, 2), x.shape[:1], "float32")
    h = xp.where(kept, h / 0.75, xp.zeros_like(h))
    return xp.mean(((h @ w2)[:, 0] - y) ** 2 * xp.astype(noise, x.dtype))


# ---- statistics
def _gaussian_process(xp: Any, key: Any, log_length: Any, log_noise: Any, x: Any, y: Any) -> Any:
    """The negative log marginal likelihood of a Gaussian process, by Cholesky's factor."""
    distances = (x[:, None] - x[None, :]) / xp.exp(log_length)
    eye = xp.eye(x.shape[0], dtype=x.dtype, device=x.device)
    factor = xp.linalg.cholesky(xp.exp(-0.5 * distances**2) + (xp.exp(log_noise) + 1e-2) * eye)
    residual = xp.linalg.solve(factor, y[:, None])[:, 0]
    return 0.5 * xp.vecdot(residual, residual) + xp.sum(xp.log(xp.linalg.diagonal(factor)))


def _kalman(xp: Any, key: Any, a: Any, log_q: Any, log_r: Any, ys: Any) -> Any:
    """The negative log-likelihood of a linear state-space model, by a Kalman filter over 12 observations."""
    eye = xp.eye(a.shape[0], dtype=a.dtype, device=a.device)
    mean, cov = xp.zeros_like(a[:, 0]), eye
    total = 0.0
    for t in range(ys.shape[0]):
        mean, cov = a @ mean, a @ cov @ a.T + xp.exp(log_q) * eye
        spread = cov[0, 0] + xp.exp(log_r)
        off, gain = ys[t] - mean[0], cov[:, 0] / spread
        mean, cov = mean + gain * off, cov - gain[:, None] * cov[None, 0, :]
        total = total + 0.5 * (xp.log(spread) + off * off / spread)
    return total


def _fourier(xp: Any, key: Any, real: Any, imaginary: Any, y: Any) -> Any:
    """Fit the coefficients of a trigonometric polynomial, in a complex dtype and by a Fourier transform."""
    unit = xp.asarray(1j, dtype=xp.complex64 if real.dtype == xp.float32 else xp.complex128, device=real.device)
    signal = xp.fft.ifft(real + imaginary * unit)
    power = xp.abs(xp.fft.fft(signal * signal)) ** 2
    return xp.mean((xp.real(signal) - y) ** 2) + 1e-3 * xp.sum(power)


def _mixture(xp: Any, key: Any, logits: Any, means: Any, log_scales: Any, y: Any) -> Any:
    """The negative log-likelihood of a mixture of Gaussians, by log-sum-exp."""

    def log_sum_exp(x: Any) -> Any:
        top = xp.max(x, axis=-1, keepdims=True)
        return xp.squeeze(top, axis=-1) + xp.log(xp.sum(xp.exp(x - top), axis=-1))

    logs = logits - log_sum_exp(logits)
    terms = logs - log_scales - 0.5 * ((y[:, None] - means) / xp.exp(log_scales)) ** 2
    return -xp.mean(log_sum_exp(terms))


def _rosenbrock(xp: Any, key: Any, x: Any) -> Any:
    return xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def _sorted(xp: Any, key: Any, w: Any, x: Any) -> Any:
    """The distance between sorted projections: a permutation that depends on values, and a gather by indices."""
    projected = xp.sort(x @ w, axis=0)
    order = xp.argsort(xp.sum(x * x, axis=1))
    return xp.mean((projected - xp.cumulative_sum(xp.take(x, order, axis=0) @ w, axis=0)) ** 2)


_LENGTHS = np.asarray([1, 3, 6, 8], dtype="int64")
_LABELS = np.asarray([0, 2, 1, 3, 3, 1], dtype="int64")

LOSSES = [
    Loss("a GRU over 20 steps", _gru, _draw(1, (7, 4), (7, 4), (7, 4), (3, 4), (4, 1), (20, 5, 3), (5, 1)), 5),
    Loss(
        "three layers of convolution",
        _convolution,
        _draw(2, (3, 3, 2, 4), (3, 3, 4, 4), (2, 2, 4, 3), (2, 9, 8, 2), (2, 3)),
        3,
    ),
    Loss("attention", _attention, _draw(3, (6, 6), (6, 6), (6, 6), (2, 5, 6), (2, 5, 6)), 3),
    Loss("layer norm and cross-entropy", _layer_norm, (*_draw(4, (5,), (5,), (5, 4), (6, 5)), _LABELS), 3),
    Loss("a masked RNN", _masked_rnn, (*_draw(5, (3, 4), (4, 4), (4,), (8, 4, 3)), _LENGTHS), 3),
    Loss("dropout", _dropout, _draw(6, (5, 16), (16, 1), (7, 5), (7,)), 2, takes_key=True),
    Loss("a Gaussian process", _gaussian_process, _draw(7, (), (), (9,), (9,), scale=1.0), 2),
    Loss("a Kalman filter", _kalman, _draw(8, (3, 3), (), (), (12,)), 3),
    Loss("a Fourier fit", _fourier, _draw(9, (8,), (8,), (8,)), 2),
    Loss("a mixture density", _mixture, _draw(10, (3,), (3,), (3,), (20,)), 3),
    Loss("Rosenbrock's function", _rosenbrock, _draw(11, (12,)), 1),
    Loss("sorted projections", _sorted, _draw(12, (4, 2), (7, 4)), 1),
]
