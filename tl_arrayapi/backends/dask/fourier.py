"""Fourier transforms along axes that lie in several chunks: Dask refuses them, and here such an axis is made whole.

The other axes keep their chunks, and nothing is computed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import dask.array

__all__ = ["FUNCTIONS"]

_Lengths = Sequence[int] | None


def _of_one(name: str) -> Callable[..., Any]:
    transform = getattr(dask.array.fft, name)

    def function(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
        return transform(x.rechunk({axis: -1}), n=n, axis=axis, norm=norm)

    return function


def _of_several(name: str) -> Callable[..., Any]:
    transform = getattr(dask.array.fft, name)

    def function(x: Any, /, *, s: _Lengths = None, axes: _Lengths = None, norm: str = "backward") -> Any:
        if axes is None:  # Dask would take the first ones where ``s`` is given
            axes = range(-(x.ndim if s is None else len(s)), 0)
        return transform(x.rechunk(dict.fromkeys(axes, -1)), s=s, axes=tuple(axes), norm=norm)

    return function


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"fft.{name}": _of_one(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{f"fft.{name}": _of_several(name) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
}
