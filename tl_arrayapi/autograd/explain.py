"""`explain`: what a tape recorded, as a table with the user's source lines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.autograd.tape import Tape
from tl_arrayapi.autograd.transforms import Run

__all__ = ["Explanation", "Row", "explain"]


@dataclass(frozen=True)
class Row:
    """One recorded operation: its number, its operands' numbers (None: a constant), shape and dtype of its result,
    and the user's line.
    """

    number: int
    operation: str
    operands: tuple[int | None, ...]
    static: dict[str, Any]
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    line: str


@dataclass(frozen=True)
class Explanation:
    """What `explain` found: ``rows``, one for each watched input and each recorded operation; printing it gives a
    table.
    """

    rows: tuple[Row, ...]

    @property
    def bytes(self) -> int:
        """How much memory the results of all recorded operations take together."""
        return sum(row.bytes for row in self.rows if row.operation != "input")

    def __str__(self) -> str:
        table = [("", "operation", "of", "result", "line")]
        for row in self.rows:
            operands = ", ".join("constant" if i is None else f"%{i}" for i in row.operands)
            static = "".join(f" {k}={v}" for k, v in row.static.items())
            table.append(
                (f"%{row.number}", row.operation + static, operands, f"{row.dtype}{list(row.shape)}", row.line)
            )
        widths = [max(len(cells[i]) for cells in table) for i in range(4)]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(cells, [*widths, 0], strict=True)).rstrip() for cells in table
        ]
        return "\n".join([*lines, f"{len(self.rows)} rows; results kept for the backward pass: {self.bytes:,} bytes"])

    __repr__ = __str__


def _noting_tape(namespace: Any) -> Tape:
    tape = Tape(namespace)
    tape.note_lines()
    return tape


def explain(f: Callable[..., Any], *args: Any) -> Explanation:
    """Run ``f`` on ``args``, all floating arrays in them watched, and return what was recorded: one row an operation,
    with the line it comes from.

    Operations that no gradient flows through are not recorded, and not shown.

    >>> import numpy, tl_arrayapi as tl
    >>> table = tl.explain(lambda w, x: tl.array_namespace(w, x).sum(w * x), numpy.ones(3), numpy.ones(3))
    >>> [row.operation for row in table.rows]
    ['input', 'input', 'multiply', 'sum']
    """
    trace = Run(_noting_tape)
    trace.call(f, args, {}, tuple(range(len(args))), strict=False)
    tape = trace.tape
    assert tape.lines is not None
    rows = [_row(trace, i, "input", (), {}, x, "") for i, x in enumerate(trace.watched)]
    for i, node in enumerate(tape.nodes[len(rows) :], len(rows)):
        primitive, parents, _, static, out = node
        if isinstance(out, tuple):  # an operation of several results: the rows of its parts follow
            rows.append(Row(i, primitive.name, parents, static, (), "tuple", 0, tape.lines[i]))
            continue
        rows.append(_row(trace, i, primitive.name, parents, static, out, tape.lines[i]))
    return Explanation(tuple(rows))


def _row(trace: Run, number: int, name: str, operands: Any, static: Any, value: Any, line: str) -> Row:
    dtype = trace.xp.backend.dtype_name(value.dtype)
    shape = tuple(value.shape)
    count = 1
    for n in shape:
        count *= n
    size = _bits(trace, value.dtype) // 8 * count
    return Row(number, name, operands, static, shape, dtype, size, line)


def _bits(trace: Run, dtype: Any) -> int:
    kind = "finfo" if trace.xp.ground.is_kind(dtype, ("real floating", "complex floating")) else "iinfo"
    bits = int(getattr(trace.xp.ground.library, kind)(dtype).bits)
    # finfo speaks of the real part of a complex number.
    return 2 * bits if trace.xp.ground.is_kind(dtype, "complex floating") and "complex" in str(dtype) else bits
