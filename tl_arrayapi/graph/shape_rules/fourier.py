"""Shapes of the Fourier transforms. A spectrum of n real numbers has n // 2 + 1 of them, and it may come from two n."""

from collections.abc import Callable
from typing import Any

from tl_arrayapi.errors import ArgumentError
from tl_arrayapi.graph.shape_rules.common import Rule, Shape, axes_of, axis_of, integer, replaced, several

__all__ = ["FOURIER"]


def _half(n: int) -> int:
    return n // 2 + 1


def _whole(n: int) -> int:
    return n


def _points(n: Any, default: int) -> int:
    """Return the number of points of a transform: those given, or as many as there are."""
    found = default if n is None or n == -1 else integer(n, "a number of points")
    if found < 1:
        raise ArgumentError(f"a Fourier transform of {found} points: it takes one or more, set by n or s")
    return found


def _along(spectrum: Callable[[int], int], full: Callable[[int], int] = _whole) -> Rule:
    """Return the rule of a transform along one axis.

    ``full`` is the number of points that an axis of the operand stands for, and ``spectrum`` how many come of them.
    """

    def rule(x: Shape, *, n: Any = None, axis: Any = -1, norm: str = "backward") -> Shape:
        axis = axis_of(axis, len(x))
        return replaced(x, axis, spectrum(_points(n, full(x[axis]))))

    return rule


def _along_all(spectrum: Callable[[int], int], full: Callable[[int], int] = _whole) -> Rule:
    """Return the rule of a transform along several axes, of which the last is as in `_along`."""

    def rule(x: Shape, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Shape:
        given = None if s is None else several(s)
        if axes is None:
            axes = tuple(range(-len(x if given is None else given), 0))
        axes = axes_of(several(axes), len(x))
        if not axes:
            raise ArgumentError(f"a Fourier transform takes one axis or more; got none of shape {x}")
        if given is not None and len(given) != len(axes):
            raise ArgumentError(f"a Fourier transform takes a length for each axis; got s={s} for axes {axes}")
        result = list(x)
        for i, a in enumerate(axes):
            last = i == len(axes) - 1
            points = _points(None if given is None else given[i], full(x[a]) if last and given is None else x[a])
            result[a] = spectrum(points) if last else points
        return tuple(result)

    return rule


def _shift(x: Shape, *, axes: Any = None) -> Shape:
    axes_of(axes, len(x))
    return x


def _mirrored(n: int) -> int:
    return 2 * (n - 1)


FOURIER: dict[str, Rule] = {
    **dict.fromkeys(("fft.fft", "fft.ifft"), _along(_whole)),
    **dict.fromkeys(("fft.fftn", "fft.ifftn"), _along_all(_whole)),
    **dict.fromkeys(("fft.rfft", "fft.ihfft"), _along(_half)),
    **dict.fromkeys(("fft.irfft", "fft.hfft"), _along(_whole, _mirrored)),
    "fft.rfftn": _along_all(_half),
    "fft.irfftn": _along_all(_whole, _mirrored),
    **dict.fromkeys(("fft.fftshift", "fft.ifftshift"), _shift),
}
"""The rule of each transform."""
