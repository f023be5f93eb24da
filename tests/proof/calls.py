"""What an entry of the catalogue is: a function of the standard, and how to draw valid calls of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.proof.shapes import LAYOUTS, Draw, layouts_of

__all__ = [
    "ALL",
    "COMPLEX",
    "FLOATING",
    "INTEGERS",
    "NUMERIC",
    "REAL",
    "REAL_NUMERIC",
    "Call",
    "Function",
    "Holds",
    "called",
    "calls",
    "find",
    "joined",
    "outputs",
]

Host = np.ndarray[Any, Any]

REAL = ("float64", "float32")
COMPLEX = ("complex128", "complex64")
INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")
FLOATING = REAL + COMPLEX
REAL_NUMERIC = REAL + INTEGERS
NUMERIC = FLOATING + INTEGERS
ALL = (*NUMERIC, "bool")


class Holds(Enum):
    """What is promised of a function's derivative."""

    DIFFERENTIABLE = "differentiable"
    ZERO = "zero gradient"
    CONSTANT = "no operand to differentiate"


@dataclass(frozen=True)
class Call:
    """One call: host operands, of which the floating ones are watched, and ``run(xp, *operands)``.

    ``observed`` makes of the results what a derivative is asked of, where they themselves are determined only up to
    signs or phases.
    """

    text: str
    operands: tuple[Host, ...]
    run: Callable[..., Any]
    observed: Callable[..., Any] | None = None
    layout: str = LAYOUTS[0]

    def __repr__(self) -> str:
        return self.text

    @property
    def watched(self) -> tuple[int, ...]:
        """The places of the operands that can have a gradient."""
        return tuple(i for i, x in enumerate(self.operands) if x.dtype.kind in "fc")

    def observe(self, xp: Any, *operands: Any) -> list[Any]:
        """Return the arrays whose derivatives are meant."""
        found = self.run(xp, *operands)
        return outputs(found if self.observed is None else self.observed(xp, found))

    def example(self, k: int) -> tuple[Host, ...]:
        """Return operands of the same shapes and inside of the same domain: another example for each ``k``."""
        return tuple(_varied(x, k) for x in self.operands)


@dataclass(frozen=True)
class Function:
    """One function of the standard: how to draw a call of it, for which dtypes, and what is promised.

    ``oracle`` names the library whose own gradients ours are held against, "" where neither has them; ``maps`` is False
    where there is no map over examples, because a result's shape depends on values, and None where nothing could be
    mapped. ``mended`` names the libraries whose own function does not do what the standard says, where ours does, and
    ``refused`` those that cannot do it at all. ``note`` is for the page.
    """

    name: str
    draw: Callable[[Draw], Call]
    dtypes: tuple[str, ...]
    holds: Holds = Holds.DIFFERENTIABLE
    note: str = ""
    oracle: str = "torch"
    maps: bool | None = True
    mended: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def floating(self) -> tuple[str, ...]:
        """The dtypes for which gradients are asked."""
        return tuple(name for name in self.dtypes if name in FLOATING)


@st.composite
def calls(draw: Any, function: Function, dtype: str, library: str) -> Call:
    """Draw a call of ``function`` with operands of ``dtype``, that lie in memory as those of ``library`` can."""
    call = function.draw(Draw(draw, dtype))
    layout = draw(st.sampled_from(layouts_of(library)))
    return Call(f"{call.text} [{dtype}, {layout}]", call.operands, call.run, call.observed, layout)


def _varied(x: Host, k: int) -> Host:
    if x.dtype.kind in "fc":
        return np.asarray(x * (1 - k / 10), dtype=x.dtype)
    return np.flip(x) if k % 2 else x


def find(xp: Any, name: str) -> Any:
    """Return the function of that name, which may be one of an extension: ``"linalg.det"``."""
    return reduce(getattr, name.split("."), xp)


def called(name: str, operands: tuple[Host, ...], *more: Any, observed: Any = None, **static: Any) -> Call:
    """Return the call ``name(*operands, *more, **static)``."""
    return Call(
        _text(name, operands, *more, **static),
        operands,
        lambda xp, *arrays: find(xp, name)(*arrays, *more, **static),
        observed,
    )


def joined(name: str, operands: tuple[Host, ...], **static: Any) -> Call:
    """Return the call ``name([*operands], **static)``."""
    return Call(_text(name, operands, **static), operands, lambda xp, *arrays: find(xp, name)(list(arrays), **static))


def _text(name: str, operands: tuple[Host, ...], *more: Any, **static: Any) -> str:
    parts = [str(x.shape) for x in operands] + [repr(x) for x in more] + [f"{k}={v!r}" for k, v in static.items()]
    return f"{name}({', '.join(parts)})"


def outputs(found: Any) -> list[Any]:
    """Return the results of a call as a list."""
    return list(found) if isinstance(found, tuple | list) else [found]
