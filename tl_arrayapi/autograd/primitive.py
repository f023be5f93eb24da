"""The table of primitives: functions of the standard, each under its own name with its derivative rules.

A rule is called as ``rule(xp, g, out, *operands, **static)`` and returns the cotangent of one operand, linear in
``g`` and without conjugation. ``xp`` is the library itself when a first-order gradient runs, and a differentiable
namespace when the gradient is itself differentiated or traced. A rule need not undo broadcasting, nor restore a
dtype: the tape does both, in one place.

This module knows the table and nothing of arrays, levels or libraries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["PRIMITIVES", "Kind", "Primitive", "Rule", "define"]

Rule = Callable[..., Any]


class Kind(Enum):
    """What sort of function a primitive is: batching, shapes and fusion follow from it."""

    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    SCAN = "scan"
    MOVEMENT = "movement"
    CONTRACTION = "contraction"
    INDEXING = "indexing"
    CAST = "cast"
    MATRIX = "matrix"
    TRANSFORM = "transform"
    OPAQUE = "opaque"


@dataclass(frozen=True, eq=False, slots=True)
class Primitive:
    """One function of the standard and everything that the engine knows about it.

    ``vjps`` has one rule an operand (None: no gradient flows there). ``gather`` marks a function that takes one
    sequence of arrays, and has one rule that returns all their cotangents. ``positional`` names the static arguments
    that callers may pass by position. ``where`` is the sub-namespace that the function lives in, if any; a function
    that is not in the standard has ``public`` False. ``result`` is the named tuple that a function of several results
    returns; ``joint`` are then its rules, one an operand, which are given that tuple of results as ``out`` and of
    cotangents as ``g``, None for a result that nothing depends on.
    """

    name: str
    kind: Kind
    vjps: tuple[Rule | None, ...] = ()
    operands: int = 1
    positional: tuple[str, ...] = ()
    gather: Rule | None = None
    zero_gradient: bool = False
    where: str = ""
    public: bool = True
    result: type | None = None
    joint: tuple[Rule | None, ...] = ()

    @property
    def differentiable(self) -> bool:
        """Whether a gradient flows through, or is declared to be zero."""
        return self.zero_gradient or self.gather is not None or bool(self.vjps) or bool(self.joint)

    def __repr__(self) -> str:
        return f"<Primitive {self.where + '.' if self.where else ''}{self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _find, (self.where, self.name)


PRIMITIVES: dict[tuple[str, str], Primitive] = {}


def _find(where: str, name: str) -> Primitive:
    return PRIMITIVES[where, name]


def define(
    name: str,
    kind: Kind,
    *vjps: Rule | None,
    operands: int | None = None,
    positional: tuple[str, ...] = (),
    gather: Rule | None = None,
    zero_gradient: bool = False,
    where: str = "",
    public: bool = True,
    result: type | None = None,
) -> Primitive:
    """Add a primitive to the table, and return it.

    A name that is there already is refused. The number of operands is the number of rules, unless given.

    >>> from tl_arrayapi.autograd.primitive import PRIMITIVES
    >>> PRIMITIVES["", "multiply"].operands
    2
    """
    if (where, name) in PRIMITIVES:
        raise ValueError(f"the primitive {name!r} is defined already: give it another name, or change its definition")
    count = len(vjps) if operands is None else operands
    single, joint = (vjps, ()) if result is None else ((), vjps)
    primitive = Primitive(
        name, kind, single, count, positional, gather, zero_gradient, where, public, result=result, joint=joint
    )
    PRIMITIVES[where, name] = primitive
    return primitive
