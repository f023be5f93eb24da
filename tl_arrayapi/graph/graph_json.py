"""Graphs as JSON: read back equal, and read with suspicion.

A document is ``{"format": "tl_arrayapi.graph", "version": 1, "inputs", "captured", "equations", "outputs"}``. A value
that is made is ``[number, shape, dtype]``; one that is read is its number, or ``{"value", "dtype"}`` for a literal. An
equation is ``{"name", "kind", "operands", "static", "results", "line", "scope"}``. In numbers and static arguments a
list is a tuple, and ``{"slice": [start, stop, step]}``, ``{"complex": [real, imaginary]}`` and ``{"float": "nan"}``, or
``"inf"`` or ``"-inf"``, are what JSON does not have.

Whatever else a text may hold, reading it ends in a `GraphError` that names the place.
"""

import json
import math
from typing import Any, NoReturn

from tl_arrayapi.errors import GraphError
from tl_arrayapi.graph.graph import Atom, Equation, Graph, Literal, Var, frozen
from tl_arrayapi.graph.verify import verify

__all__ = ["FORMAT", "VERSION", "from_json", "to_json"]

FORMAT = "tl_arrayapi.graph"
VERSION = 1

_PARTS = ("inputs", "captured", "equations", "outputs")
_DEEPEST = 16


def to_json(graph: Graph) -> str:
    """Return a graph as JSON, which `from_json` reads back equal; raises `GraphError` if it is not well formed.

    >>> from tl_arrayapi.graph import Graph, Var
    >>> x = Var(0, (3,), "float32")
    >>> from_json(to_json(Graph((x,), (), (), (x,))))
    Graph of 0 equations, 1 input, 1 output
    """
    verify(graph)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "inputs": [_made(v) for v in graph.inputs],
        "captured": [_made(v) for v in graph.captured],
        "equations": [_equation(equation) for equation in graph.equations],
        "outputs": [_read(x) for x in graph.outputs],
    }
    return json.dumps(document, allow_nan=False)


def from_json(text: str) -> Graph:
    """Return the graph that `to_json` wrote; raises `GraphError`, naming the place, for any other text.

    >>> from_json("[]")
    Traceback (most recent call last):
    tl_arrayapi.errors.GraphError: the document is an object with format, version, inputs, captured, equations, outputs
    """
    try:
        document = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise GraphError(f"the text is not JSON: {error}") from error
    parts = _object(document, "the document", "format", "version", *_PARTS)
    if parts["format"] != FORMAT or type(parts["version"]) is not int or parts["version"] != VERSION:
        _refuse("the document", f"of format {FORMAT} and version {VERSION}; got {parts['format']}, {parts['version']}")
    rows = {part: _list(parts[part], part) for part in _PARTS}
    known: dict[int, Var] = {}
    inputs, captured = (
        tuple(_take_made(x, f"{part} {i}", known) for i, x in enumerate(rows[part])) for part in ("inputs", "captured")
    )
    equations = tuple(_take_equation(x, f"equation {i}", known) for i, x in enumerate(rows["equations"]))
    outputs = tuple(_take_read(x, f"output {i}", known) for i, x in enumerate(rows["outputs"]))
    graph = Graph(inputs, captured, equations, outputs)
    verify(graph)
    return graph


# ---- writing
def _made(v: Var) -> list[Any]:
    return [v.number, list(v.shape), v.dtype]


def _read(x: Atom) -> Any:
    return {"value": _value(x.value), "dtype": x.dtype} if isinstance(x, Literal) else x.number


def _equation(equation: Equation) -> dict[str, Any]:
    return {
        "name": equation.name,
        "kind": equation.kind,
        "operands": [_read(x) for x in equation.operands],
        "static": {name: _value(value) for name, value in equation.static},
        "results": [_made(v) for v in equation.results],
        "line": equation.line,
        "scope": equation.scope,
    }


