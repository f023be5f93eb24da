"""Fill arrays from initialisers, on their device, with nothing but the standard.

A value depends on (scheme, flat index) alone, so blocks, boxes and whole arrays agree. Nothing is drawn on the host and
copied, unless the library has no integers to draw with.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from tl_arrayapi.errors import ArgumentError, BackendError
from tl_arrayapi.init.fans import as_shape, element_count
from tl_arrayapi.init.formats import float_format
from tl_arrayapi.init.recipes import Constant, Drawn, Filled, Payload, Recipe, Whole
from tl_arrayapi.init.schemes import FloatInit, as_scheme
from tl_arrayapi.init.splitmix64 import Form, draws_form

__all__ = ["BLOCK", "FilledBox", "check_fill", "draw", "draw_box", "fill", "fill_box", "materialize"]

BLOCK = 2**17
"""How many elements are computed at once: their temporaries fit a processor's cache, and still occupy a GPU."""

FilledBox = Callable[[Drawn, tuple[int, ...], Sequence[int], Sequence[int], str], Any]


def materialize(
    scheme: FloatInit,
    shape: Sequence[int],
    xp: Any = None,
    dtype: Any = "float32",
    device: Any = None,
    chunks: Any = None,
) -> Any:
    """Return a new array of ``shape`` in the library ``xp`` (NumPy where None), filled by an initialiser on ``device``.

    ``dtype`` is a real floating dtype of the library, or its name; ``chunks`` are for lazy libraries. Everything is
    checked before anything is allocated: PlanError, ShapeError, DTypeError or DeviceError says what does not fit.

    >>> from tl_arrayapi import init
    >>> init.materialize(init.flat([0.5, 1.0, 1.5, 2.0]), (2, 2))
    array([[0.5, 1. ],
           [1.5, 2. ]], dtype=float32)
    """
    from tl_arrayapi import backends

    backend = backends.get(xp)
    name = dtype if isinstance(dtype, str) else backend.dtype_name(dtype)
    dims = check_fill(scheme, shape, name)
    backend.dtype(name)
    if chunks is not None and not backend.lazy:
        raise ArgumentError(f"chunks={chunks!r} is for lazy libraries, and {backend.name} is none: leave it out")
    return backend.fill(scheme, dims, name, backend.device(device), chunks)


def check_fill(scheme: FloatInit, shape: Sequence[int], dtype: str) -> tuple[int, ...]:
    """Raise where an initialiser cannot fill an array of ``shape`` and the dtype called ``dtype``; return the shape."""
    _recipe(scheme, dtype)
    return _checked_shape(scheme, shape)


def fill(
    scheme: FloatInit,
    shape: Sequence[int],
    xp: Any,
    dtype: str,
    device: Any = None,
    *,
    block: int | None = BLOCK,
    drawn: Filled | None = None,
) -> Any:
    """Return an array of ``shape`` in the namespace ``xp``, filled on ``device``; the body of `materialize`.

    ``drawn(recipe, shape, dtype)`` makes arrays of what is drawn: `draw` does, in blocks of so many elements, where a
    library has no way of its own.
    """
    dims = _checked_shape(scheme, shape)
    recipe = _recipe(scheme, dtype)
    if drawn is None:

        def drawn(recipe: Drawn, shape: tuple[int, ...], dtype: str) -> Any:
            return draw(recipe, shape, xp, dtype, device, block)

    if isinstance(recipe, Drawn):
        return drawn(recipe, dims, dtype)
    if isinstance(recipe, Whole):
        return recipe.array(dims, xp, dtype, device, drawn)
    return _given(recipe, dims, xp, dtype, device)


def draw(
    recipe: Drawn, shape: tuple[int, ...], xp: Any, dtype: str, device: Any = None, block: int | None = BLOCK
) -> Any:
    """Return an array of what ``recipe`` draws, in the functions of the standard.

    It is computed in blocks of so many elements, or, where ``block`` is None, in one: for lazy libraries, where a loop
    over blocks would make a graph of them.
    """
    try:
        form = draws_form(xp, device)
    except BackendError:
        return _from_host(recipe, shape, xp, dtype, device)
    count = math.prod(shape)
    return xp.reshape(_blocks(recipe, count, form, dtype, min(block or max(count, 1), _reach(form))), shape)


