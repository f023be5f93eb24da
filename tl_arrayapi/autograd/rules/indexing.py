"""Rules of indexing. Boolean and several integer arrays in one key are composites of these.

``put`` is a basic slice written to, as a function: the array with a value in the slice. ``writers`` says, for each
place of an axis, which of a list of indices names it last. ``embed`` (zeros with an array put in a slice) and
``scatter_add`` (zeros with rows added at indices) are the adjoints of a basic slice and of ``take``. They are not in
the standard, and each is in turn the other's adjoint, so that every order of derivative stays within the table.
"""

from typing import Any

from tl_arrayapi.autograd.primitive import Kind, define

__all__ = ["EMBED", "GETITEM", "PUT", "SCATTER_ADD", "SEARCHSORTED", "TAKE", "WRITERS"]


def _getitem(xp: Any, g: Any, out: Any, x: Any, key: tuple[Any, ...]) -> Any:
    return xp.embed(g, shape=tuple(x.shape), key=key)


def _embed(xp: Any, g: Any, out: Any, x: Any, shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    return g[key]


def _put_array(xp: Any, g: Any, out: Any, x: Any, value: Any, key: tuple[Any, ...]) -> Any:
    return xp.put(g, xp.zeros_like(g[key]), key=key)


def _put_value(xp: Any, g: Any, out: Any, x: Any, value: Any, key: tuple[Any, ...]) -> Any:
    return g[key]


def _take(xp: Any, g: Any, out: Any, x: Any, indices: Any, axis: int | None = None) -> Any:
    return xp.scatter_add(g, indices, shape=tuple(x.shape), axis=0 if axis is None else axis % x.ndim)


def _scatter_add(xp: Any, g: Any, out: Any, x: Any, indices: Any, shape: tuple[int, ...], axis: int) -> Any:
    return xp.take(g, indices, axis=axis)


GETITEM = define("getitem", Kind.INDEXING, _getitem, public=False)
EMBED = define("embed", Kind.INDEXING, _embed, public=False)
PUT = define("put", Kind.INDEXING, _put_array, _put_value, public=False)
TAKE = define("take", Kind.INDEXING, _take, None)
SCATTER_ADD = define("scatter_add", Kind.INDEXING, _scatter_add, None, public=False)
WRITERS = define("writers", Kind.INDEXING, operands=1, zero_gradient=True, public=False)
define("nonzero", Kind.INDEXING, operands=1, zero_gradient=True)
SEARCHSORTED = define("searchsorted", Kind.INDEXING, operands=2, zero_gradient=True)
define("isin", Kind.INDEXING, operands=2, zero_gradient=True)
