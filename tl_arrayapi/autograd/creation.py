"""The functions of the standard that make arrays: the library makes them, and they come back as constants.

What is made from an Array (``asarray`` of one, ``full`` of one) keeps its gradient.
"""

from collections.abc import Callable
from typing import Any

from tl_arrayapi.autograd.array import Array, StandIn, bottom

__all__ = ["CREATION"]


def _made(name: str, where: str = "") -> Callable[..., Any]:
    def function(xp: Any, /, *args: Any, **keywords: Any) -> Any:
        holder = getattr(xp.inner, where) if where else xp.ground.library
        return xp.ground.lift(getattr(holder, name)(*args, **keywords))

    function.__name__ = name
    return function


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
        if dtype is not None and obj.dtype != dtype:
            obj = xp.astype(obj, dtype)
        elif copy:
            obj = Array(obj.value, obj.level, obj.index)
        return obj if device is None else obj.to_device(device)
    if isinstance(obj, (list, tuple)) and _holds_array(obj):
        stacked = xp.stack([_asarray(xp, item, device=device) for item in obj])
        return stacked if dtype is None else xp.astype(stacked, dtype)
    keywords = {"dtype": dtype, "device": device, "copy": copy}
    made = xp.ground.library.asarray(obj, **{k: v for k, v in keywords.items() if v is not None})
    return xp.ground.lift(made)


def _holds_array(items: Any) -> bool:
    return any(type(x) is Array or (isinstance(x, (list, tuple)) and _holds_array(x)) for x in items)


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


CREATION: dict[str, dict[str, Callable[..., Any]]] = {
    "": {
        **{name: _made(name) for name in ("arange", "empty", "eye", "from_dlpack", "linspace", "ones", "zeros")},
        **{name: _like(name) for name in ("empty_like", "ones_like", "zeros_like")},
        "asarray": _asarray,
        "full": _full,
        "full_like": _full_like,
    },
    "linalg": {},
    "fft": {name: _made(name, "fft") for name in ("fftfreq", "rfftfreq")},
    "special": {},
}
"""The functions of the main part of the standard, under "", and of each extension."""
