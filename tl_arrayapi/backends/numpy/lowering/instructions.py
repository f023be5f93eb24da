"""Instructions: what NumPy is asked to do, one call each, on views whose memory is not yet placed."""

from dataclasses import dataclass, field
from typing import Any

from tl_arrayapi.backends.numpy.lowering.names import NAMES
from tl_arrayapi.backends.numpy.lowering.views import Root, View

__all__ = ["Instruction", "Selected"]


@dataclass(eq=False, slots=True)
class Instruction:
    """One call of NumPy.

    ``op`` says how it is written: ``ufunc`` (elementwise), ``copy`` (and cast), ``fill`` (with zeros), ``reduce``,
    ``dot``, ``matmul``, ``take``, ``scatter``, or ``call``, of any function, whose results are arrays of its own.
    ``name`` is the function's in the source, ``equation`` the place in the graph. ``shared`` results are written to by
    other instructions too, so that what they hold cannot be put there beforehand.
    """

    op: str
    name: str
    operands: tuple[View, ...]
    results: tuple[View, ...]
    equation: int
    static: tuple[tuple[str, Any], ...] = ()
    shared: bool = False

    @property
    def result(self) -> View:
        """The one result."""
        (only,) = self.results
        return only

    @property
    def elementwise(self) -> bool:
        """Whether element i of the result depends on elements i of the operands alone."""
        return self.op == "ufunc" or (self.op == "copy" and self.result.whole)

    def get(self, name: str) -> Any:
        """Return a static argument."""
        return dict(self.static).get(name)


@dataclass(slots=True)
class Selected:
    """A graph as instructions: what is given, the constants, the outputs as views, and what its source
    knows by which name.
    """

    given: list[Root]
    instructions: list[Instruction] = field(default_factory=list)
    outputs: list[View] = field(default_factory=list)
    functions: dict[str, Any] = field(default_factory=lambda: dict(NAMES))
