"""Rules of the functions that move, repeat or join elements, and of casts."""

import math
from typing import Any

from tl_arrayapi.autograd.primitive import Kind, define

__all__: list[str] = []

_M = Kind.MOVEMENT


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    positive = [a % len(axes) for a in axes]
    return tuple(positive.index(i) for i in range(len(positive)))


def _flip(xp: Any, g: Any, out: Any, x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    return xp.flip(g, axis=axis)


def _roll(xp: Any, g: Any, out: Any, x: Any, shift: Any, axis: Any = None) -> Any:
    return xp.roll(g, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis=axis)


def _tile(xp: Any, g: Any, out: Any, x: Any, repetitions: int | tuple[int, ...]) -> Any:
    repetitions = (repetitions,) if isinstance(repetitions, int) else repetitions
    rank = max(x.ndim, len(repetitions))
    shape = (1,) * (rank - x.ndim) + tuple(x.shape)
    counts = (1,) * (rank - len(repetitions)) + tuple(repetitions)
    split = tuple(n for pair in zip(counts, shape, strict=True) for n in pair)
    return xp.reshape(xp.sum(xp.reshape(g, split), axis=tuple(range(0, 2 * rank, 2))), x.shape)


def _concat(xp: Any, g: Any, out: Any, *xs: Any, axis: int | None = 0) -> list[Any]:
    if axis is None:
        sizes = [math.prod(x.shape) for x in xs]
        return [xp.reshape(part, x.shape) for part, x in zip(_split(g, sizes, 0), xs, strict=True)]
    return _split(g, [x.shape[axis] for x in xs], axis)


def _split(g: Any, sizes: list[int], axis: int) -> list[Any]:
    before, start, parts = (slice(None),) * (axis % g.ndim), 0, []
    for size in sizes:
        parts.append(g[(*before, slice(start, start + size), ...)])
        start += size
    return parts


def _stack(xp: Any, g: Any, out: Any, *xs: Any, axis: int = 0) -> list[Any]:
    before = (slice(None),) * (axis % g.ndim)
    return [g[(*before, i, ...)] for i in range(len(xs))]


def _astype(xp: Any, g: Any, out: Any, x: Any, dtype: Any, copy: bool = True, device: Any = None) -> Any:
    # The tape brings a cotangent back to its operand's dtype, and drops what is imaginary. What was cut to an integer
    # or a boolean does not move with it.
    return g if xp.isdtype(out.dtype, ("real floating", "complex floating")) else xp.zeros_like(x)


define("broadcast_to", _M, lambda xp, g, out, x, shape: g, positional=("shape",))
define("concat", _M, gather=_concat, operands=1)
define("expand_dims", _M, lambda xp, g, out, x, axis=0: xp.reshape(g, x.shape))
define("flip", _M, _flip)
define("matrix_transpose", _M, lambda xp, g, out, x: xp.matrix_transpose(g))
define(
    "moveaxis",
    _M,
    lambda xp, g, out, x, source, destination: xp.moveaxis(g, destination, source),
    positional=("source", "destination"),
)
define(
    "permute_dims",
    _M,
    lambda xp, g, out, x, axes: xp.permute_dims(g, _inverse(axes)) if axes else g,
    positional=("axes",),
)
define("reshape", _M, lambda xp, g, out, x, shape, copy=None: xp.reshape(g, x.shape), positional=("shape",))
define("roll", _M, _roll, positional=("shift",))
define("squeeze", _M, lambda xp, g, out, x, axis: xp.reshape(g, x.shape), positional=("axis",))
define("stack", _M, gather=_stack, operands=1)
define("tile", _M, _tile, positional=("repetitions",))
define("tril", _M, lambda xp, g, out, x, k=0: xp.tril(g, k=k))
define("triu", _M, lambda xp, g, out, x, k=0: xp.triu(g, k=k))

define("astype", Kind.CAST, _astype, positional=("dtype",))
