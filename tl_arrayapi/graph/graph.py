"""Graph: a program on arrays as typed equations, what its tracing leaves behind and what every pass takes and returns.

A value is a `Var`, of one shape and dtype and made once, or a `Literal`, a number. An equation applies a function of
the standard, under its own name, to values. Everything is frozen, plain data: a graph can be compared, pickled and
printed, and knows no library, no level and no rule.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Atom", "Builder", "Equation", "Graph", "Literal", "Var", "frozen"]


@dataclass(frozen=True, slots=True)
class Var:
    """A value that an equation makes, or that the caller gives: its number in the graph, shape and dtype's name."""

    number: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """The number of elements."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"%{self.number}"


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A number in the program, as a 0-d array of a dtype.

    >>> Literal(0.0, "float32") == Literal(-0.0, "float32")
    False
    """

    value: bool | int | float | complex
    dtype: str

    shape: tuple[()] = field(default=(), init=False, repr=False)
    size: int = field(default=1, init=False, repr=False)
    ndim: int = field(default=0, init=False, repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """What equal literals have in common: 0.0 and -0.0 are two, and NaN equals itself."""
        return repr(self.value), self.dtype

    def __eq__(self, other: object) -> bool:
        return type(other) is Literal and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"{self.value!r}:{self.dtype}"


Atom = Var | Literal


def frozen(static: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return static arguments as an equation keeps them, in the order of their names."""
    return tuple(sorted(static.items()))


@dataclass(frozen=True, slots=True)
class Equation:
    """``results = name(*operands, **static)``.

    ``name`` is that of a primitive, with its extension in front (``"linalg.cholesky"``), or of a function that makes an
    array of static arguments alone: ``full``, ``arange``, ``linspace``, ``eye``, ``fft.fftfreq``, ``fft.rfftfreq``.
    ``kind`` is the primitive's kind, or ``"creation"``. Static arguments are numbers, names, None, and tuples and
    slices of them; a dtype goes by its name, under the keyword ``dtype``. ``line`` is the user's, in ``file:line:
    code``. Equations of different ``scope`` are never made one: what is computed again to save memory stays computed
    again.
    """

    name: str
    kind: str
    operands: tuple[Atom, ...]
    static: tuple[tuple[str, Any], ...]
    results: tuple[Var, ...]
    line: str = ""
    scope: int = 0

    @property
    def result(self) -> Var:
        """The one result."""
        (only,) = self.results
        return only

    @property
    def arguments(self) -> dict[str, Any]:
        """The static arguments by name."""
        return dict(self.static)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the static argument of that name."""
        for key, value in self.static:
            if key == name:
                return value
        return default

    def __repr__(self) -> str:
        shown = [*map(repr, self.operands), *(f"{key}={value!r}" for key, value in self.static)]
        made = ", ".join(f"{v!r}: {v.dtype}{list(v.shape)}" for v in self.results)
        return f"{made} = {self.name}({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Graph:
    """A program: ``inputs`` are what the caller gives, ``captured`` what the function found outside of its arguments,
    and ``outputs`` what it returns, each a value.

    >>> x = Var(0, (3,), "float32")
    >>> doubled = Equation("add", "elementwise", (x, x), (), (Var(1, (3,), "float32"),))
    >>> Graph((x,), (), (doubled,), doubled.results)
    Graph of 1 equation, 1 input, 1 output
    """

    inputs: tuple[Var, ...]
    captured: tuple[Var, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]

    @property
    def given(self) -> tuple[Var, ...]:
        """All values that come from outside: inputs, then captured ones."""
        return self.inputs + self.captured

    @property
    def makers(self) -> dict[Var, Equation]:
        """The equation that makes each value."""
        return {v: equation for equation in self.equations for v in equation.results}

    @property
    def users(self) -> dict[Var, list[Equation]]:
        """The equations that read each value, once for each operand; those that nothing reads have an empty list."""
        found: dict[Var, list[Equation]] = {v: [] for v in self.values()}
        for equation in self.equations:
            for x in equation.operands:
                if type(x) is Var:
                    found[x].append(equation)
        return found

    def values(self) -> Iterator[Var]:
        """Yield every value, in the order in which they are made."""
        yield from self.given
        for equation in self.equations:
            yield from equation.results

    @property
    def next_number(self) -> int:
        """A number that no value has, nor any above it."""
        return 1 + max((v.number for v in self.values()), default=-1)

    def with_equations(self, equations: Iterable[Equation], replaced: Mapping[Var, Atom] | None = None) -> "Graph":
        """Return the graph with other equations, and with outputs ``replaced`` where they are."""
        outputs = self.outputs if not replaced else tuple(_final(x, replaced) for x in self.outputs)
        return replace(self, equations=tuple(equations), outputs=outputs)

    def __repr__(self) -> str:
        counts = ((len(self.equations), "equation"), (len(self.given), "input"), (len(self.outputs), "output"))
        return "Graph of " + ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts)


def _final(x: Atom, replaced: Mapping[Var, Atom]) -> Atom:
    while type(x) is Var and x in replaced:
        x = replaced[x]
    return x


class Builder:
    """Write the equations of a new graph, one after another, starting from an old one: what most passes do.

    `keep` copies an equation, with operands replaced where others stand for them; `emit` makes a new one. A pass that
    finds another value for a result calls `replace` instead of `keep`.

    >>> x = Var(0, (3,), "float32")
    >>> double = Equation("add", "elementwise", (x, x), (), (Var(1, (3,), "float32"),))
    >>> build = Builder(Graph((x,), (), (double,), double.results))
    >>> for equation in build.graph.equations:
    ...     build.replace(equation.result, build.emit("multiply", "elementwise", (x, Literal(2.0, "float32")), (3,)))
    >>> build.done().equations
    (%2: float32[3] = multiply(%0, 2.0:float32),)
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.equations: list[Equation] = []
        self.replaced: dict[Var, Atom] = {}
        self.makers: dict[Var, Equation] = {}
        """The equation that makes each value written so far."""
        self._number = graph.next_number

    def now(self, x: Atom) -> Atom:
        """Return what stands for ``x`` in the new graph."""
        return _final(x, self.replaced)

    def operands(self, equation: Equation) -> tuple[Atom, ...]:
        """Return the operands of an equation of the old graph, as they are in the new one."""
        return tuple([self.now(x) for x in equation.operands])

    def keep(self, equation: Equation) -> Equation:
        """Write an equation of the old graph, its operands brought up to date; return what was written."""
        operands = self.operands(equation)
        return self.write(equation if operands == equation.operands else replace(equation, operands=operands))

    def write(self, equation: Equation) -> Equation:
        """Write an equation as it is."""
        self.equations.append(equation)
        for v in equation.results:
            self.makers[v] = equation
        return equation

    def emit(
        self,
        name: str,
        kind: str,
        operands: Sequence[Atom],
        result_shape: Sequence[int],
        /,
        result_dtype: str | None = None,
        like: Equation | None = None,
        **static: Any,
    ) -> Var:
        """Write a new equation of one result, and return that.

        The dtype of the result is ``result_dtype``, or that of the first operand; line and scope are those of ``like``.
        """
        found = operands[0].dtype if result_dtype is None else result_dtype
        result = Var(self._number, tuple(result_shape), found)
        self._number += 1
        line, scope = ("", 0) if like is None else (like.line, like.scope)
        self.write(Equation(name, kind, tuple(operands), frozen(static), (result,), line, scope))
        return result

    def replace(self, old: Var, new: Atom) -> None:
        """Have ``new`` stand for ``old`` from here on."""
        if self.now(new) != old:
            self.replaced[old] = new

    def done(self) -> Graph:
        """Return the graph written."""
        return self.graph.with_equations(self.equations, self.replaced)
