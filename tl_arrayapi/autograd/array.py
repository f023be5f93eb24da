"""Array, the value that everything here computes with, and `bind`, which runs one primitive at the right level.

An Array is (value, level, index): a value of the level below, the level that watches over it, and its place there
(None: nothing depends on it that is watched). It obeys the standard itself. This module knows neither what a level
does to an operation nor what a rule is.
"""

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from tl_arrayapi.autograd.debug import described_call
from tl_arrayapi.autograd.primitive import Primitive
from tl_arrayapi.autograd.source import user_line
from tl_arrayapi.errors import ShapeError, TraceError, WatchedError

__all__ = [
    "NO_STATIC",
    "Array",
    "Level",
    "StandIn",
    "bind",
    "bottom",
    "device_of",
    "fail",
    "held",
    "refuse_watched",
    "stripped",
    "watched",
]

NO_STATIC: dict[str, Any] = {}


class Level:
    """What is done to an operation: levels are numbered, and an operation runs at the highest level among its operands.

    ``functions`` maps primitives to the library's functions for as long as every value of this level is the library's
    own, and is None otherwise: what is in it needs no further dispatch. ``nodes`` receives what such an operation
    leaves behind.
    """

    __slots__ = ("functions", "ground", "namespace", "nodes", "number")

    watches: ClassVar[bool] = False
    """Whether an index says that a derivative depends on an array."""

    number: int
    namespace: Any
    ground: Any
    functions: dict[Primitive, Callable[..., Any]] | None
    nodes: list[Any]

    def process(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """Run ``primitive`` on operands of which at least one is of this level, and none of a higher one."""
        raise NotImplementedError

    def hold(self, array: Any) -> Any:
        """Return what to record of a plain ``array`` of the library that an operation meets: its holder may write to
        it.
        """
        return array

    def stop(self, array: "Array") -> "Array":
        """Return ``array`` cut off from all derivatives, those of the levels below among them."""
        return array

    def describe(self, array: "Array") -> str:
        """Say in a few words what this level does to ``array``, for its printed form."""
        return ""


class StandIn:
    """What stands under an Array in the place of the library's own array, where there is no single one: it has a shape,
    a dtype and a device, and no value to read. ``below`` is the array of the level below that it shows, if any.
    """

    __slots__ = ()

    below: Any = None
    weak: Any = None
    """The Python type of what is a number, and not an array, for whoever wrote it."""

    shape: Any
    dtype: Any
    device: Any
    __array__: Any


class Array:
    """An array of any Array API library, at a level of differentiation.

    Users do not make one: their functions receive it from `grad` and its relatives, and it behaves as the standard says
    an array does. What is written to one, by ``x[key] = value``, takes the place of its value as a whole: no other
    array changes, views of it among them, and gradients follow.

    >>> import numpy, tl_arrayapi as tl
    >>> tl.grad(lambda x: print(x) or x * x)(numpy.asarray(3.0))
    Array(array(3.), watched)
    array(6.)
    """

    __slots__ = ("index", "level", "value")
    # NumPy's operators then defer to ours, and its functions refuse an Array instead of reading it silently.
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any, level: Level, index: int | None = None) -> None:
        self.value = value
        self.level = level
        self.index = index

    # ---- attributes
    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Return the differentiable namespace of this array; with ``api_version``, if its library knows that
        version.
        """
        return self.level.namespace if api_version is None else self.level.namespace.at_version(api_version)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.value.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.value.shape)

    @property
    def dtype(self) -> Any:
        """The library's dtype."""
        return self.value.dtype

    @property
    def device(self) -> Any:
        """The library's device."""
        return device_of(self, self.level.namespace.backend)

    @property
    def T(self) -> "Array":  # noqa: N802  (the standard's name)
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ShapeError(f".T takes an array of two axes; got shape {self.shape}: use .mT or xp.permute_dims")
        return self.mT

    @property
    def mT(self) -> "Array":  # noqa: N802  (the standard's name)
        """The array with its last two axes exchanged."""
        transposed: Array = self.level.namespace.matrix_transpose(self)
        return transposed

    def to_device(self, device: Any, /, *, stream: Any = None) -> "Array":
        """Return this array on ``device``; a watched array can only stay where it is."""
        if device == self.device:
            return self
        refuse_watched(self, "to_device")
        if isinstance(bottom(self), StandIn):
            raise TraceError(
                f"an array without a value of its own stays on {self.device}, under vmap and while it is traced "
                f"({user_line()}): move it outside"
            )
        moved = self.level.namespace.backend.to_device(bottom(self), device)
        return Array(moved, self.level.namespace.ground)

    # ---- leaving the trace
    def __bool__(self) -> bool:
        return bool(bottom(self))

    def __int__(self) -> int:
        return int(bottom(self))

    def __index__(self) -> int:
        return operator.index(bottom(self))

    def __float__(self) -> float:
        refuse_watched(self, "float()")
        return float(bottom(self))

    def __complex__(self) -> complex:
        refuse_watched(self, "complex()")
        return complex(bottom(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return a constant as a NumPy array; a watched array is refused."""
        refuse_watched(self, "a NumPy function or numpy.asarray")
        value = bottom(self)
        host = value.__array__() if isinstance(value, StandIn) else self.level.namespace.backend.to_host(value)
        if dtype is not None and host.dtype != dtype:
            return host.astype(dtype)
        # NumPy takes the promise of a copy at its word, and writes to what it is given.
        return host.copy() if copy else host

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Export a constant; a watched array is refused."""
        refuse_watched(self, "DLPack")
        asked = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        # NumPy's scalars have no DLPack.
        array = self.level.namespace.ground.library.asarray(bottom(self))
        return array.__dlpack__(**{name: value for name, value in asked.items() if value is not None})

    def __dlpack_device__(self) -> tuple[Any, int]:
        """Return the DLPack device of the innermost array."""
        device: tuple[Any, int] = self.level.namespace.ground.library.asarray(bottom(self)).__dlpack_device__()
        return device

    def __deepcopy__(self, memo: dict[int, Any]) -> "Array":
        """Return an Array that writes to this one do not reach, at the same level: what is recorded is not copied."""
        return Array(self.value, self.level, self.index)

    def __repr__(self) -> str:
        note = self.level.describe(self)
        return f"Array({self.value!r}{', ' + note if note else ''})"

    # ---- a sequence of its first axis
    def __len__(self) -> int:
        if not self.value.shape:
            raise TypeError("len() of a 0-d array: it has no axes")
        return int(self.value.shape[0])

    def __iter__(self) -> Iterator["Array"]:
        if not self.value.shape:
            raise TypeError("iteration over a 0-d array: it has no axes")
        return (self[i, ...] for i in range(len(self)))

    def __getitem__(self, key: Any) -> "Array":
        item: Array = self.level.namespace.getitem(self, key)
        return item

    def __setitem__(self, key: Any, value: Any) -> None:
        # A new value takes the place of the old one: what was recorded of that stays as it was.
        written = self.level.namespace.setitem(self, key, value)
        self.value, self.level, self.index = written.value, written.level, written.index


def bottom(x: Any) -> Any:
    """Return the library's own array under all the levels of ``x``."""
    while type(x) is Array:
        x = x.value
    return x


def stripped(x: Any) -> Any:
    """Return what is in a constant, whatever its level, and anything else as it is."""
    while type(x) is Array and x.index is None:
        x = x.value
    return x


def held(x: Any) -> Any:
    """Return ``x`` as it is now: what is written to an Array later does not show."""
    return Array(x.value, x.level, x.index) if type(x) is Array else x


def device_of(x: Any, backend: Any) -> Any:
    """Return the device of an Array or of an array of ``backend``'s library."""
    value = bottom(x)
    return value.device if isinstance(value, StandIn) else backend.device_of(value)


def watched(x: Any) -> bool:
    """Say whether a derivative depends on ``x``."""
    while type(x) is Array:
        if x.index is not None and x.level.watches:
            return True
        x = x.value
        if isinstance(x, StandIn):
            x = x.below
    return False


def refuse_watched(array: Array, asked: str) -> None:
    """Raise where ``array`` is watched: its gradient would be lost without a word."""
    if watched(array):
        raise WatchedError(
            f"{asked} would take an array of shape {array.shape} out of its gradient ({user_line()}). "
            "Compute with the functions of tl.array_namespace(x), or write tl.stop_gradient(x) to leave its gradient "
            "out on purpose"
        )


def bind(primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any], default: Level | None = None) -> Any:
    """Run ``primitive`` at the highest level among its operands, or at ``default`` where none of them has one.

    Operands are Arrays, arrays of the library, Python numbers (they become 0-d arrays of their neighbours' dtype) or
    None.
    """
    top = default
    for x in operands:
        if type(x) is Array and (top is None or x.level.number > top.number):
            top = x.level
    assert top is not None  # the callers have an Array, or a namespace with its ground
    lifted = top.ground.lift_operands(primitive, operands)
    if top.watches:
        lifted = tuple(
            [y if type(x) is Array or y is not x else top.hold(x) for x, y in zip(operands, lifted, strict=True)]
        )
    return top.process(primitive, lifted, static)


def fail(primitive: Primitive, operands: tuple[Any, ...], error: Exception) -> None:
    """Add to a library's own error what was computed, and the user's line."""
    line = user_line()
    error.add_note(f"in {described_call(primitive, operands)}" + (f", at {line}" if line else ""))
