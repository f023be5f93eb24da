"""The functions of the standard that make arrays: the library makes them, and they come back as constants. And what it
says of itself.

What is made from an Array (``asarray`` of one, ``full`` of one) keeps its gradient.
"""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from tl_arrayapi.autograd.array import Array, StandIn, bottom, stripped
from tl_arrayapi.errors import ArgumentError, DeviceError
from tl_arrayapi.graph.shapes import infer_shapes

__all__ = ["CREATION", "TRACED"]


def _made(name: str, where: str = "") -> Callable[..., Any]:
    def function(xp: Any, /, *args: Any, **keywords: Any) -> Any:
        holder = getattr(xp.inner, where) if where else xp.ground.library
        return xp.ground.lift(getattr(holder, name)(*map(_number, args), **keywords))

    function.__name__ = name
    return function


def _number(x: Any) -> Any:
    """Return the number in a 0-d Array: what is watched refuses to tell it."""
    if type(x) is not Array:
        return x
    kinds = {"integral": int, "real floating": float, "complex floating": complex, "bool": bool}
    return next(number for kind, number in kinds.items() if x.level.ground.is_kind(x.dtype, kind))(x)


def _from_dlpack(xp: Any, x: Any, /, **keywords: Any) -> Any:
    return xp.ground.lift(xp.inner.from_dlpack(x, **keywords))


def _like(name: str) -> Callable[..., Any]:
    def function(xp: Any, x: Any, /, **keywords: Any) -> Any:
        value = bottom(x)
        if isinstance(value, StandIn):
            keywords = {"dtype": x.dtype, "device": x.device} | {k: v for k, v in keywords.items() if v is not None}
            return getattr(xp, name.removesuffix("_like"))(x.shape, **keywords)
        return xp.ground.lift(getattr(xp.ground.library, name)(value, **keywords))

    function.__name__ = name
    return function


