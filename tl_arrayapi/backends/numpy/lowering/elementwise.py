"""Elementwise functions: ufuncs, and what is written with several of them."""

from functools import cache
from typing import Any

import numpy

from tl_arrayapi.backends.numpy.lowering.selector import Selector
from tl_arrayapi.backends.numpy.lowering.views import Root, View, array, bits, broadcast, narrow, natural
from tl_arrayapi.graph.graph import Equation, Literal

__all__ = ["cast", "form"]

_UFUNCS: dict[str, numpy.ufunc] = {
    "add": numpy.add,
    "divide": numpy.divide,
    "maximum": numpy.maximum,
    "multiply": numpy.multiply,
    "negative": numpy.negative,
    "subtract": numpy.subtract,
}
"""What stands for the library's functions where those are quick forms for small arrays, and no ufuncs."""


def form(selector: Selector, equation: Equation) -> View | None:
    """Write an elementwise function, or return None for those that are called as they are."""
    name, result = equation.name, equation.result
    if name == "where":
        return _where(selector, equation)
    operands = tuple(narrow(selector.view(x)) for x in equation.operands)
    if result in selector.masks:
        sums = tuple(map(bits, operands))
        return selector.write("ufunc", selector.function(name, numpy.add), sums, result.shape, sums[0].dtype)
    if name == "relu":
        name, operands = "maximum", (*operands, selector.constant(0, (), result.dtype))
    ufunc = _UFUNCS.get(name) or selector.runtime.function(name)
    if not isinstance(ufunc, numpy.ufunc) or ufunc.nout != 1 or ufunc.nin != len(operands):
        return None
    if _loop(ufunc, tuple(x.dtype for x in operands)) != result.dtype:
        return None
    if operands and all(x.root.array is not None for x in operands):
        return _folded(selector, equation)
    return selector.write("ufunc", selector.function(name, ufunc), operands, result.shape, result.dtype)


def _folded(selector: Selector, equation: Equation) -> View | None:
    """Return what a function makes of constants, made once."""
    arrays = [array(narrow(selector.view(x))) for x in equation.operands]
    with numpy.errstate(all="ignore"):
        found = numpy.asarray(selector.runtime.function(equation.name)(*arrays))
    return broadcast(selector.held(found, found.shape), equation.result.shape)


@cache
def _loop(ufunc: numpy.ufunc, dtypes: tuple[str, ...]) -> str:
    """Return the dtype that ``ufunc`` gives of itself; empty where it takes no such operands."""
    try:
        return str(ufunc.resolve_dtypes((*map(numpy.dtype, dtypes), None))[-1].name)
    except TypeError:
        return ""


def cast(selector: Selector, equation: Equation) -> View | None:
    """Write a cast: a copy into an array of the other dtype."""
    (x,), result = equation.operands, equation.result
    view = selector.view(x)
    if view.dtype == result.dtype or result in selector.masks:
        return view
    if isinstance(x, Literal) or "complex" in view.dtype:
        return None  # NumPy warns of the imaginary part that is dropped.
    return selector.write("copy", "copyto", (narrow(view),), result.shape, result.dtype)


def _where(selector: Selector, equation: Equation) -> View | None:
    """Write a choice as arithmetic on the bits of the branches: exact whatever is in the branch not taken, and several
    times as fast as a choice of NumPy's.
    """
    condition, x, y = (narrow(selector.view(v)) for v in equation.operands)
    result = equation.result
    if condition.dtype != "bool" or x.dtype != result.dtype or y.dtype != result.dtype or result.dtype == "complex128":
        return None

    def write(name: str, *operands: View) -> View:
        whole = natural(Root(result.shape, result.dtype))
        selector.add("ufunc", selector.function(name, getattr(numpy, name)), operands, bits(whole))
        return whole

    # A number times a boolean is the number or 0; and a ^ b ^ b is a.
    if _is_zero(y):
        return write("multiply", bits(x), condition)
    if _is_zero(x):
        negation = selector.function("logical_not", numpy.logical_not)
        other = selector.write("ufunc", negation, (condition,), condition.shape, "bool")
        return write("multiply", bits(y), other)
    differing = write("bitwise_xor", bits(x), bits(y))
    return write("bitwise_xor", bits(write("multiply", bits(differing), condition)), bits(y))


def _is_zero(x: View) -> bool:
    array: Any = x.root.array
    return array is not None and array.size == 1 and not array.tobytes().strip(b"\0")
