"""Movements: views where strides can say them, copies into a new array where they cannot."""

from collections.abc import Callable
from itertools import product

from tl_arrayapi.backends.numpy.lowering.selector import Selector
from tl_arrayapi.backends.numpy.lowering.views import (
    Root,
    View,
    broadcast,
    flipped,
    indexed,
    natural,
    permuted,
    reshaped,
)
from tl_arrayapi.graph.graph import Equation

__all__ = ["FORMS"]


def _reshape(selector: Selector, equation: Equation) -> View:
    view, shape = selector.view(equation.operands[0]), equation.result.shape
    found = reshaped(view, shape)
    return reshaped(selector.dense(view), shape) if found is None else found  # type: ignore[return-value]


def _permute_dims(selector: Selector, equation: Equation) -> View:
    return permuted(selector.view(equation.operands[0]), equation.get("axes"))


def _broadcast_to(selector: Selector, equation: Equation) -> View:
    return broadcast(selector.view(equation.operands[0]), equation.result.shape)


def _getitem(selector: Selector, equation: Equation) -> View:
    return indexed(selector.view(equation.operands[0]), equation.get("key"))


def _flip(selector: Selector, equation: Equation) -> View:
    axes = equation.get("axis")
    view = selector.view(equation.operands[0])
    return flipped(view, range(view.ndim) if axes is None else axes)


def _joined(selector: Selector, equation: Equation, keys: list[tuple[int | slice, ...]]) -> View:
    """Copy each operand to its part of a new array."""
    whole = natural(Root(equation.result.shape, equation.result.dtype))
    for x, key in zip(equation.operands, keys, strict=True):
        if x.size:
            selector.add("copy", "copyto", (selector.view(x),), indexed(whole, key))
    return whole


def _everything(shape: tuple[int, ...]) -> list[int | slice]:
    return [slice(0, n, 1) for n in shape]


def _concat(selector: Selector, equation: Equation) -> View:
    axis, start, keys = equation.get("axis"), 0, []
    for x in equation.operands:
        key = _everything(equation.result.shape)
        key[axis] = slice(start, start + x.shape[axis], 1)
        start += x.shape[axis]
        keys.append(tuple(key))
    return _joined(selector, equation, keys)


def _stack(selector: Selector, equation: Equation) -> View:
    axis, keys = equation.get("axis"), []
    for i in range(len(equation.operands)):
        key = _everything(equation.result.shape)
        key[axis] = i
        keys.append(tuple(key))
    return _joined(selector, equation, keys)


def _tile(selector: Selector, equation: Equation) -> View:
    view, counts = selector.view(equation.operands[0]), equation.get("repetitions")
    rank = max(view.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + tuple(counts)
    shape = (1,) * (rank - view.ndim) + view.shape
    apart = reshaped(view, tuple(n for size in shape for n in (1, size)))
    assert apart is not None  # Axes of length 1 never take a copy.
    tiled = broadcast(apart, tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return reshaped(selector.dense(tiled), equation.result.shape)  # type: ignore[return-value]


def _roll(selector: Selector, equation: Equation) -> View:
    view = selector.view(equation.operands[0])
    whole = natural(Root(view.shape, equation.result.dtype))
    shifts = [0] * view.ndim
    for shift, axis in zip(equation.get("shift"), equation.get("axis"), strict=True):
        shifts[axis] += shift
    # Along each axis what comes out at the end goes in at the start.
    halves = []
    for n, shift in zip(view.shape, shifts, strict=True):
        cut = shift % n if n else 0
        both = [(slice(0, cut, 1), slice(n - cut, n, 1)), (slice(cut, n, 1), slice(0, n - cut, 1))]
        halves.append([(to, source) for to, source in both if to.stop > to.start])
    for parts in product(*halves):
        to, source = tuple(p[0] for p in parts), tuple(p[1] for p in parts)
        selector.add("copy", "copyto", (indexed(view, source),), indexed(whole, to))
    return whole


FORMS: dict[str, Callable[[Selector, Equation], View]] = {
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "flip": _flip,
    "getitem": _getitem,
    "permute_dims": _permute_dims,
    "reshape": _reshape,
    "roll": _roll,
    "stack": _stack,
    "tile": _tile,
}