def _asarray(xp: Any, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """Convert to an Array: an Array stays itself, and a nested list may hold Arrays, which keep their gradients."""
    if type(obj) is Array:
        return _converted(xp, obj, dtype, device, copy)
    if isinstance(obj, (list, tuple)) and any(type(x) is Array for x in _leaves(obj)):
        if copy is False:
            raise ArgumentError("asarray of a list of arrays makes a new one: copy must be None or True; got False")
        # A Python number takes the dtype of the Arrays beside it, as it does in an operation.
        leaves = list(_leaves(obj))
        dtype = xp.result_type(*leaves) if dtype is None else dtype
        device = next(x.device for x in leaves if type(x) is Array) if device is None else device
        return xp.stack([_asarray(xp, item, dtype=dtype, device=device) for item in obj])
    keywords = {"dtype": dtype, "device": device, "copy": copy}
    made = xp.ground.library.asarray(obj, **{k: v for k, v in keywords.items() if v is not None})
    return xp.ground.lift(made)


def _leaves(items: Any) -> Iterator[Any]:
    for x in items:
        yield from _leaves(x) if isinstance(x, (list, tuple)) else (x,)


def _converted(xp: Any, x: Array, dtype: Any, device: Any, copy: bool | None) -> Any:
    dtype, device = x.dtype if dtype is None else dtype, x.device if device is None else device
    if x.dtype == dtype and x.device == device:
        if not copy:
            return x
        # A watched value is nobody else's to write to: another Array of it is a copy. A constant may be.
        value = stripped(x)
        if isinstance(value, (Array, StandIn)):
            return Array(x.value, x.level, x.index)
        return xp.ground.lift(xp.ground.library.asarray(value, copy=True))
    if copy is False:
        raise ArgumentError(
            f"asarray to {dtype} on {device} of an array of {x.dtype} on {x.device} makes a new one: copy must be None "
            f"or True; got False"
        )
    converted = x if x.dtype == dtype else xp.astype(x, dtype)
    return converted.to_device(device)


def _full(xp: Any, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    if type(fill_value) is Array:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return xp.broadcast_to(_asarray(xp, fill_value, dtype=dtype, device=device), shape)
    return xp.ground.lift(xp.ground.library.full(shape, fill_value, dtype=dtype, device=device))


def _full_like(xp: Any, x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    if type(fill_value) is Array or isinstance(bottom(x), StandIn):
        dtype, device = x.dtype if dtype is None else dtype, x.device if device is None else device
        return _full(xp, x.shape, fill_value, dtype=dtype, device=device)
    return xp.ground.lift(xp.ground.library.full_like(bottom(x), fill_value, dtype=dtype, device=device))


class _Info:
    """What a lazy library says of itself, less what its arrays cannot do here: have shapes that depend on values."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def capabilities(self) -> dict[str, Any]:
        """Return the standard's capabilities: neither boolean indexing, nor shapes that depend on values."""
        return {**self._inner.capabilities(), "boolean indexing": False, "data-dependent shapes": False}


def _info(xp: Any) -> Any:
    info = xp.inner.__array_namespace_info__()
    return _Info(info) if xp.backend.lazy else info


# ---- while a function is traced
def _written(name: str, *, where: str = "", names: tuple[str, ...]) -> Callable[..., Any]:
    """Return the function ``name`` that writes an equation; ``names`` are those of its positional arguments."""
    qualified = f"{where}.{name}" if where else name

    def function(xp: Any, /, *args: Any, dtype: Any = None, device: Any = None, **keywords: Any) -> Any:
        ground = xp.ground
        given = {**dict(zip(names, map(_number, args), strict=False)), **keywords}
        # What the library would make, of the same numbers and with next to no elements: its dtype, and its refusals.
        holder = getattr(xp.inner, where) if where else ground.library
        small = {k: min(v, 1) if k in _LENGTHS and v is not None else v for k, v in given.items()}
        positional = [small.pop(k) for k in names if k in small]
        made = getattr(holder, name)(*positional, **small, **_with(dtype=dtype))
        return _equation(xp, qualified, given, infer_shapes(qualified, "creation", [], given)[0], made.dtype, device)

    function.__name__ = name
    return function


_LENGTHS = ("n_rows", "n_cols", "num", "n")


def _with(**keywords: Any) -> dict[str, Any]:
    return {k: v for k, v in keywords.items() if v is not None}


def _arange(xp: Any, start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Any:
    start, stop, step = (x if x is None else _number(x) for x in (start, stop, step))
    start, stop = (0, start) if stop is None else (start, stop)
    given = {"start": start, "stop": stop, "step": step}
    dtype = xp.ground.library.arange((start + stop + step) * 0, **_with(dtype=dtype)).dtype
    return _equation(xp, "arange", given, infer_shapes("arange", "creation", [], given)[0], dtype, device)


def _equation(xp: Any, name: str, static: dict[str, Any], shape: tuple[int, ...], dtype: Any, device: Any) -> Any:
    ground = xp.ground
    if device is not None and device != ground.device:
        raise DeviceError(f"{name} on {device} is traced for {ground.device}: a program runs on one device")
    static = {**static, "dtype": xp.backend.dtype_name(dtype)}
    return ground.lift(ground.emit(name, "creation", [], static, [(shape, dtype)])[0])


def _filled(value: Any) -> Callable[..., Any]:
    def function(xp: Any, /, shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
        dtype = xp.ground.library.zeros((), **_with(dtype=dtype)).dtype
        return _traced_full(xp, shape, value, dtype=dtype, device=device)

    return function


def _traced_full(xp: Any, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    shape = (operator.index(shape),) if hasattr(shape, "__index__") else tuple(operator.index(n) for n in shape)
    if type(fill_value) is Array:
        return xp.broadcast_to(_traced_asarray(xp, fill_value, dtype=dtype, device=device), shape)
    dtype = xp.ground.library.full((), fill_value, **_with(dtype=dtype)).dtype
    kinds = {"bool": bool, "integral": int, "real floating": float, "complex floating": complex}
    value = next(kind for name, kind in kinds.items() if xp.ground.is_kind(dtype, name))(fill_value)
    return _equation(xp, "full", {"value": value, "shape": shape}, shape, dtype, device)


def _traced_full_like(xp: Any, x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    dtype = x.dtype if dtype is None else dtype
    return _traced_full(xp, tuple(x.shape), fill_value, dtype=dtype, device=device)


def _filled_like(value: Any) -> Callable[..., Any]:
    def function(xp: Any, x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
        return _traced_full_like(xp, x, value, dtype=dtype, device=device)

    return function


def _traced_asarray(xp: Any, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    if type(obj) is Array or isinstance(obj, (list, tuple)):
        return _asarray(xp, obj, dtype=dtype, device=device, copy=copy)
    if isinstance(obj, (bool, int, float, complex)) and not hasattr(obj, "shape"):
        made = xp.ground.library.asarray(obj, **_with(dtype=dtype))
        return xp.ground.lift(xp.ground.literal(obj, made.dtype))
    captured = xp.lift(obj) if xp.ground.is_own(obj) else xp.ground.lift(xp.ground.library.asarray(obj))
    return captured if dtype is None or captured.dtype == dtype else xp.astype(captured, dtype)


TRACED: dict[str, dict[str, Callable[..., Any]]] = {
    "": {
        "arange": _arange,
        "eye": _written("eye", names=("n_rows", "n_cols")),
        "linspace": _written("linspace", names=("start", "stop", "num")),
        **{name: _filled(value) for name, value in (("empty", 0), ("ones", 1), ("zeros", 0))},
        **{f"{name}_like": _filled_like(value) for name, value in (("empty", 0), ("ones", 1), ("zeros", 0))},
        "__array_namespace_info__": _info,
        "from_dlpack": _from_dlpack,
        "asarray": _traced_asarray,
        "full": _traced_full,
        "full_like": _traced_full_like,
    },
    "linalg": {},
    "fft": {name: _written(name, where="fft", names=("n",)) for name in ("fftfreq", "rfftfreq")},
    "special": {},
}
"""The same functions while a function is traced, where they are equations without operands."""

CREATION: dict[str, dict[str, Callable[..., Any]]] = {
    "": {
        **{name: _made(name) for name in ("arange", "empty", "eye", "linspace", "ones", "zeros")},
        "__array_namespace_info__": _info,
        **{name: _like(name) for name in ("empty_like", "ones_like", "zeros_like")},
        "asarray": _asarray,
        "from_dlpack": _from_dlpack,
        "full": _full,
        "full_like": _full_like,
    },
    "linalg": {},
    "fft": {name: _made(name, "fft") for name in ("fftfreq", "rfftfreq")},
    "special": {},
}
"""The functions of the main part of the standard, under "", and of each extension."""
