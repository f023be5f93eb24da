"""What a graph costs to run, from shapes alone: operations, bytes moved, and the most memory in use at once.

Operations are counted so, an element of the result counting once unless something else is said:

- elementwise functions: 1, and `TRANSCENDENTAL` for those that are series or iterations (``exp``, ``tanh``, ``pow``,
  all special functions);
- products: 2 for each element of the result and each of the inner axis, 2 m n k in all;
- reductions and scans: 1 for each element of the operand; ``argsort`` n log2 n comparisons along its axis, and
  ``searchsorted`` log2 n for each value looked up; ``scatter_add`` 1 for each element added;
- Fourier transforms: 5 n log2 n for n complex numbers in all, the usual measure of the radix-2 algorithm, and half of
  it between real numbers and half a spectrum;
- matrix functions: the leading terms that G. Golub and C. Van Loan, "Matrix Computations" (4th edition, 2013), give for
  the usual algorithm, for each matrix of the stack;
- moving, casting, indexing and making elements: none.

Complex numbers count 4 times in products and matrix functions, and twice elsewhere but in transforms.

Bytes are those of each operand, once, and of each result, as if nothing stayed in a cache. What a library can give
without touching an element, `VIEWS`, moves none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tl_arrayapi.graph.dtypes import COMPLEX, nbytes
from tl_arrayapi.graph.graph import Equation, Graph, Var

__all__ = ["TRANSCENDENTAL", "VIEWS", "Cost", "cost_of", "peak_bytes", "total"]

TRANSCENDENTAL = 10
"""The operations that a function counts for which is computed by a series, or by iterating."""

_TRANSCENDENTAL = frozenset(
    (
        *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "exp", "expm1", "log", "log10"),
        *("log1p", "log2", "logaddexp", "pow", "sin", "sinh", "tan", "tanh"),
    )
)

VIEWS = frozenset(("broadcast_to", "flip", "getitem", "imag", "permute_dims", "real", "reshape"))
"""Functions whose result can lie where the operand does, in another order or in part."""


@dataclass(frozen=True)
class Cost:
    """Floating-point (or integer) operations, and bytes read and written.

    >>> Cost(2, 8, 4) + Cost(1, 4, 4)
    Cost(flops=3, read=12, written=8)
    """

    flops: int = 0
    read: int = 0
    written: int = 0

    @property
    def bytes(self) -> int:
        """All bytes moved."""
        return self.read + self.written

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.read + other.read, self.written + other.written)


def cost_of(equation: Equation) -> Cost:
    """Return the operations and bytes of one equation.

    >>> from tl_arrayapi.graph import Var
    >>> x, y, z = (Var(i, shape, "float32") for i, shape in enumerate([(2, 3), (3, 4), (2, 4)]))
    >>> cost_of(Equation("matmul", "contraction", (x, y), (), (z,)))
    Cost(flops=48, read=72, written=32)
    """
    if equation.name in VIEWS:
        return Cost()
    read = sum(nbytes(x) for x in dict.fromkeys(equation.operands) if type(x) is Var)
    return Cost(_flops(equation), read, sum(map(nbytes, equation.results)))


def total(graph: Graph) -> Cost:
    """Return the operations and bytes of all equations, each on its own."""
    return sum(map(cost_of, graph.equations), Cost())


# ---- operations
def _flops(equation: Equation) -> int:
    size, name, kind = equation.results[0].size, equation.name, equation.kind
    is_complex = any(x.dtype in COMPLEX for x in (*equation.operands, *equation.results))
    if kind == "elementwise":
        transcendental = name in _TRANSCENDENTAL or name.startswith("special.")
        return size * (TRANSCENDENTAL if transcendental else 1) * (2 if is_complex else 1)
    if kind == "contraction":
        return 2 * size * equation.operands[0].shape[-1] * (4 if is_complex else 1)
    if kind == "reduction" or name in ("cumulative_sum", "cumulative_prod", "scatter_add"):
        return equation.operands[0].size * (2 if is_complex else 1)
    if name == "argsort":
        return size * _log2(equation.operands[0].shape[equation.get("axis", -1)])
    if name == "searchsorted":
        return size * _log2(equation.operands[0].size)
    if kind == "transform":
        return _transform(equation)
    if kind == "matrix" and name in _MATRIX:
        return _matrices(equation) * (4 if is_complex else 1)
    return 0


def _log2(n: int) -> int:
    return max(0, n - 1).bit_length()


def _transform(equation: Equation) -> int:
    name = equation.name.removeprefix("fft.")
    if name.endswith("shift"):
        return 0
    x, out = equation.operands[0].shape, equation.results[0].shape
    axes, lengths = equation.get("axes"), equation.get("s")
    if not name.endswith("n"):
        axes, n = (equation.get("axis", -1),), equation.get("n")
        lengths = None if n is None else (n,)
    elif axes is None:
        axes = tuple(range(-len(x if lengths is None else lengths), 0))
    axes = [a % len(out) for a in axes]
    counts = [out[a] for a in axes]
    if name.startswith(("rfft", "ihfft")):  # the result is half of a spectrum, and does not tell the points
        counts[-1] = x[axes[-1]] if lengths is None else lengths[-1]
    points: int = math.prod(counts)
    others = math.prod(n for a, n in enumerate(out) if a not in axes)
    real = not name.startswith(("fft", "ifft"))
    return math.ceil(5 * points * math.log2(max(points, 1)) * others / (2 if real else 1))


def _svd(m: int, n: int) -> float:
    """With singular vectors: both, and of m >= n."""
    return 14 * m * n**2 + 8 * n**3


def _values(m: int, n: int) -> float:
    return 4 * m * n**2 - 4 * n**3 / 3


_MATRIX: dict[str, Callable[[int, int], float]] = {
    "linalg.cholesky": lambda m, n: n**3 / 3,
    "linalg.det": lambda m, n: 2 * n**3 / 3,
    "linalg.eig": lambda m, n: 25 * n**3,
    "linalg.eigh": lambda m, n: 9 * n**3,
    "linalg.eigvals": lambda m, n: 10 * n**3,
    "linalg.eigvalsh": lambda m, n: 4 * n**3 / 3,
    "linalg.inv": lambda m, n: 2 * n**3,
    "linalg.matrix_rank": _values,
    "linalg.pinv": lambda m, n: _svd(m, n) + 2 * m * n**2,
    "linalg.qr": lambda m, n: 2 * (2 * m * n**2 - 2 * n**3 / 3),  # the triangle, and then the columns
    "linalg.slogdet": lambda m, n: 2 * n**3 / 3,
    "linalg.solve": lambda m, n: 2 * n**3 / 3,
    "linalg.svd": _svd,
    "linalg.svdvals": _values,
}
"""The operations for one matrix of m rows and n columns, m >= n."""


def _matrices(equation: Equation) -> int:
    *stack, rows, columns = equation.operands[0].shape
    m, n = max(rows, columns), min(rows, columns)
    found = math.prod(stack) * _MATRIX[equation.name](m, n)
    if equation.name == "linalg.solve":
        found += 2 * n * equation.results[0].size
    return math.ceil(found)


# ---- memory
def peak_bytes(graph: Graph) -> int:
    """Return the most bytes that values take at once, run in the order given.

    What the caller gives is there all the time, and an output from where it is made to the end. Every other value is
    there from where it is made to where it is last read; nothing is written over what is still read, not even by the
    equation that reads it last. `VIEWS` take no memory and keep that of what they show, unless they are outputs, or
    reshape what lies in another order: these are copies.
    """
    bases = _bases(graph)
    last: dict[Var, int] = {}
    for i, equation in enumerate(graph.equations):
        for x in (*equation.operands, *equation.results):
            if type(x) is Var:
                last[bases[x]] = i
    end = len(graph.equations)
    last.update(dict.fromkeys((bases[x] for x in graph.outputs if type(x) is Var), end))
    made: list[list[Var]] = [[v for v in equation.results if bases[v] is v] for equation in graph.equations]
    dying: dict[int, list[Var]] = {}
    for v in (v for row in made for v in row):
        dying.setdefault(last[v], []).append(v)
    given = set(graph.given)
    now = sum(map(nbytes, given))
    # An output that is nobody's result is a copy of what was given, or a number.
    copies = sum(nbytes(x) for x in graph.outputs if type(x) is not Var or x in given)
    peak = now
    for i, row in enumerate(made):
        now += sum(map(nbytes, row))
        peak = max(peak, now)
        now -= sum(map(nbytes, dying.get(i, ())))
    return max(peak, now + copies)


def _bases(graph: Graph) -> dict[Var, Var]:
    """Return the value whose memory each value lies in: its own, unless it is a view."""
    bases = {v: v for v in graph.given}
    outputs = set(graph.outputs)
    rearranged: set[Var] = set()
    for equation in graph.equations:
        bases.update((v, v) for v in equation.results)
        x, out = next(iter(equation.operands), None), equation.results[0]
        if equation.name not in VIEWS or out in outputs or type(x) is not Var:
            continue
        if equation.name != "reshape":
            rearranged.add(out)
        elif x in rearranged:
            continue
        bases[out] = bases[x]
    return bases
