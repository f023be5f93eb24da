"""Scaling: products and quotients put in another order, so that numbers, columns and rows meet before whole arrays do.

Numbers go outwards and become one; what is constant along the axes of a sum is taken out of it; factors that two terms
share are taken out of their sum; and a quotient that is there already is used again. By these rules the backward pass
of softmax becomes ``a * (g - sum(g * a))``, and that of a layer norm the one that is written by hand. None of it is
exact, and all of it is within a few roundings.
"""

from tl_arrayapi.graph.graph import Atom, Equation, Literal, Var
from tl_arrayapi.graph.passes.base import Rewriting, Walk, broadcast
from tl_arrayapi.graph.passes.product import Plan, Product, combined, cost, factors, is_product, plan, without, write

__all__ = ["scaling"]

scaling = Rewriting("scaling", exact=False, about="Put products in the order that costs least.")


@scaling.rule("multiply", "divide", "negative")
def _product(walk: Walk, e: Equation) -> Atom | None:
    result = e.results[0]
    if not any(is_product(walk, x) for x in e.operands) and not (
        e.name == "divide" and isinstance(e.operands[1], Literal)
    ):
        return None
    if len(e.operands) == 2 and e.operands[0] == e.operands[1]:
        return None  # a square
    whole = factors(walk, result, whole=e)
    product = _reused(walk, e, whole)
    if product is whole and product.number == 1 and all(x.shape == result.shape for x in product.factors):
        return None  # Any order costs the same.
    planned = plan(product, result.dtype)
    if planned is None or planned.shape != result.shape:
        return None
    if planned.spent < product.spent or (planned.spent == product.spent and _has_number_inside(walk, e, product)):
        return write(walk, planned, e, result.dtype)
    return None


def _has_number_inside(walk: Walk, e: Equation, product: Product) -> bool:
    """Say whether the number of a product is a factor of one of its parts, and could be one of all of it."""
    if product.number == 1 or any(x.shape != e.results[0].shape for x in product.factors):
        return False
    if len(set(product.over)) < len(product.over):
        return False  # The number may be there to keep a square in range.
    return e.name != "negative" and all(isinstance(x, Var) for x in e.operands)


def _reused(walk: Walk, e: Equation, product: Product) -> Product:
    """Put quotients that are there already in the place of their parts."""
    if not product.under:
        return product
    over, under = list(product.over), list(product.under)
    for y in product.under:
        for x in over:
            there = walk.known(e, "divide", x, y)
            if there is not None and there.number not in product.apart:
                over[over.index(x)] = there
                under.remove(y)
                break
    return product._replace(over=tuple(over), under=tuple(under)) if len(under) < len(product.under) else product


@scaling.rule("sum")
def _sum_of_product(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    result = e.results[0]
    if x.dtype != result.dtype or not isinstance(x, Var) or not result.size or not x.size:
        return None
    product = factors(walk, x)
    if not product.spent:
        return None
    axes: tuple[int, ...] = e.get("axis")
    inside, outside = ([y for y in product.factors if _varies(y, x.ndim, axes) is which] for which in (True, False))
    if (not outside and product.number == 1) or not inside or broadcast(inside) != x.shape:
        return None
    # What is left in the sum must not be a quotient whose numerator has gone.
    over = tuple([y for y in product.over if y in inside])
    under = tuple([y for y in product.under if y in inside])
    rest = plan(Product(1.0, over, under), x.dtype)
    if not over or rest is None or rest.spent + cost("multiply", result.size) > product.spent:
        return None
    total = walk.emit("sum", (write(walk, rest, e, x.dtype),), result.shape, e, **e.arguments)
    if not isinstance(total, Var):
        return None

    def beside(y: Var) -> Var:
        shape = [n for a, n in enumerate((1,) * (x.ndim - y.ndim) + y.shape) if e.get("keepdims") or a not in axes]
        if not y.ndim or tuple(shape) == y.shape:
            return y
        reshaped = walk.emit("reshape", (y,), shape, e, kind="movement", shape=tuple(shape))
        assert isinstance(reshaped, Var)
        return reshaped

    outer_over = tuple([beside(y) for y in product.over if y not in inside])
    outer_under = tuple([beside(y) for y in product.under if y not in inside])
    outer = plan(Product(product.number, (total, *outer_over), outer_under), result.dtype)
    return None if outer is None else write(walk, outer, e, result.dtype)


def _varies(y: Var, rank: int, axes: tuple[int, ...]) -> bool:
    lead = rank - y.ndim
    return any(a >= lead and y.shape[a - lead] != 1 for a in axes)


@scaling.rule("add", "subtract")
def _sum_of_products(walk: Walk, e: Equation) -> Atom | None:
    x, y = e.operands
    result = e.results[0]
    if x.dtype != y.dtype or x.dtype != result.dtype or x == y:
        return None
    again = _term_again(walk, e)
    if again is not None:
        return again
    if not is_product(walk, x) and not is_product(walk, y):
        return None
    first, second = factors(walk, x), factors(walk, y)
    spent = first.spent + second.spent + cost("add", result.size)
    second = second._replace(number=-second.number) if e.name == "subtract" else second
    planned = _without_common(first, second, result.dtype)
    if planned is None or planned.spent >= spent or planned.shape != result.shape:
        return None
    return write(walk, planned, e, result.dtype)


def _term_again(walk: Walk, e: Equation) -> Atom | None:
    """Rewrite (p + q) + q to p + 2 q: the number finds its place among the factors of q."""
    for x, y in (e.operands, e.operands[::-1]) if e.name == "add" else ():
        inner = walk.made(x, "add") if walk.is_single(x) else None
        if inner is None or y not in inner.operands or walk.made(y, "multiply", "divide") is None:
            continue
        p = inner.operands[1 - inner.operands.index(y)]
        twice = walk.elementwise("multiply", y, Literal(2.0, y.dtype), like=e)
        return walk.elementwise("add", p, twice, like=e)
    return None


def _without_common(first: Product, second: Product, dtype: str) -> Plan | None:
    """Return the plan of a sum of two products whose common factors, and whose number, are taken out of it."""
    over = [x for x in dict.fromkeys(first.over) if x in second.over]
    under = [x for x in dict.fromkeys(first.under) if x in second.under]
    scale = abs(first.number) if abs(first.number) == abs(second.number) else 1.0
    if not over and not under and scale == 1 and first.number > 0 and second.number > 0:
        return None
    terms = [Product(abs(p.number) / scale, without(p.over, over), without(p.under, under)) for p in (first, second)]
    signs = [p.number > 0 for p in (first, second)]
    plans = [plan(term, dtype) for term in terms]
    left, right = plans if signs != [False, True] else reversed(plans)
    if left is None or right is None:
        return None
    inner = combined("add" if signs[0] is signs[1] else "subtract", left, right)
    scale = -scale if signs == [False, False] else scale
    if not over and not under and scale == 1:
        return inner
    return _with_outer(inner, Product(scale, tuple(over), tuple(under)), dtype)


def _with_outer(inner: Plan, outer: Product, dtype: str) -> Plan | None:
    """Return the plan of ``inner`` times a product."""
    small = [x for x in outer.over if x.shape != inner.shape]
    made = inner
    if outer.number != 1 or small:
        kept = plan(Product(outer.number, tuple(small)), dtype)
        if kept is None:
            return None
        made = combined("multiply", made, kept)
    for x in without(outer.over, small):
        made = combined("multiply", made, Plan("", (), x, x.shape, 0))
    for x in outer.under:
        made = combined("divide", made, Plan("", (), x, x.shape, 0))
    return made
