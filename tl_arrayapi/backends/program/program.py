"""Programs: what a backend makes of a graph, and what it takes for that from whoever asks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tl_arrayapi.graph.graph import Graph

__all__ = ["Program", "Report", "Runtime", "Step"]


@dataclass(frozen=True)
class Runtime:
    """The functions of one library, as the equations of a graph name them.

    ``function(name)`` is the library's function, which takes operands by position and static arguments by keyword;
    ``number(value, dtype)`` a number as a 0-d array on ``device``, and ``dtype(name)`` a dtype. With ``fast`` False no
    compiler of the library's own is used: the program runs the same functions in the same order as eager.
    ``elsewhere(namespace)`` is the same of another library, whose arrays are the chunks of this one's, say; it can be
    pickled.
    """

    function: Callable[[str], Callable[..., Any]]
    number: Callable[[Any, str], Any]
    dtype: Callable[[str], Any]
    device: Any = None
    fast: bool = True
    elsewhere: "Callable[[Any], Runtime] | None" = None


class Step(NamedTuple):
    """One step of a program: what it is, the numbers of the equations that it computes, and the users' lines."""

    what: str
    equations: tuple[int, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What a lowering made of a graph: its steps in order, how many buffers it keeps for workspace, and their bytes;
    ``notes`` are what else there is to say.
    """

    steps: tuple[Step, ...]
    buffers: int = 0
    workspace_bytes: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of_one_step(cls, what: str, graph: Graph) -> "Report":
        """Return the report of a program that is one step, whatever is fused in it."""
        lines = tuple(dict.fromkeys(equation.line for equation in graph.equations if equation.line))
        return cls((Step(what, tuple(range(len(graph.equations))), lines),))


class Program(ABC):
    """A graph as something to call, with arrays of exactly the graph's shapes and dtypes.

    Outputs are arrays of the caller's own: they share memory with nothing given, with no workspace, and not with one
    another. A program is thread-safe and re-entrant.
    """

    graph: Graph
    source: str
    """What runs, to be read."""

    @property
    def compilations(self) -> int:
        """How many times the library's own compiler ran for it: not at all, by default."""
        return 0

    @abstractmethod
    def __call__(self, *given: Any) -> list[Any]:
        """Return the outputs for ``given``: the graph's inputs, then what it captured."""

    def bind(self, fixed: Mapping[int, Any], outs: Mapping[int, Any]) -> Callable[..., list[Any]]:
        """Return the program with the given arrays of ``fixed`` in their places, by position, to be called with the
        others in their order.

        The outputs at the positions of ``outs`` are written to these arrays, which are returned; all others are fresh.
        Whoever binds calls the result from one thread at a time.
        """
        free = [i for i in range(len(self.graph.given)) if i not in fixed]
        places = [fixed.get(i) for i in range(len(self.graph.given))]

        def bound(*rest: Any) -> list[Any]:
            given = places.copy()
            for i, x in zip(free, rest, strict=True):
                given[i] = x
            outputs = self(*given)
            for i, out in outs.items():
                out[...] = outputs[i]
                outputs[i] = out
            return outputs

        return bound

    def donating(self, positions: Iterable[int]) -> Callable[..., list[Any]]:
        """Return the program as one that may destroy the given arrays at ``positions`` to reuse their memory.

        The caller must be the only one to hold them, and may not read them again. Here they are left alone.
        """
        return self

    @abstractmethod
    def report(self) -> Report:
        """Return what became of each equation."""
