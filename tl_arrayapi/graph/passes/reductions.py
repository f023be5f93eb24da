"""Reductions: sums of products as products of vectors, and sums that need not be taken.

``mean(d * d)`` becomes the product of d with itself, which BLAS takes in one go and without an array of squares.
"""

import math

from tl_arrayapi.graph.graph import Atom, Equation, Literal, Var
from tl_arrayapi.graph.passes.base import Rewriting, Walk
from tl_arrayapi.graph.passes.numbers import is_float

__all__ = ["dots", "reductions"]

reductions = Rewriting("reductions", exact=False, about="Leave out sums, or parts of them, that need not be taken.")
dots = Rewriting("dots", exact=False, about="Take sums of products as products of vectors.")


def _is_plain(e: Equation) -> bool:
    return e.get("dtype") is None and e.operands[0].dtype == e.results[0].dtype


@reductions.rule("sum", "prod", "max", "min")
def _nothing_to_reduce(walk: Walk, e: Equation) -> Atom | None:
    """Change the shape alone where all axes that are reduced have length 1."""
    (x,) = e.operands
    if not _is_plain(e) or any(x.shape[a] != 1 for a in e.get("axis")):
        return None
    shape = e.results[0].shape
    return x if x.shape == shape else walk.emit("reshape", (x,), shape, e, kind="movement", shape=shape)


@reductions.rule("sum")
def _sum_of_sums(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    maker = walk.made(x, "sum") if walk.is_single(x) else None
    if maker is None or not _is_plain(e) or not _is_plain(maker):
        return None
    inner, outer = maker.get("axis"), e.get("axis")
    if maker.get("keepdims") is not e.get("keepdims"):
        return None
    if not maker.get("keepdims"):
        left = [a for a in range(maker.operands[0].ndim) if a not in inner]
        outer = tuple([left[a] for a in outer])
    axes = tuple(sorted({*inner, *outer}))
    return walk.emit("sum", maker.operands, e.results[0].shape, e, axis=axes, keepdims=e.get("keepdims"))


@reductions.rule("sum")
def _sum_of_repeated(walk: Walk, e: Equation) -> Atom | None:
    """Multiply where the same number is added again and again."""
    (x,) = e.operands
    result = e.results[0]
    maker = walk.made(x, "broadcast_to", "full")
    if maker is None or not _is_plain(e) or x.dtype not in ("float32", "float64") or not x.size:
        return None
    axes = e.get("axis")
    if maker.name == "full":
        count = math.prod([x.shape[a] for a in axes])
        value = maker.get("value")
        if type(value) not in (int, float):
            return None
        return walk.emit(
            "full", (), result.shape, e, kind="creation", value=float(value) * count, shape=result.shape, dtype=x.dtype
        )
    source = maker.operands[0]
    shape = (1,) * (x.ndim - source.ndim) + source.shape
    repeated = [a for a in axes if shape[a] == 1 and x.shape[a] != 1]
    if not repeated:
        return None
    count = math.prod([x.shape[a] for a in repeated])
    left = tuple([1 if a in repeated else n for a, n in enumerate(x.shape)])
    small = walk.emit("reshape", (source,), shape, e, kind="movement", shape=shape) if source.shape != shape else source
    if small.shape != left:
        small = walk.emit("broadcast_to", (small,), left, e, kind="movement", shape=left)
    total = walk.emit("sum", (small,), result.shape, e, **e.arguments)
    return walk.elementwise("multiply", total, Literal(float(count), x.dtype), like=e)


# ---- products of vectors
@dots.rule("sum")
def _sum_of_products(walk: Walk, e: Equation) -> Atom | None:
    (x,) = e.operands
    if e.results[0].shape or not _is_plain(e) or not is_float(x.dtype) or x.dtype == "float16" or not x.ndim:
        return None
    return _dot(walk, x, e)


def _dot(walk: Walk, x: Atom, e: Equation) -> Atom | None:
    """Return the sum of all of ``x`` as products of vectors: of its terms, if they are products that nothing else
    needs.
    """
    maker = walk.made(x, "multiply", "add", "subtract") if walk.is_single(x) else None
    if maker is None or any(not isinstance(y, Var) or y.shape != x.shape or y.dtype != x.dtype for y in maker.operands):
        return None
    a, b = maker.operands
    if maker.name == "multiply":
        vectors = [walk.emit("reshape", (y,), (x.size,), e, kind="movement", shape=(x.size,)) for y in (a, b)]
        return walk.emit("matmul", vectors, (), e, kind="contraction")
    first = _dot(walk, a, e) if a != b else None
    second = None if first is None else _dot(walk, b, e)
    if first is None or second is None:
        return None
    return walk.elementwise(maker.name, first, second, like=e)
