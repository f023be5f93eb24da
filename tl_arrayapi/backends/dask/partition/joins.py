"""Joining parts in an order that the number of them alone decides, so that the bits do not depend on who was first."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.backends.base import Backend
from tl_arrayapi.backends.registry import backend_of, get

__all__ = ["Join", "library_of"]


@dataclass(frozen=True, slots=True)
class Join:
    """Join tuples of parts, item by item, each by the function of that name: neighbours first, then pairs of them.

    >>> import numpy
    >>> Join(("add", "maximum"))([(numpy.float64(x), numpy.float64(x)) for x in (1.0, 5.0, 2.0)])
    (np.float64(8.0), np.float64(5.0))
    """

    functions: tuple[str, ...]

    def __call__(self, parts: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return one tuple."""
        joined: list[tuple[int, tuple[Any, ...]]] = []
        for part in parts:
            self.add(joined, part)
        return self.rest(joined)

    def add(self, joined: list[tuple[int, tuple[Any, ...]]], part: tuple[Any, ...]) -> None:
        """Add a part to those ``joined`` so far, each of which stands for a power of two of them."""
        level = 0
        while joined and joined[-1][0] == level:
            part = self._pair(joined.pop()[1], part)
            level += 1
        joined.append((level, part))

    def rest(self, joined: list[tuple[int, tuple[Any, ...]]]) -> tuple[Any, ...]:
        """Return what is left to join as one."""
        _, last = joined.pop()
        while joined:
            last = self._pair(joined.pop()[1], last)
        return last

    def _pair(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        xp = library_of(one).namespace
        return tuple(getattr(xp, name)(a, b) for name, a, b in zip(self.functions, one, other, strict=True))


def library_of(arguments: Any) -> Backend:
    """Return the backend of the first array among arguments, or in them; NumPy's where there is none."""
    for x in arguments:
        if isinstance(x, (tuple, list)):
            if x:
                return library_of(x)
        else:
            return backend_of(x)
    return get(None)
