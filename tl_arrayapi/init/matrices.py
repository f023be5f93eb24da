"""Matrices that are made as a whole: the identity, and orthogonal ones, without a library's own linear algebra.

LAPACKs differ in the order of their sums, and compilers fuse products into sums. Here every operation is one call to
the library, sums have an order of their own, and square roots are made of products: the bits are the same everywhere.
"""

import math
from collections.abc import Sequence
from typing import Any

from tl_arrayapi.init.formats import FORMATS, FloatFormat
from tl_arrayapi.init.gaussian import FARTHEST, Gaussian
from tl_arrayapi.init.recipes import Filled, Whole

__all__ = ["Identity", "Orthogonal"]


class Identity(Whole):
    """1 where the row is the column, and 0 elsewhere."""

    has_parts = True

    def array(self, shape: tuple[int, ...], xp: Any, dtype: str, device: Any, filled: Filled) -> Any:
        """Return the matrix."""
        return xp.eye(*shape, dtype=getattr(xp, dtype), **_on(device))

    def part(
        self,
        shape: tuple[int, ...],
        start: Sequence[int],
        stop: Sequence[int],
        xp: Any,
        dtype: str,
        device: Any,
        filled: Filled,
    ) -> Any:
        """Return a part of the matrix, whose diagonal lies where the whole one's does."""
        rows, columns = (b - a for a, b in zip(start, stop, strict=True))
        return xp.eye(rows, columns, k=start[0] - start[1], dtype=getattr(xp, dtype), **_on(device))


class Orthogonal(Whole):
    """gain times a random matrix of orthonormal rows, or columns where there are fewer, evenly spread over all of them.

    It is a product of Householder reflections by independent normal vectors, with the signs that make it uniform: G. W.
    Stewart, "The efficient generation of random orthogonal matrices with an application to condition estimators", SIAM
    Journal on Numerical Analysis 17 (1980), 403-409. An array of more axes is one whose rows are its first axis.
    """

    def __init__(self, gain: float, seed: int, form: FloatFormat) -> None:
        self.gain, self.seed, self.format = FORMATS[form.compute].round(gain), seed, form

    def array(self, shape: tuple[int, ...], xp: Any, dtype: str, device: Any, filled: Filled) -> Any:
        """Return the matrix."""
        kind, compute = getattr(xp, dtype), self.format.compute
        rows, columns = shape[0], math.prod(shape[1:])
        if not rows * columns:
            return xp.zeros(shape, dtype=kind, **_on(device))
        tall, narrow = max(rows, columns), min(rows, columns)
        normal = filled(Gaussian(0.0, 1.0, self.seed, FORMATS[compute]), (tall, narrow), compute)
        matrix = _product_of_reflections(xp, normal, xp.eye(tall, narrow, dtype=normal.dtype, **_on(device)))
        matrix = (matrix if rows >= columns else xp.matrix_transpose(matrix)) * self.gain
        return xp.astype(xp.reshape(matrix, shape), kind, copy=False)


# Sums go over chunks of so many rows, each by halves, and then over the chunks in order: chunks of zeros that are left
# out at the beginning change nothing.
_CHUNK = 64
# The reflections are taken in so many groups, each applied to the rows and columns that it can change.
_GROUPS = 4
# A factor of 1.5 is gained at a time, at first, on the way from the largest norm to the least, which is 2**-28.
_STEPS = 72


def _product_of_reflections(xp: Any, normal: Any, identity: Any) -> Any:
    """Return the product of the reflections whose vectors are the columns of ``normal``, from the diagonal down."""
    tall, narrow = normal.shape
    chunk = min(_CHUNK, 2 ** (tall - 1).bit_length())
    vectors = _padded(xp, xp.tril(normal), chunk)
    identity = _padded(xp, identity, chunk)
    leading = xp.reshape(vectors, (-1,))[: narrow * narrow : narrow + 1]
    signs = 1.0 - 2.0 * xp.astype(leading < 0, leading.dtype)
    squares = _sum(xp, vectors * vectors, chunk)
    largest = FARTHEST**2 * tall
    norms = squares * _inverse_root(squares, largest)
    # v = x + sign(x0) |x| e0 has the square 2 (|x|**2 + |x0| |x|): I - v v^T / half of it reflects.
    halves = squares + leading * signs * norms
    vectors = (vectors + identity * (signs * norms)) * _inverse_root(halves, 2.0 * largest)

    step = max(-(-narrow // (_GROUPS * chunk)) * chunk, 1)
    result: Any = None
    for start in range((narrow - 1) // step * step, -1, -step):
        stop = min(start + step, narrow)
        columns = identity[start:, start:stop] * -signs[start:stop]
        if result is not None:
            right = xp.concat([identity[start:stop, stop:], result], axis=0)
            columns = xp.concat([columns, right], axis=1)
        result = columns
        for k in range(stop - 1, start - 1, -1):
            vector = vectors[start:, k : k + 1]
            result = result - vector * _sum(xp, vector * result, chunk)
    return result[:tall, :] if result.shape[0] > tall else result


def _padded(xp: Any, x: Any, chunk: int) -> Any:
    """Return ``x`` with rows of zeros to a whole number of chunks."""
    missing = -x.shape[0] % chunk
    return xp.concat([x, xp.zeros_like(x[:missing, :])], axis=0) if missing else x


def _sum(xp: Any, x: Any, chunk: int) -> Any:
    """Return the sums of the columns, in one order everywhere."""
    rows, columns = x.shape
    x = xp.reshape(x, (rows // chunk, chunk, columns))
    while chunk > 1:
        chunk //= 2
        x = x[:, :chunk, :] + x[:, chunk:, :]
    total = x[0, 0, :]
    for place in range(1, x.shape[0]):
        total = total + x[place, 0, :]
    return total


def _inverse_root(x: Any, largest: float) -> Any:
    """Return 1 / sqrt(x) for x up to ``largest``, by Newton's iteration without division; it is finite where x is 0."""
    y = x * 0.0 + 1.0 / math.sqrt(largest)
    for _ in range(_STEPS):
        y = y * (1.5 - x * 0.5 * y * y)
    return y


def _on(device: Any) -> dict[str, Any]:
    return {} if device is None else {"device": device}
