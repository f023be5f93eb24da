"""A graph as text, a line an equation, and as a drawing for Graphviz."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from tl_arrayapi.errors import ArgumentError
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var

__all__ = ["to_dot", "to_text"]

# Users' lines begin in one column, unless an equation is longer than this.
_WIDEST = 88
# Of float32.
_LARGEST = 3.4e38


def to_text(graph: Graph) -> str:
    """Return a graph as text: what it is given, an equation a line with the user's line beside it, what it returns.

    Keys are written as Python indexes, and ``name@2`` is an equation of scope 2.

    >>> from tl_arrayapi.graph import Equation, Graph, Literal, Var
    >>> x, y = Var(0, (3,), "float32"), Var(1, (3,), "float32")
    >>> double = Equation("multiply", "elementwise", (x, Literal(2.0, "float32")), (), (y,), "model.py:7: return 2 * x")
    >>> print(to_text(Graph((x,), (), (double,), (y,))))
    inputs    %0: float32[3]
    %1: float32[3] = multiply(%0, 2.0)  # model.py:7: return 2 * x
    outputs   %1
    """
    shown = [f"{_typed_all(equation.results)} = {_call(equation)}" for equation in graph.equations]
    width = max((len(line) for line in shown if len(line) <= _WIDEST), default=0)
    beside = (f"  # {_one_line(equation.line)}" if equation.line else "" for equation in graph.equations)
    lines = [f"inputs    {_typed_all(graph.inputs)}".rstrip()]
    if graph.captured:
        lines.append(f"captured  {_typed_all(graph.captured)}")
    lines += [f"{line.ljust(width)}{comment}".rstrip() for line, comment in zip(shown, beside, strict=True)]
    lines.append(f"outputs   {', '.join(map(_named, graph.outputs))}".rstrip())
    return "\n".join(lines)


def to_dot(graph: Graph, groups: Iterable[Sequence[int]] = ()) -> str:
    """Return a graph as a drawing in the language of Graphviz: a box an equation, an arrow a value that it reads.

    ``groups`` are numbers of equations that are drawn inside of one frame, such as those that were fused; raises
    `ArgumentError` for a number that no equation has, or that comes twice.

    >>> from tl_arrayapi.graph import Equation, Graph, Var
    >>> x, y = Var(0, (3,), "float32"), Var(1, (3,), "float32")
    >>> print(to_dot(Graph((x,), (), (Equation("exp", "elementwise", (x,), (), (y,), "model.py:7: exp(x)"),), (y,))))
    digraph program {
      node [shape=box, fontname="monospace"];
      edge [fontname="monospace", fontsize=10];
      "%0" [label="input %0", shape=ellipse];
      equation0 [label="exp(·)", tooltip="model.py:7: exp(x)"];
      "%0" -> equation0 [label="float32[3]"];
      output0 [label="output 0", shape=ellipse];
      equation0 -> output0 [label="float32[3]"];
    }
    """
    lines = ['node [shape=box, fontname="monospace"];', 'edge [fontname="monospace", fontsize=10];']
    makers: dict[Var, str] = {}
    for what, values in (("input", graph.inputs), ("captured", graph.captured)):
        for v in values:
            makers[v] = _quoted(repr(v))
            lines.append(f"{makers[v]} [label={_quoted(f'{what} {v!r}')}, shape=ellipse];")
    for i, equation in enumerate(graph.equations):
        name = f"equation{i}"
        lines.append(f"{name} [label={_quoted(_call(equation, '·'))}, tooltip={_quoted(_one_line(equation.line))}];")
        lines += [_arrow(x, makers, name) for x in equation.operands if type(x) is Var]
        makers.update((v, name) for v in equation.results)
    for i, x in enumerate(graph.outputs):
        value = "" if type(x) is Var else f": {_named(x)}"
        lines.append(f"output{i} [label={_quoted(f'output {i}{value}')}, shape=ellipse];")
        lines += [_arrow(x, makers, f"output{i}")] if type(x) is Var else []
    lines += _frames(groups, len(graph.equations))
    return "\n".join(["digraph program {", *(f"  {line}" for line in lines), "}"])


def _frames(groups: Iterable[Sequence[int]], count: int) -> list[str]:
    lines: list[str] = []
    seen: set[int] = set()
    for k, group in enumerate(groups):
        for i in group:
            if i in seen or not 0 <= i < count:
                raise ArgumentError(f"group {k} has equation {i}: give each of 0 to {count - 1} in at most one group")
            seen.add(i)
        lines.append(f"subgraph cluster{k} {{ {' '.join(f'equation{i};' for i in group)} }}")
    return lines


def _arrow(x: Var, makers: dict[Var, str], to: str) -> str:
    return f"{makers[x]} -> {to} [label={_quoted(_type(x))}];"


def _quoted(text: str) -> str:
    # As in JSON, but that Graphviz has no escapes but these two.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# ---- parts
def _type(v: Var) -> str:
    return f"{v.dtype}{list(v.shape)}"


def _typed_all(values: Iterable[Var]) -> str:
    return ", ".join(f"{v!r}: {_type(v)}" for v in values)


def _named(x: Atom) -> str:
    return _number(x.value, x.dtype) if isinstance(x, Literal) else repr(x)


def _number(value: Any, dtype: str) -> str:
    """Return a number in the fewest digits that tell it from all others of its dtype: 0.1 of float32 has 17 as a
    Python float.
    """
    if dtype == "float32" and type(value) is float and abs(value) < _LARGEST:
        single = struct.pack("f", value)
        for digits in range(6, 9):
            short = float(f"{value:.{digits}g}")
            if struct.pack("f", short) == single:
                return repr(short)
    return str(value)


def _call(equation: Equation, value: str | None = None) -> str:
    """Return the right side of an equation, with ``value`` in place of every value that is read, if it is given."""
    operands = [value if value is not None and type(x) is Var else _named(x) for x in equation.operands]
    static = [f"{name}={_argument(name, given)}" for name, given in equation.static]
    return f"{equation.name}{f'@{equation.scope}' if equation.scope else ''}({', '.join(operands + static)})"


def _argument(name: str, value: Any) -> str:
    if name == "key" and isinstance(value, tuple):
        return f"[{', '.join(map(_index, value))}]"
    return str(value) if name == "dtype" else repr(value)


def _index(part: Any) -> str:
    if not isinstance(part, slice):
        return repr(part)
    bounds = (part.start, part.stop) if part.step in (None, 1) else (part.start, part.stop, part.step)
    return ":".join("" if bound is None else repr(bound) for bound in bounds)


def _one_line(text: str) -> str:
    return " ".join(text.split())
