"""What a module asks of parameters and inputs before anything runs: number, library, dtype, device and shape, each
error naming which.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tl_arrayapi import backends
from tl_arrayapi.autograd.array import Array
from tl_arrayapi.autograd.namespace import Namespace, namespace_of_type
from tl_arrayapi.errors import DeviceError, DTypeError, ShapeError, StructureError

__all__ = ["Signature", "Slot", "as_shapes", "check_count", "converted", "listed", "read_signature"]

_Shape = tuple[int | None, ...]


class Signature:
    """The names of a loss's positional arguments, how many of them it must be given, and whether it takes a ``key``."""

    __slots__ = ("names", "required", "takes_key")

    def __init__(self, names: tuple[str, ...] | None, required: int, takes_key: bool) -> None:
        self.names = names
        self.required = required
        self.takes_key = takes_key

    def input_name(self, place: int, parameters: int) -> str:
        """Return how an error calls the input at ``place``."""
        named = self.names is not None and parameters + place < len(self.names)
        return f'input {place} ("{self.names[parameters + place]}")' if named and self.names else f"input {place}"


def read_signature(loss: Callable[..., Any]) -> Signature:
    """Read the signature of a loss; names are None where it takes any number of arguments, or tells nothing."""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return Signature(None, 0, False)
    takes_key = any(p.name == "key" and p.kind is p.KEYWORD_ONLY for p in parameters)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    required = sum(p.default is p.empty for p in positional)
    return Signature(None if variadic else tuple(p.name for p in positional), required, takes_key)


def listed(values: Any, what: str) -> tuple[Any, ...]:
    """Return a list, or any other iterable but a string, a mapping and an array, as a tuple.

    >>> listed([1, 2], "flags")
    (1, 2)
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping) or hasattr(values, "shape"):
        raise StructureError(f"{what} must be a list with an entry for each; got {_kind(values)}")
    return tuple(values)


def _kind(value: Any) -> str:
    return f"an array of shape {tuple(value.shape)}" if hasattr(value, "shape") else f"a {type(value).__name__}"


def as_shapes(shapes: Sequence[Any], what: str, free: bool) -> tuple[_Shape, ...]:
    """Return ``shapes`` as tuples of integers, with None allowed where ``free``."""
    found = []
    for i, shape in enumerate(listed(shapes, what)):
        lengths: list[int | None] = []
        for n in (shape,) if isinstance(shape, int) else listed(shape, f"{what}[{i}]"):
            if n is None and free:
                lengths.append(None)
            elif isinstance(n, bool) or not hasattr(n, "__index__") or n.__index__() < 0:
                raise ShapeError(
                    f"{what}[{i}] is {shape!r}: a tuple of lengths of at least 0 is "
                    f"expected{', None where free' if free else ''}"
                )
            else:
                lengths.append(n.__index__())
        found.append(tuple(lengths))
    return tuple(found)


class Slot:
    """One place for an array: its name in errors, and what may go there. ``dtype`` holds for floating arrays alone."""

    __slots__ = ("device", "dtype", "name", "shape", "xp")

    def __init__(self, name: str, shape: _Shape | None, xp: Namespace, dtype: Any, device: Any) -> None:
        self.name = name
        self.shape = shape
        self.xp = xp
        self.dtype = dtype
        self.device = device

    def check(self, x: Any, *, integers: bool) -> None:
        """Raise where ``x`` may not go here; with ``integers``, arrays of integers and booleans may."""
        ground = self.xp.ground
        if type(x) not in ground.plain:
            self._check_type(x)
        dtype = x.dtype
        if dtype is not self.dtype and dtype != self.dtype:
            self._check_dtype(dtype, integers)
        if self.device is not None and (device := self.xp.backend.device_of(x)) != self.device:
            raise DeviceError(
                f"{self.name} must be on device {self.device}; got {device}: move it, for instance with module.asarrays"
            )
        shape = self.shape
        if shape is not None and x.shape != shape and not _fits(tuple(x.shape), shape):
            raise ShapeError(f"{self.name} must have shape {_shown(shape)}; got {tuple(x.shape)}")

    def _check_type(self, x: Any) -> None:
        if type(x) is Array:
            raise DTypeError(
                f"{self.name} is watched by a transform: a module runs by itself, differentiate its loss instead"
            )
        self.xp.ground.check_type(x, self.name)

    def _check_dtype(self, dtype: Any, integers: bool) -> None:
        if integers and self.xp.ground.is_kind(dtype, ("integral", "bool")):
            return
        name = self.xp.backend.dtype_name
        raise DTypeError(
            f"{self.name} must be {name(self.dtype)}; got {name(dtype)}: convert it, for instance with module.asarrays"
        )


def _fits(shape: tuple[Any, ...], wanted: _Shape) -> bool:
    # An unknown length (NaN on a lazy array) differs from every number, itself included.
    return len(shape) == len(wanted) and all(m is None or n == m for n, m in zip(shape, wanted, strict=True))


def _shown(shape: _Shape) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def check_count(given: Any, wanted: int, what: str) -> Sequence[Any]:
    """Return ``given`` where it is a tuple or list of ``wanted`` entries, and raise otherwise."""
    if not isinstance(given, (tuple, list)):
        raise StructureError(f"{what} must come in one tuple or list of {wanted}; got a {type(given).__name__}")
    if len(given) != wanted:
        raise StructureError(f"{wanted} {what} are expected; got {len(given)}")
    return given


def converted(x: Any, xp: Namespace, dtype: str, device: Any) -> Any:
    """Return an input as an array of ``xp``'s library on ``device``, of the dtype of that name where it is floating.

    It is an array of any library, or nested lists of numbers.
    """
    host, backend = backends.get(None), xp.backend
    found = namespace_of_type(x)
    if found is xp:
        kept = not xp.ground.is_inexact(x.dtype) or backend.dtype_name(x.dtype) == dtype
        array = x if kept else backend.namespace.astype(x, backend.dtype(dtype))
        return array if device is None else backend.to_device(array, device)
    try:
        values = host.namespace.asarray(x) if found is None else found.backend.to_host(x)
    except (TypeError, ValueError) as error:
        raise DTypeError(f"an input must be an array or nested lists of numbers of one shape ({error})") from error
    floating = host.namespace.isdtype(values.dtype, ("real floating", "complex floating"))
    return backend.from_host(values, dtype if floating else host.dtype_name(values.dtype), device)
