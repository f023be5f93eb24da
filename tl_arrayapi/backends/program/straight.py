"""Straight code: a graph written as the Python function that a person would write for it, one line an equation.

The function is compiled from source that a debugger can step through and that tracebacks show. It knows no library:
functions, numbers and dtypes come from a `Runtime`.
"""

import keyword
import linecache
import re
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

from tl_arrayapi.backends.program.program import Runtime
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var

__all__ = ["Straight"]

_RESERVED = {"program", "number", "dtype", "slice", "float", "complex"}
_OURS = re.compile(r"[vc]\d+")

_number_of_program = count()


class Straight:
    """The straight code of a graph: its ``source``, and the ``function`` compiled from that, from given values to the
    list of outputs as they are.

    Numbers are made once, outside of the function, or at each call where ``inside`` says so: for a library that is
    itself tracing when the function runs.

    >>> import numpy
    >>> x, y = Var(0, (2,), "float64"), Var(1, (2,), "float64")
    >>> double = Equation("multiply", "elementwise", (x, Literal(2.0, "float64")), (), (y,), "loss.py:3: y = 2 * x")
    >>> runtime = Runtime(lambda name: getattr(numpy, name), numpy.asarray, numpy.dtype)
    >>> code = Straight(Graph((x,), (), (double,), (y,)), runtime)
    >>> print(code.source)
    c0 = number(2.0, 'float64')
    <BLANKLINE>
    <BLANKLINE>
    def program(v0):
        v1 = multiply(v0, c0)  # loss.py:3: y = 2 * x
        return [v1]
    <BLANKLINE>
    >>> code.function(numpy.asarray([1.0, 3.0]))
    [array([2., 6.])]
    """

    def __init__(self, graph: Graph, runtime: Runtime, inside: bool = False) -> None:
        self.graph = graph
        self._runtime = runtime
        self._bound: dict[str, Any] = {"number": runtime.number, "dtype": runtime.dtype}
        self._functions: dict[str, str] = {}
        self._literals: dict[Literal, str] = {}
        self._dtypes: dict[str, str] = {}
        self.lines: dict[int, Equation] = {}
        """The equation of each line of the source, counted from 1."""
        self.source = self._written(inside)
        self.function = self._compiled()

    # ---- writing
    def _written(self, inside: bool) -> str:
        graph = self.graph
        body = [(self._line(equation), equation) for equation in graph.equations]
        outputs = ", ".join(map(self._atom, graph.outputs))
        made = [f"{name} = number({_shown(x.value)}, {x.dtype!r})" for x, name in self._literals.items()]
        made += [f"{name} = dtype({dtype!r})" for dtype, name in self._dtypes.items()]
        lines = [] if inside or not made else [*made, "", ""]
        lines.append(f"def program({', '.join(map(self._atom, graph.given))}):")
        if inside:
            lines += ["    " + line for line in made]
        for (text, equation), dead in zip(body, _deaths(graph), strict=True):
            lines.append("    " + text)
            self.lines[len(lines)] = equation
            if dead:
                lines.append(f"    del {', '.join(map(self._atom, dead))}")
        lines.append(f"    return [{outputs}]")
        return "\n".join(lines) + "\n"

    def _line(self, equation: Equation) -> str:
        results = ", ".join(map(self._atom, equation.results))
        static = dict(equation.static)
        if equation.kind == "reduction" and static.get("axis") == tuple(range(equation.operands[0].ndim)):
            static["axis"] = None  # some libraries reduce axes one by one where all are named
        arguments = [*map(self._atom, equation.operands), *(f"{k}={self._argument(k, v)}" for k, v in static.items())]
        comment = f"  # {' '.join(equation.line.split())}" if equation.line else ""
        return f"{results} = {self._function(equation.name)}({', '.join(arguments)}){comment}"

    def _atom(self, x: Atom) -> str:
        if isinstance(x, Var):
            return f"v{x.number}"
        return self._literals.setdefault(x, f"c{len(self._literals)}")

    def _argument(self, key: str, value: Any) -> str:
        if key == "dtype" and value is not None:
            return self._dtypes.setdefault(value, _name(value))
        return _shown(value)

    def _function(self, name: str) -> str:
        if name not in self._functions:
            short = self._functions[name] = _name(name)
            self._bound[short] = self._runtime.function(name)
        return self._functions[name]

    # ---- running
    def _compiled(self) -> Callable[..., list[Any]]:
        place = f"<program {next(_number_of_program)}>"
        # A size of time None: linecache then never looks for a file of this name.
        linecache.cache[place] = (len(self.source), None, self.source.splitlines(keepends=True), place)
        exec(compile(self.source, place, "exec"), self._bound)
        function: Callable[..., list[Any]] = self._bound["program"]
        weakref.finalize(function, linecache.cache.pop, place, None)
        return function

    def note(self, error: Exception) -> None:
        """Add to an error that came from the function which equation it was, and the user's line of that."""
        trace = error.__traceback__
        equation = None
        while trace is not None:
            if trace.tb_frame.f_code is self.function.__code__:
                equation = self.lines.get(trace.tb_lineno)
            trace = trace.tb_next
        if equation is not None:
            operands = ", ".join(f"{x.dtype}{list(x.shape)}" for x in equation.operands)
            error.add_note(f"in {equation.name}({operands})" + (f", at {equation.line}" if equation.line else ""))


def _name(name: str) -> str:
    plain = name.replace(".", "_")
    return plain + "_" if plain in _RESERVED or keyword.iskeyword(plain) or _OURS.fullmatch(plain) else plain


def _shown(value: Any) -> str:
    """Return Python for a static argument; infinities, NaN and the sign of a complex zero have no literals."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, slice):
        return f"slice({_shown(value.start)}, {_shown(value.stop)}, {_shown(value.step)})"
    if isinstance(value, complex):
        return f"complex({_shown(value.real)}, {_shown(value.imag)})"
    if isinstance(value, float) and value - value != 0:
        return f"float({str(value)!r})"
    return repr(value)


def _deaths(graph: Graph) -> list[list[Var]]:
    """Return for each equation the values that nothing reads after it, given ones excepted: the caller holds those."""
    last: dict[Var, int] = {}
    for i, equation in enumerate(graph.equations):
        for x in (*equation.results, *equation.operands):
            if isinstance(x, Var):
                last[x] = i
    kept = {*graph.given, *graph.outputs}
    dead: list[list[Var]] = [[] for _ in graph.equations]
    for x, i in last.items():
        if x not in kept:
            dead[i].append(x)
    return dead
