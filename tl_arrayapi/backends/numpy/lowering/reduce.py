"""Reductions: sums along short rows and down columns as products with ones, the others by ufuncs."""

from math import prod
from typing import Any

from tl_arrayapi.backends.numpy.lowering.selector import Selector
from tl_arrayapi.backends.numpy.lowering.views import View, permuted, reshaped
from tl_arrayapi.graph.graph import Equation

__all__ = ["form"]

_UFUNCS = {
    "sum": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "all": "logical_and",
    "any": "logical_or",
}

# A product with ones adds in a few running sums, NumPy's sum in pairs: longer rows are left to it.
_SHORT = 8192

# Rows this short are faster turned than reduced.
_VERY_SHORT = 16


def form(selector: Selector, equation: Equation) -> View | None:
    """Write a reduction, or return None for those that are called as they are."""
    name, result = equation.name, equation.result
    if name not in _UFUNCS:
        return None
    x = selector.view(equation.operands[0])
    axes: tuple[int, ...] = equation.get("axis")
    if not axes:
        # Nothing to reduce, and still a sum of numbers or a logical value of each.
        return None
    floating = result.dtype == x.dtype in ("float32", "float64")
    dense = selector.dense(x) if x.ndim and 0 in x.strides and _repeats(x) else x
    if x.size and dense.dense:
        found = _by_rows(selector, name, dense, axes, result.shape, floating)
        if found is not None:
            return found
    static: tuple[tuple[str, Any], ...] = (
        ("axis", axes if len(axes) < x.ndim else None),
        ("keepdims", equation.get("keepdims")),
    )
    if name in ("sum", "prod"):
        static += (("dtype", result.dtype),)
    return selector.write("reduce", f"{_UFUNCS[name]}.reduce", (x,), result.shape, result.dtype, static)


def _repeats(x: View) -> bool:
    return any(n > 1 and stride == 0 for n, stride in zip(x.shape, x.strides, strict=True))


def _by_rows(
    selector: Selector, name: str, x: View, axes: tuple[int, ...], shape: tuple[int, ...], floating: bool
) -> View | None:
    kept, count = x.ndim - len(axes), prod(x.shape[a] for a in axes)
    others = x.size // count
    found = None
    if axes == tuple(range(kept, x.ndim)):
        rows = _reshaped(x, (others, count))
        if name == "sum" and floating and count <= _SHORT:
            ones = selector.constant(1.0, (count,), x.dtype)
            operands = (_reshaped(rows, (count,)), ones) if others == 1 else (rows, ones)
            found = selector.write("dot", "dot", operands, () if others == 1 else (others,), x.dtype)
        elif name in ("max", "min") and 1 < count <= _VERY_SHORT <= others:
            turned = selector.write("copy", "copyto", (permuted(rows, (1, 0)),), (count, others), x.dtype)
            static = (("axis", 0), ("keepdims", False))
            found = selector.write("reduce", f"{_UFUNCS[name]}.reduce", (turned,), (others,), x.dtype, static)
    elif axes == tuple(range(len(axes))) and name == "sum" and floating:
        operands = (selector.constant(1.0, (count,), x.dtype), _reshaped(x, (count, others)))
        found = selector.write("dot", "dot", operands, (others,), x.dtype)
    return None if found is None else _reshaped(found, shape)


def _reshaped(x: View, shape: tuple[int, ...]) -> View:
    found = reshaped(x, shape)
    assert found is not None  # What is dense has every shape.
    return found
