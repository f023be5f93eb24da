"""A product as its factors: a number, what it is multiplied with, and what it is divided by; and the cheapest way to
compute it, small factors first.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tl_arrayapi.graph.graph import Atom, Equation, Literal, Var
from tl_arrayapi.graph.passes.base import Walk, broadcast
from tl_arrayapi.graph.passes.numbers import is_normal, rounded

__all__ = ["CALL", "Plan", "Product", "combined", "cost", "factors", "is_product", "plan", "without", "write"]

CALL = 4096
"""What calling a function costs, in elements of a sum."""

_MOST_FACTORS = 8
_DTYPES = ("float32", "float64")


class Product(NamedTuple):
    """``number * over[0] * ... / under[0] / ...``; ``spent`` is the cost of the equations that it takes apart, and
    ``apart`` are the numbers of what they make.
    """

    number: float = 1.0
    over: tuple[Var, ...] = ()
    under: tuple[Var, ...] = ()
    spent: int = 0
    apart: tuple[int, ...] = ()

    @property
    def factors(self) -> tuple[Var, ...]:
        """All factors but the number."""
        return self.over + self.under


def is_product(walk: Walk, x: Atom) -> bool:
    """Say whether `factors` can take ``x`` apart."""
    if walk.made(x, "multiply", "divide", "negative") is None or x.dtype not in _DTYPES:
        return False
    return walk.is_single(x) or (isinstance(x, Var) and x.number in walk.spread)


def factors(walk: Walk, x: Atom, *, whole: Equation | None = None, most: int = _MOST_FACTORS) -> Product:
    """Return ``x`` as a product: taken apart as far as nothing else needs the parts, in float32 and float64.

    ``whole`` is the equation that makes ``x`` while it has not been written yet. A factor that is no normal number
    stays where it is: infinities, NaN and zeros mean something there.
    """
    if isinstance(x, Literal):
        return Product(float(x.value.real))
    maker = walk.maker(x) if whole is None and is_product(walk, x) else whole
    if maker is None or most <= 1 or x.dtype not in _DTYPES:
        return Product(over=(x,))
    if any(
        y.dtype != x.dtype or (isinstance(y, Literal) and not is_normal(y.value.real, y.dtype)) for y in maker.operands
    ):
        return Product(over=(x,))
    if whole is None and not walk.is_single(x):
        # A product with a number that all its readers take: each spares its share.
        share = cost(maker.name, x.size) // walk.uses(x)
        number = next(y for y in maker.operands if isinstance(y, Literal))
        base = tuple([y for y in maker.operands if isinstance(y, Var)])
        return Product(float(number.value.real), base, (), share, (x.number,))
    first = factors(walk, maker.operands[0], most=most - 1)
    spent = first.spent + cost(maker.name, x.size)
    if maker.name == "negative":
        return Product(-first.number, first.over, first.under, spent, (*first.apart, x.number))
    second = factors(walk, maker.operands[1], most=most - len(first.factors))
    spent += second.spent
    apart = (*first.apart, *second.apart, x.number)
    if maker.name == "multiply":
        over, under = first.over + second.over, first.under + second.under
        return Product(first.number * second.number, over, under, spent, apart)
    over, under = first.over + second.under, first.under + second.over
    return Product(first.number / second.number, over, under, spent, apart)


def cost(name: str, size: int) -> int:
    """Return what an elementwise function of so many elements costs, in elements of a sum."""
    return CALL + (3 * size if name == "divide" else size)


class Plan(NamedTuple):
    """An equation to be written, or a value that is there: ``name`` of it is then empty."""

    name: str
    parts: tuple["Plan", ...]
    atom: Atom | None
    shape: tuple[int, ...]
    spent: int


def _there(x: Atom) -> Plan:
    return Plan("", (), x, x.shape, 0)


def _made(name: str, *parts: Plan) -> Plan:
    shape = parts[0].shape if len(parts) == 1 else broadcast([Var(-1, p.shape, "") for p in parts])
    size = Var(-1, shape, "").size
    return Plan(name, parts, None, shape, sum(p.spent for p in parts) + cost(name, size))


def combined(name: str, x: Plan, y: Plan) -> Plan:
    """Return the plan of a function of what two plans make."""
    return _made(name, x, y)


def plan(product: Product, dtype: str) -> Plan | None:
    """Return how to compute a product: factors of few elements first, the number with the smallest of them.

    None, if its number is no normal number of ``dtype``.
    """
    if not is_normal(product.number, dtype):
        return None
    number = rounded(product.number, dtype)
    one = Literal(1.0, dtype)
    scale = None if number == 1 else Literal(float(number), dtype) if number is not None else None
    groups = _by_size(product)
    if not groups:
        return _there(scale or one)
    made: Plan | None = None
    waiting: list[Var] = []
    for place, (over, under) in enumerate(groups):
        last = place == len(groups) - 1
        under = [*waiting, *under]
        waiting = []
        node = None
        for x in over:
            node = _there(x) if node is None else _made("multiply", node, _there(x))
        if node is None:
            if made is None and scale is None and not last:
                waiting = under
                continue
            node = made if made is not None else _there(scale or one)
            scale = scale if made is not None else None
        elif made is not None:
            node = _made("multiply", node, made)
        for x in under:
            node = _made("divide", node, _there(x))
        if scale is not None and (not last or len(groups) == 1):
            node, scale = _scaled(node, scale), None
        made = node
    assert made is not None
    return made if scale is None else _scaled(made, scale)


def _scaled(node: Plan, number: Literal) -> Plan:
    return _made("negative", node) if number.value == -1 else _made("multiply", node, _there(number))


def _by_size(product: Product) -> list[tuple[list[Var], list[Var]]]:
    """Return factors of one shape together, smaller shapes first."""
    groups: dict[tuple[int, ...], tuple[list[Var], list[Var]]] = {}
    for side, row in enumerate((product.over, product.under)):
        for x in row:
            groups.setdefault(x.shape, ([], []))[side].append(x)
    return [groups[shape] for shape in sorted(groups, key=lambda shape: (Var(-1, shape, "").size, len(shape)))]


def write(walk: Walk, planned: Plan, like: Equation, dtype: str) -> Atom:
    """Write the equations of a plan, as they are, and return the result."""
    if planned.atom is not None:
        return planned.atom
    operands = [write(walk, part, like, dtype) for part in planned.parts]
    return walk.plain(planned.name, operands, planned.shape, like, dtype)


def without(row: Iterable[Var], taken: Iterable[Var]) -> tuple[Var, ...]:
    """Return ``row`` without one occurrence of each of ``taken``."""
    left = list(row)
    for x in taken:
        left.remove(x)
    return tuple(left)
