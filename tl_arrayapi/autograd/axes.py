"""Axes counted from the front: what is done with an axis before a library sees it must not make a wrong one right."""

from tl_arrayapi.errors import ArgumentError

__all__ = ["from_front"]


def from_front(axis: int, rank: int, where: str) -> int:
    """Return ``axis`` counted from the front of the ``rank`` axes of ``where``; raises `ArgumentError` for one that is
    not there.

    >>> from_front(-1, 3, "x")
    2
    """
    if not -rank <= axis < rank:
        raise ArgumentError(f"{where} has no axis {axis}: its number of axes is {rank}")
    return axis % rank
