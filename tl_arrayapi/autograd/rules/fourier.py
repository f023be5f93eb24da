"""Rules of the Fourier transforms.

Each is a linear map, and its rule is the transposed map, without conjugation. The complex transforms are symmetric:
their rule is the same transform of the cotangent. A transform between real signals and half of a spectrum is the
transpose of one the other way, in which a frequency that stands for two, itself and its mirror image, counts twice or
half. Padding and cropping (``n``, ``s``) are each other's transposes.

Norms are exchanged where a transform is replaced by one the other way: what divides by n forward does so backward.
"""

from collections.abc import Sequence
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, Rule, define

__all__: list[str] = []

_T = Kind.TRANSFORM
_Lengths = Sequence[int] | None

_EXCHANGED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _fitted(xp: Any, x: Any, shape: tuple[int, ...]) -> Any:
    """Crop ``x``, or pad it with zeros, at the end of each axis."""
    shape = tuple(shape)
    if tuple(x.shape) == shape:
        return x
    key = tuple(slice(0, min(n, m)) for n, m in zip(x.shape, shape, strict=True))
    x = x[key]
    return x if tuple(x.shape) == shape else xp.embed(x, shape=shape, key=key)


def _mirrored(xp: Any, half: Any, n: int, axis: int, weight: float) -> Any:
    """Multiply by ``weight`` those frequencies of half a spectrum that have a mirror image: all but 0 and n / 2."""
    if n < 3:
        return half
    key = (*(slice(None),) * (axis % half.ndim), slice(1, (n + 1) // 2), ...)
    return half + (weight - 1) * xp.embed(half[key], shape=tuple(half.shape), key=key)


def _axes(s: _Lengths, axes: _Lengths, ndim: int) -> tuple[int, ...]:
    """Return the axes that a transform of several runs over."""
    if axes is not None:
        return tuple(axes)
    return tuple(range(-(ndim if s is None else len(s)), 0))


# ---- between complex signals and spectra
def _complex(name: str) -> Rule:
    def rule(xp: Any, g: Any, out: Any, x: Any, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
        return _fitted(xp, getattr(xp.fft, name)(g, axis=axis, norm=norm), x.shape)

    return rule


def _complex_n(name: str) -> Rule:
    def rule(
        xp: Any, g: Any, out: Any, x: Any, s: _Lengths = None, axes: _Lengths = None, norm: str = "backward"
    ) -> Any:
        return _fitted(xp, getattr(xp.fft, name)(g, axes=_axes(s, axes, x.ndim), norm=norm), x.shape)

    return rule


# ---- between real signals and half spectra
def _rfft(xp: Any, g: Any, out: Any, x: Any, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    n = x.shape[axis] if n is None else n
    half = _mirrored(xp, xp.conj(g), n, axis, 0.5)
    return _fitted(xp, xp.fft.irfft(half, n=n, axis=axis, norm=_EXCHANGED[norm]), x.shape)


def _irfft(xp: Any, g: Any, out: Any, x: Any, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    half = xp.conj(xp.fft.rfft(g, axis=axis, norm=_EXCHANGED[norm]))
    return _fitted(xp, _mirrored(xp, half, g.shape[axis], axis, 2.0), x.shape)


def _rfftn(xp: Any, g: Any, out: Any, x: Any, s: _Lengths = None, axes: _Lengths = None, norm: str = "backward") -> Any:
    axes = _axes(s, axes, x.ndim)
    lengths = tuple(x.shape[a] for a in axes) if s is None else tuple(s)
    half = _mirrored(xp, xp.conj(g), lengths[-1], axes[-1], 0.5)
    return _fitted(xp, xp.fft.irfftn(half, s=lengths, axes=axes, norm=_EXCHANGED[norm]), x.shape)


def _irfftn(
    xp: Any, g: Any, out: Any, x: Any, s: _Lengths = None, axes: _Lengths = None, norm: str = "backward"
) -> Any:
    axes = _axes(s, axes, x.ndim)
    half = xp.conj(xp.fft.rfftn(g, axes=axes, norm=_EXCHANGED[norm]))
    return _fitted(xp, _mirrored(xp, half, g.shape[axes[-1]], axes[-1], 2.0), x.shape)


# ---- between half signals, of a real spectrum, and spectra
def _hfft(xp: Any, g: Any, out: Any, x: Any, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    half = xp.fft.rfft(g, axis=axis, norm=norm)
    return _fitted(xp, _mirrored(xp, half, g.shape[axis], axis, 2.0), x.shape)


def _ihfft(xp: Any, g: Any, out: Any, x: Any, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
    n = x.shape[axis] if n is None else n
    half = _mirrored(xp, g, n, axis, 0.5)
    return _fitted(xp, xp.fft.irfft(half, n=n, axis=axis, norm=norm), x.shape)


for _name in ("fft", "ifft"):
    define(_name, _T, _complex(_name), where="fft")
    define(f"{_name}n", _T, _complex_n(f"{_name}n"), where="fft")
define("rfft", _T, _rfft, where="fft")
define("irfft", _T, _irfft, where="fft")
define("rfftn", _T, _rfftn, where="fft")
define("irfftn", _T, _irfftn, where="fft")
define("hfft", _T, _hfft, where="fft")
define("ihfft", _T, _ihfft, where="fft")
define("fftshift", _T, lambda xp, g, out, x, axes=None: xp.fft.ifftshift(g, axes=axes), where="fft")
define("ifftshift", _T, lambda xp, g, out, x, axes=None: xp.fft.fftshift(g, axes=axes), where="fft")
