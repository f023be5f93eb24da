"""The catalogue's Fourier transforms."""

from typing import Any

from tests.proof.calls import COMPLEX, FLOATING, REAL, Call, Function, Holds, called
from tests.proof.shapes import Draw

__all__ = ["FFT"]

NORMS = ("backward", "ortho", "forward")


def along_one_axis(name: str, dtypes: tuple[str, ...]) -> Function:
    """Return a transform along one axis, cut or padded to a length, or not."""

    def draw(d: Draw) -> Call:
        shape = d.shape(ranks=(1, 3), empty=False)
        # irfft and hfft make 2 (n - 1) elements of n, and none of one.
        shape = tuple(n + 1 for n in shape)
        named = {"n": d.one_of((None, 2, 4, 5)), "axis": d.axis(shape), "norm": d.one_of(NORMS)}
        return called(f"fft.{name}", (d.values(shape, -2.0, 2.0),), **named)

    return Function(f"fft.{name}", draw, dtypes)


def along_several(name: str, dtypes: tuple[str, ...]) -> Function:
    """Return a transform along several axes."""

    def draw(d: Draw) -> Call:
        shape = tuple(n + 1 for n in d.shape(ranks=(1, 3), empty=False))
        axes = d.one_of((None, (0,), (-1,), tuple(range(len(shape))), tuple(range(len(shape)))[::-1]))
        lengths = None if axes is None or d.flag() else tuple(d.integer(2, 4) for _ in axes)
        named: dict[str, Any] = {"s": lengths, "axes": axes, "norm": d.one_of(NORMS)}
        return called(f"fft.{name}", (d.values(shape, -2.0, 2.0),), **named)

    return Function(f"fft.{name}", draw, dtypes)


def shift(name: str) -> Function:
    def draw(d: Draw) -> Call:
        shape = d.shape(ranks=(1, 3))
        return called(f"fft.{name}", (d.values(shape, -2.0, 2.0),), axes=d.one_of((None, 0, tuple(range(len(shape))))))

    return Function(f"fft.{name}", draw, FLOATING)


def frequencies(name: str) -> Function:
    def draw(d: Draw) -> Call:
        n, step, dtype = d.integer(1, 6), d.one_of((1.0, 0.5)), d.dtype
        return Call(f"fft.{name}({n})", (), lambda xp: getattr(xp.fft, name)(n, d=step, dtype=getattr(xp, dtype)))

    return Function(f"fft.{name}", draw, REAL, Holds.CONSTANT, maps=None)


FFT = [
    *(along_one_axis(name, COMPLEX) for name in ("fft", "ifft", "irfft", "hfft")),
    *(along_one_axis(name, REAL) for name in ("rfft", "ihfft")),
    *(along_several(name, COMPLEX) for name in ("fftn", "ifftn", "irfftn")),
    along_several("rfftn", REAL),
    *(shift(name) for name in ("fftshift", "ifftshift")),
    *(frequencies(name) for name in ("fftfreq", "rfftfreq")),
]
