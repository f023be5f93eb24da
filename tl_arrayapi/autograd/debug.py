"""`debug_nans`: find the operation that made a NaN or an infinity, forwards or backwards.

While it is on, every operation takes the long way, down to the ground, where its result is looked at.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tl_arrayapi.autograd.primitive import Primitive
from tl_arrayapi.autograd.source import user_line
from tl_arrayapi.errors import NonFiniteError

__all__ = ["debug_nans", "described_call", "is_debugging", "look", "replay"]

_DEBUGGING: ContextVar[tuple[str, ...]] = ContextVar("debugging", default=())
_REPLAYED: ContextVar[str] = ContextVar("replayed", default="")

is_debugging = _DEBUGGING.get
"""Say whether results are looked at: return what for, which is nothing if they are not."""


@contextmanager
def debug_nans(*, infinities: bool = True) -> Iterator[None]:
    """Raise `NonFiniteError` at the first operation in this thread that makes a NaN, or an infinity, of operands that
    have none; with ``infinities`` False, at the first that makes a NaN.

    The error names the operation, its operands' dtypes and shapes, and the user's line; backwards, the operation whose
    derivative it is, and the line of that. What a user puts in is no operation: constants such as ``xp.inf`` may be
    used. A branch that ``where`` does not take is looked at, too. Every operation is slower, and a lazy library
    computes each result at once.

    >>> import numpy, tl_arrayapi as tl
    >>> def loss(x):
    ...     return tl.array_namespace(x).sum(tl.array_namespace(x).log(x))
    >>> with numpy.errstate(all="ignore"), tl.debug_nans():
    ...     tl.grad(loss)(numpy.asarray([1.0, 0.0]))
    Traceback (most recent call last):
        ...
    tl_arrayapi.errors.NonFiniteError: log(float64[2]) made 1 infinity of 2 elements...
    """
    token = _DEBUGGING.set(("isnan", "isinf") if infinities else ("isnan",))
    try:
        yield
    finally:
        _DEBUGGING.reset(token)


@contextmanager
def replay() -> Iterator[Callable[[Primitive, tuple[Any, ...], str], None]]:
    """Yield a function to say what is being differentiated: ``(primitive, operands, line)``."""
    token = _REPLAYED.set("")
    try:
        yield _note_replayed
    finally:
        _REPLAYED.reset(token)


def _note_replayed(primitive: Primitive, operands: tuple[Any, ...], line: str) -> None:
    _REPLAYED.set(f"in the derivative of {described_call(primitive, operands)}" + (f", at {line}" if line else ""))


def described_call(primitive: Primitive, operands: tuple[Any, ...]) -> str:
    """Return an operation as errors quote it.

    >>> import numpy
    >>> from tl_arrayapi.autograd.primitive import PRIMITIVES
    >>> described_call(PRIMITIVES["", "add"], (numpy.ones(3), 2.0))
    'add(float64[3], 2.0)'
    """
    shown = ", ".join(
        f"{str(x.dtype).rpartition('.')[2]}{list(x.shape)}" if hasattr(x, "shape") else repr(x) for x in operands
    )
    return f"{primitive.name}({shown})"


def look(primitive: Primitive, operands: tuple[Any, ...], out: Any, ground: Any) -> None:
    """Raise where ``out``, of the library's own arrays, has a NaN or an infinity that no operand has."""
    names = _DEBUGGING.get()
    for part in out if isinstance(out, (tuple, list)) else (out,):
        for i, name in enumerate(names):
            count = _count(part, name, ground)
            # An infinity made of a NaN, or of another infinity, has its cause before; a NaN made of infinities has not.
            if count and not any(_count(x, cause, ground) for x in operands for cause in names[: i + 1]):
                what = {"isnan": "NaN", "isinf": "infinity" if count == 1 else "infinities"}[name]
                size = 1
                for n in part.shape:
                    size *= n
                where = _REPLAYED.get() or (f"at {line}" if (line := user_line()) else "in this program")
                raise NonFiniteError(
                    f"{described_call(primitive, operands)} made {count} {what} of {size} elements, {where}"
                )


def _count(x: Any, name: str, ground: Any) -> int:
    if not hasattr(x, "dtype") or not ground.is_inexact(x.dtype):
        return 0
    library = ground.library
    found = getattr(library, name)(x)
    return int(library.sum(library.astype(found, library.int32)))
