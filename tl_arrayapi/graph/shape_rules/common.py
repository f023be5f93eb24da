"""What the rules of several kinds have in common: axes counted from the front, and shapes that broadcast."""

import operator
from collections.abc import Callable
from typing import Any

from tl_arrayapi.errors import ArgumentError, ShapeError

__all__ = [
    "LONGEST",
    "Rule",
    "Shape",
    "Shapes",
    "axes_of",
    "axis_of",
    "broadcast_shapes",
    "fits",
    "integer",
    "lengths",
    "replaced",
    "several",
]

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]
LONGEST = 2**63 - 1
"""The most elements that an axis can have."""

Rule = Callable[..., Shape | Shapes]


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that arrays of these shapes have together; raises `ShapeError` where they have none.

    >>> broadcast_shapes((3, 1), (4,), ())
    (3, 4)
    """
    first = shapes[0] if shapes else ()
    if all(shape == first for shape in shapes):
        return first
    rank = max(map(len, shapes))
    result = [1] * rank
    for shape in shapes:
        for i, n in enumerate(shape, rank - len(shape)):
            if n != 1 and n != result[i]:
                if result[i] != 1:
                    raise ShapeError(
                        f"shapes {' and '.join(map(str, shapes))} do not broadcast: axis {i - rank} has {result[i]} "
                        f"and {n} elements; make them equal, or one of them 1"
                    )
                result[i] = n
    return tuple(result)


def fits(shape: Shape, whole: Shape) -> bool:
    """Say whether an array of ``shape`` can be broadcast to ``whole``.

    >>> fits((3, 1), (2, 3, 4)), fits((2,), (1,))
    (True, False)
    """
    return len(shape) <= len(whole) and all(n in (1, m) for n, m in zip(reversed(shape), reversed(whole), strict=False))


def axis_of(axis: Any, rank: int) -> int:
    """Return ``axis`` counted from the front; raises `ArgumentError` where there is no such axis.

    >>> axis_of(-1, 3)
    2
    """
    found = integer(axis, "an axis")
    if not -rank <= found < rank:
        raise ArgumentError(f"there is no axis {found} among {rank}: give one from {-rank} to {rank - 1}")
    return found % rank


def axes_of(axes: Any, rank: int) -> tuple[int, ...]:
    """Return one axis or several, or all for None, counted from the front and in the order given; none comes twice.

    >>> axes_of((-1, 0), 3), axes_of(None, 2)
    ((2, 0), (0, 1))
    """
    if axes is None:
        return tuple(range(rank))
    found = tuple(axis_of(a, rank) for a in several(axes))
    if len(set(found)) < len(found):
        raise ArgumentError(f"axes {axes} of {rank} name one axis twice: name each once")
    return found


def lengths(shape: Any) -> Shape:
    """Return a static shape, which may be one integer, as a tuple; raises `ArgumentError` for a negative length.

    >>> lengths(3)
    (3,)
    """
    found = tuple(integer(n, "a length") for n in several(shape))
    if not all(0 <= n <= LONGEST for n in found):
        raise ArgumentError(f"shape {found} has a length that no array has: lengths are from 0 to {LONGEST}")
    return found


def replaced(shape: Shape, axis: int, *new: int) -> Shape:
    """Return ``shape`` with the length of an axis replaced by others: by none to take it out.

    >>> replaced((2, 3, 4), 1, 5), replaced((2, 3, 4), 1)
    ((2, 5, 4), (2, 4))
    """
    return (*shape[:axis], *new, *shape[axis + 1 :])


def several(items: Any) -> tuple[Any, ...]:
    """Return static items, which may be one alone, as a tuple.

    >>> several(2), several([2, 3])
    ((2,), (2, 3))
    """
    return tuple(items) if isinstance(items, (tuple, list)) else (items,)


def integer(value: Any, what: str) -> int:
    """Return an integer as Python's; raises `ArgumentError`, which says ``what`` it should have been, for all else.

    >>> integer(True, "a length")
    1
    """
    if not hasattr(value, "__index__") or hasattr(value, "shape"):
        raise ArgumentError(f"{value!r} is no integer, and {what} is: give a Python int")
    return int(operator.index(value))  # of True, too
