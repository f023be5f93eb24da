"""Verify that a graph is well formed: what every pass may take for granted, and must leave behind.

Every value is made once, before it is read, and is the same wherever it appears. Every equation has a function, kind,
number of operands and static arguments that go together, and results of the shapes that follow from them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from tl_arrayapi.errors import GraphError, TLError
from tl_arrayapi.graph.dtypes import COMPLEX, FLOATING, INTEGERS, ITEM_BYTES
from tl_arrayapi.graph.graph import Equation, Graph, Literal, Var
from tl_arrayapi.graph.shape_rules.common import LONGEST
from tl_arrayapi.graph.shapes import KINDS, infer_shapes
from tl_arrayapi.graph.static import problems

__all__ = ["verify"]


def verify(graph: Graph) -> None:
    """Raise `GraphError`, which names the equation, where a graph is not well formed.

    >>> from tl_arrayapi.graph import Equation, Graph, Var
    >>> x, y = Var(0, (3,), "float32"), Var(1, (4,), "float32")
    >>> verify(Graph((x,), (), (Equation("exp", "elementwise", (x,), (), (y,)),), (y,)))
    Traceback (most recent call last):
    tl_arrayapi.errors.GraphError: equation 0, %1: float32[4] = exp(%0): the result has shape (3,); it says (4,)
    """
    known: dict[int, Var] = {}
    _make(graph.given, known, "an input")
    for i, equation in enumerate(graph.equations):
        for problem in _of_equation(equation, known):
            where = f" ({equation.line})" if equation.line else ""
            raise GraphError(f"equation {i}, {equation!r}: {problem}{where}")
        known.update((v.number, v) for v in equation.results)
    for i, x in enumerate(graph.outputs):
        for problem in _of_operand(x, known):
            raise GraphError(f"output {i}: {problem}")


def _make(made: Iterable[Var], known: dict[int, Var], what: str) -> None:
    for v in made:
        for problem in _of_result(v, known):
            raise GraphError(f"{what}: {problem}")
        known[v.number] = v


# ---- values
def _of_result(v: Any, known: dict[int, Var]) -> Iterator[str]:
    if type(v) is not Var:
        yield f"{v!r} is made, and is no Var"
    elif type(v.number) is not int or v.number < 0:
        yield f"{v!r} has a number that is no nonnegative int"
    elif type(v.shape) is not tuple or not all(type(n) is int and 0 <= n <= LONGEST for n in v.shape):
        yield f"{v!r} has shape {v.shape!r}, which is no tuple of lengths"
    elif v.dtype not in ITEM_BYTES:
        yield f"{v!r} has dtype {v.dtype!r}, which is none of {', '.join(ITEM_BYTES)}"
    elif v.number in known:
        yield f"{v!r} is made a second time"


def _of_operand(x: Any, known: dict[int, Var]) -> Iterator[str]:
    if type(x) is Literal:
        if x.dtype not in ITEM_BYTES:
            yield f"the number {x!r} has a dtype that is none of {', '.join(ITEM_BYTES)}"
        elif not _holds(x.dtype, x.value):
            yield f"{x.dtype} does not hold the number {x.value!r}, of type {type(x.value).__name__}"
    elif type(x) is not Var:
        yield f"{x!r} is neither a Var nor a Literal"
    elif x.number not in known:
        yield f"{x!r} is read, and nothing has made it before"
    elif known[x.number] != x:
        made = known[x.number]
        yield f"{x!r} is read as {x.dtype}{list(x.shape)}, and was made as {made.dtype}{list(made.shape)}"


def _holds(dtype: str, value: Any) -> bool:
    kinds = {bool: ("bool",), int: INTEGERS + FLOATING + COMPLEX, float: FLOATING + COMPLEX, complex: COMPLEX}
    return dtype in kinds.get(type(value), ())


# ---- equations
def _of_equation(equation: Equation, known: dict[int, Var]) -> Iterator[str]:
    for x in equation.operands:
        yield from _of_operand(x, known)
    made: set[int] = set()
    for v in equation.results:
        yield from _of_result(v, known)
        if v.number in made:
            yield f"{v!r} is made a second time"
        made.add(v.number)
    kind = KINDS.get(equation.name)
    if kind is not None and kind != equation.kind:
        yield f"{equation.name} is of kind {kind!r}; it says {equation.kind!r}"
    yield from problems(equation)
    yield from _of_shapes(equation)
    yield from _of_dtypes(equation)
    if type(equation.scope) is not int or type(equation.line) is not str:
        yield f"scope is an int and line a string; got {equation.scope!r} and {equation.line!r}"


def _of_shapes(equation: Equation) -> Iterator[str]:
    try:
        expected = infer_shapes(equation.name, equation.kind, [x.shape for x in equation.operands], equation.arguments)
    except TLError as error:
        yield str(error)
        return
    found = tuple(v.shape for v in equation.results)
    if len(found) != len(expected):
        yield f"{equation.name} has {len(expected)} results; it says {len(found)}"
    for shape, said in zip(expected, found, strict=False):
        if shape != said:
            yield f"the result has shape {shape}; it says {said}"


_COMPARISONS = frozenset(
    (
        *("all", "any", "equal", "greater", "greater_equal", "isfinite", "isin", "isinf", "isnan", "less"),
        *("less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "not_equal", "signbit"),
    )
)
_KEEPING = frozenset(
    (
        *("broadcast_to", "conj", "embed", "flip", "getitem", "max", "min", "negative", "permute_dims", "put", "relu"),
        *("reshape", "roll", "scatter_add", "square", "take", "tile", "tril", "triu"),
    )
)


def _of_dtypes(equation: Equation) -> Iterator[str]:
    """Yield what is wrong with dtypes, where the standard alone says what they are."""
    operands, name = equation.operands, equation.name
    wanted = "bool" if name in _COMPARISONS else operands[0].dtype if name in _KEEPING else equation.get("dtype")
    for v in equation.results:
        if wanted is not None and v.dtype != wanted:
            yield f"the result of {name} has dtype {wanted}; it says {v.dtype}"
    if name == "where" and operands[0].dtype != "bool":
        yield f"the condition of where is of dtype bool; got {operands[0].dtype}"
