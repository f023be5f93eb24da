"""Random numbers for a loss: drawn from a key that is an array, so that a compiled step takes it as an input.

A key holds 64 bits, as four int32 numbers of 16 bits each, the lowest first: every library has int32, JAX without
64-bit integers too. The draw at flat index i is the low half of SplitMix64's ``mix(key + i)``, as in
`tl_arrayapi.init`: the same bits on every library and device, whatever the chunks. One key gives the same numbers
every time: fold something into it for other ones.
"""

import math
from collections.abc import Sequence
from typing import Any

import array_api_compat

from tl_arrayapi import backends
from tl_arrayapi.autograd.namespace import Namespace, array_namespace
from tl_arrayapi.errors import ArgumentError, DTypeError, ShapeError
from tl_arrayapi.init.fans import as_shape, element_count
from tl_arrayapi.init.formats import float_format
from tl_arrayapi.init.splitmix64 import Form, Limbs, Words, as_index, draws_form, mix, stream_key

__all__ = ["bernoulli", "fold_in", "key", "split", "uniform"]

# The constants of SplitMix64, for the one form whose own draws start from a Python integer alone.
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
# Draws from here on make new keys: no array is long enough to use them otherwise.
_FOLDED = 2**63
_BITS = 24


def key(seed: int, step: int, xp: Any = None, device: Any = None) -> Any:
    """Return the key of a step: an int32 array of shape (4,) of the library ``xp`` (None: NumPy), on ``device``.

    It holds the 64 bits of ``mix(mix(seed) + step)``. Raises PlanError for a seed outside [0, 2^64), and ArgumentError
    for a negative step.

    >>> key(0, 1)
    array([59775, 44855, 62721, 10904], dtype=int32)
    """
    backend = backends.get(xp)
    word = mix((stream_key(seed) + as_index(step)) % 2**64)
    limbs = [word >> places & 0xFFFF for places in (0, 16, 32, 48)]
    return backend.namespace.asarray(limbs, dtype=backend.dtype("int32"), device=backend.device(device))


def uniform(key: Any, shape: Sequence[int], dtype: str = "float32") -> Any:
    """Return independent uniform numbers of [0, 1), of ``shape`` and the dtype of that name, on the key's library and
    device.

    float32 numbers are multiples of 2^-24, float64 ones of 2^-32, float16 ones of 2^-11: exact, and equal on every
    library. Raises ShapeError or DTypeError for what is no shape, no key, or no real floating dtype of the library.

    >>> uniform(key(0, 1), (2, 2))
    array([[0.5004381 , 0.35503346],
           [0.10742062, 0.39978832]], dtype=float32)
    """
    kind = float_format(dtype)
    shape = as_shape(shape)
    form, draws = _draws(key, element_count(shape))
    backend = backends.get(_library(form.xp))
    numbers = form.numbers(draws, kind.bits, backend.dtype(kind.compute)) * 2.0**-kind.bits
    return form.xp.reshape(form.xp.astype(numbers, backend.dtype(dtype), copy=False), shape)


def bernoulli(key: Any, p: float, shape: Sequence[int]) -> Any:
    """Return independent booleans of ``shape``, each true with probability ``p``, on the key's library and device.

    They equal ``uniform(key, shape) < p``. Raises ArgumentError for a ``p`` outside [0, 1], ShapeError or DTypeError
    for what is no shape or no key.

    >>> bernoulli(key(0, 1), 0.36, (2, 2))
    array([[False,  True],
           [ True, False]])
    """
    shape = as_shape(shape)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ArgumentError(f"p must be a number from 0 to 1; got {p!r}")
    form, draws = _draws(key, element_count(shape))
    # Compared as integers, p need not be rounded to the dtype of anything.
    whole = form.numbers(draws, _BITS, form.xp.int32)
    return form.xp.reshape(whole < math.ceil(p * 2**_BITS), shape)


def fold_in(key: Any, data: int) -> Any:
    """Return another key, made of this one and a number: one for each layer, say.

    Raises ArgumentError for a number outside [0, 2^62), ShapeError or DTypeError for what is no key.

    >>> fold_in(key(0, 1), 7)
    array([22735, 11346,  7356, 33342], dtype=int32)
    """
    data = as_index(data)
    if data >= 2**62:
        raise ArgumentError(f"data must be below 2^62; got {data}")
    form, draws = _draws(key, 2, _FOLDED + 2 * data)
    upper, lower = form.halves(draws, 32)
    limbs = form.xp.stack([lower, upper], axis=1)
    return form.xp.astype(form.xp.reshape(limbs, (4,)), form.xp.int32)


def split(key: Any, count: int) -> list[Any]:
    """Return so many other keys: ``fold_in(key, 0)``, ``fold_in(key, 1)`` and so on.

    >>> [int(k[0]) for k in split(key(0, 1), 2)]
    [47470, 51677]
    """
    return [fold_in(key, i) for i in range(as_index(count))]


class _KeyedWords(Words):
    def keyed(self, key: Any, count: int, start: int) -> Any:
        pieces = self.xp.astype(key, self.dtype)
        word = pieces[0:1] | (pieces[1:2] << 16) | (pieces[2:3] << 32) | (pieces[3:4] << 48)
        return self.draws(start, self.counting(count) + word)


class _KeyedLimbs(Limbs):
    def keyed(self, key: Any, count: int, start: int) -> Any:
        pieces = self.xp.astype(key, self.dtype)
        word = pieces[2:3] | (pieces[3:4] << 16), pieces[0:1] | (pieces[1:2] << 16)
        base = start + _GOLDEN
        word = self._sum(word, (self.constant(base >> 32), self.constant(base)))
        z = self._sum(word, (self.constant(0), self.counting(count)))
        z = self._times(*self._folded(*z, 30), _FIRST)
        z = self._times(*self._folded(*z, 27), _SECOND)
        return self._folded(*z, 31)[1]

    def _sum(self, x: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, Any]:
        """Return the sum of two words, each an upper and a lower half."""
        low = x[1] + y[1]
        carry = self.shifted((x[1] & y[1]) | ((x[1] | y[1]) & ~low), 31)
        return x[0] + y[0] + carry, low


def _library(xp: Any) -> Any:
    return xp.inner if isinstance(xp, Namespace) else xp


def _draws(key: Any, count: int, start: int = 0) -> tuple[Form, Any]:
    """Return the draws from ``start`` on, as integers whose low 32 bits they are, and what can take them further."""
    if key is None:
        raise ArgumentError("the key is None, as in evaluation: draw only where `key is not None`")
    xp = array_namespace(key)
    advice = "make keys with tl_arrayapi.random.key(seed, step)"
    if tuple(key.shape) != (4,):
        raise ShapeError(f"a key has shape (4,); got {tuple(key.shape)}: {advice}")
    if key.dtype != xp.int32:
        raise DTypeError(f"a key is int32; got {key.dtype}: {advice}")
    device = array_api_compat.device(key)
    # Which form works is found by trying, with values; inside a trace there are none.
    found = draws_form(_library(xp), device)
    kind: type[_KeyedWords] | type[_KeyedLimbs] = _KeyedWords if isinstance(found, Words) else _KeyedLimbs
    form = kind(xp, found.name, device)
    return form, form.keyed(key, count, start)