def fill_box(
    scheme: FloatInit,
    shape: Sequence[int],
    start: Sequence[int],
    stop: Sequence[int],
    xp: Any,
    dtype: str,
    device: Any = None,
    *,
    drawn: FilledBox | None = None,
) -> Any:
    """Return the part ``[start[k]:stop[k], ...]`` of the array that `fill` would make, without making the rest.

    This is what a chunked or distributed array's parts are filled with; only what depends on the whole shape is made
    whole. ``drawn(recipe, shape, start, stop, dtype)`` makes the parts of what is drawn: by default, `draw_box`.
    """
    dims = _checked_shape(scheme, shape)
    recipe = _recipe(scheme, dtype)
    if isinstance(recipe, Drawn):
        if drawn is not None:
            return drawn(recipe, dims, start, stop, dtype)
        return draw_box(recipe, dims, start, stop, xp, dtype, device)
    if isinstance(recipe, Whole):
        return recipe.part(
            dims, start, stop, xp, dtype, device, lambda recipe, shape, dtype: draw(recipe, shape, xp, dtype, device)
        )
    if isinstance(recipe, Constant):
        return _given(recipe, tuple(b - a for a, b in zip(start, stop, strict=True)), xp, dtype, device)
    return _given(recipe, dims, xp, dtype, device)[tuple(map(slice, start, stop))]


def draw_box(
    recipe: Drawn,
    shape: tuple[int, ...],
    start: Sequence[int],
    stop: Sequence[int],
    xp: Any,
    dtype: str,
    device: Any = None,
) -> Any:
    """Return a part of an array of what ``recipe`` draws, in the functions of the standard."""
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    box = tuple(b - a for a, b in zip(start, stop, strict=True))
    first = sum(map(math.prod, zip(start, strides, strict=True)))
    values = _part(recipe, draws_form(xp, device), first, box, strides, float_format(dtype).compute)
    return xp.astype(values, getattr(xp, dtype), copy=False)


def _part(recipe: Drawn, form: Form, first: int, box: tuple[int, ...], strides: Sequence[int], dtype: str) -> Any:
    """Return the values of a box whose first element is at ``first``; a box that reaches too far is halved."""
    xp = form.xp
    reach = sum((length - 1) * stride for length, stride in zip(box, strides, strict=True))
    if reach >= _reach(form) and 0 not in box:
        axis = next(axis for axis, length in enumerate(box) if length > 1)
        half = box[axis] // 2
        parts = [
            _part(recipe, form, at, (*box[:axis], length, *box[axis + 1 :]), strides, dtype)
            for at, length in ((first, half), (first + half * strides[axis], box[axis] - half))
        ]
        return xp.concat(parts, axis=axis)
    offsets = xp.reshape(form.counting(1), (1,) * len(box))
    for axis, (length, stride) in enumerate(zip(box, strides, strict=True)):
        along = tuple(length if k == axis else 1 for k in range(len(box)))
        offsets = offsets + xp.reshape(form.counting(length, stride), along)
    return recipe.block(form, first, offsets, dtype)


def _reach(form: Form) -> int:
    """Return what all offsets are below that the integers of a form count."""
    return 1 << (form.width - 1)


def _blocks(recipe: Drawn, count: int, form: Form, dtype: str, block: int) -> Any:
    xp = form.xp
    kind, compute = getattr(xp, dtype), float_format(dtype).compute
    offsets = form.counting(min(block, count))

    def values(start: int) -> Any:
        part = offsets if count - start >= block else offsets[: count - start]
        return xp.astype(recipe.block(form, start, part, compute), kind, copy=False)

    first = values(0)
    if count <= block:
        return first
    out = xp.empty((count,), dtype=kind, **form.keywords)
    try:
        out[:block] = first
    except TypeError:
        # The library's arrays are immutable.
        return xp.concat([first, *(values(start) for start in range(block, count, block))])
    for start in range(block, count, block):
        out[start : min(start + block, count)] = values(start)
    return out


def _from_host(recipe: Drawn, shape: tuple[int, ...], xp: Any, dtype: str, device: Any) -> Any:
    """Fill with the host's library and copy: the only way where the library itself cannot draw."""
    from tl_arrayapi import backends

    return backends.get(xp).from_host(backends.get(None).draw(recipe, shape, dtype, None), dtype, device)


def _given(recipe: Recipe, dims: tuple[int, ...], xp: Any, dtype: str, device: Any) -> Any:
    """Fill with what is not drawn."""
    keywords = {"dtype": getattr(xp, dtype)} | ({} if device is None else {"device": device})
    if isinstance(recipe, Payload):
        return xp.reshape(xp.asarray(list(recipe.values), **keywords), dims)
    return xp.full(dims, recipe.at(0), **keywords)


def _recipe(scheme: FloatInit, dtype: str) -> Recipe:
    return as_scheme(scheme).recipe(float_format(dtype))


def _checked_shape(scheme: FloatInit, shape: Sequence[int]) -> tuple[int, ...]:
    dims = as_shape(shape)
    element_count(dims)
    as_scheme(scheme).check_shape(dims)
    return dims