def _value(value: Any) -> Any:
    if type(value) is tuple:
        return [_value(item) for item in value]
    if type(value) is slice:
        return {"slice": [_value(item) for item in (value.start, value.stop, value.step)]}
    if type(value) is complex:
        return {"complex": [_value(value.real), _value(value.imag)]}
    if type(value) is float and not math.isfinite(value):
        return {"float": str(value)}
    return value


# ---- reading
def _refuse(where: str, expected: str) -> NoReturn:
    raise GraphError(f"{where} is {expected}")


def _refuse_constant(name: str) -> NoReturn:
    raise GraphError(f'{name} is not JSON: it is written {{"float": "nan"}}, with "inf" or "-inf" for the others')


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise GraphError(f"an object has a name twice: {', '.join(name for name, _ in pairs)}")
    return found


def _object(x: Any, where: str, *names: str) -> dict[str, Any]:
    if type(x) is not dict or x.keys() != set(names):
        _refuse(where, f"an object with {', '.join(names)}")
    return x


def _list(x: Any, where: str, length: int | None = None) -> list[Any]:
    if type(x) is not list or length not in (None, len(x)):
        _refuse(where, "a list" if length is None else f"a list of {length}")
    return x


def _string(x: Any, where: str) -> str:
    if type(x) is not str:
        _refuse(where, "a string")
    return x


def _integer(x: Any, where: str) -> int:
    if type(x) is not int:
        _refuse(where, "an integer")
    return x


def _take_made(x: Any, where: str, known: dict[int, Var]) -> Var:
    number, shape, dtype = _list(x, where, 3)
    lengths = tuple(_integer(n, f"a length of {where}") for n in _list(shape, f"the shape of {where}"))
    v = Var(_integer(number, f"the number of {where}"), lengths, _string(dtype, f"the dtype of {where}"))
    known.setdefault(v.number, v)
    return v


def _take_read(x: Any, where: str, known: dict[int, Var]) -> Atom:
    if type(x) is not dict:
        if (v := known.get(_integer(x, where))) is None:
            _refuse(where, f"a value made before; got %{x}")
        return v
    parts = _object(x, where, "value", "dtype")
    return Literal(_take_value(parts["value"], where), _string(parts["dtype"], f"the dtype of {where}"))


def _take_equation(x: Any, where: str, known: dict[int, Var]) -> Equation:
    parts = _object(x, where, "name", "kind", "operands", "static", "results", "line", "scope")
    static = parts["static"]
    if type(static) is not dict:
        _refuse(f"static of {where}", "an object")
    operands = _list(parts["operands"], f"operands of {where}")
    results = _list(parts["results"], f"results of {where}")
    return Equation(
        _string(parts["name"], f"the name of {where}"),
        _string(parts["kind"], f"the kind of {where}"),
        tuple(_take_read(item, f"operand {i} of {where}", known) for i, item in enumerate(operands)),
        frozen({name: _take_value(value, f"{name} of {where}") for name, value in static.items()}),
        tuple(_take_made(item, f"result {i} of {where}", known) for i, item in enumerate(results)),
        _string(parts["line"], f"the line of {where}"),
        _integer(parts["scope"], f"the scope of {where}"),
    )


def _take_value(x: Any, where: str, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        _refuse(where, f"nested at most {_DEEPEST} deep")
    if type(x) is list:
        return tuple(_take_value(item, where, depth + 1) for item in x)
    if type(x) is not dict:
        return x
    match x:
        case {"slice": [start, stop, step], **rest} if not rest:
            return slice(*(_take_value(item, where, depth + 1) for item in (start, stop, step)))
        case {"float": "nan" | "inf" | "-inf" as name, **rest} if not rest:
            return float(name)
        case {"complex": [real, imag], **rest} if not rest:
            parts = [_take_value(item, where, depth + 1) for item in (real, imag)]
            if all(type(part) is float for part in parts):
                return complex(*parts)
    _refuse(where, f"made of numbers, strings, null, lists and slice, float or complex objects; got {x!r:.80}")
