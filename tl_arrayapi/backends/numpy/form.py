"""The integers that draws are made of, with NumPy's faster ways for some of their operations."""

from typing import Any

import numpy

from tl_arrayapi.init.splitmix64 import Words

__all__ = ["NumPyWords"]


class NumPyWords(Words):
    """Draws with one uint64 an element; what is known to be less than 2**63 is taken for int64, which NumPy converts
    and looks up in half the time.
    """

    def high_product(self, x: Any, y: Any) -> Any:
        """Return the upper half of the product, in its own memory."""
        product = x * y
        product >>= 32
        return product

    def levelled(self, x: Any) -> tuple[Any, Any]:
        """Move those few numbers, one in 16 of the draws, that there is room for at all."""
        few = numpy.flatnonzero(x < 2**27)
        level = numpy.zeros_like(x)
        x[few], level[few] = super().levelled(x[few])
        return x, level

    def floats(self, x: Any, dtype: str) -> Any:
        """Return integers below 2**31 as floats."""
        return x.view(numpy.int64).astype(dtype)

    def looked_up(self, column: int, places: Any) -> Any:
        """Return what a column of the table of the normal distribution holds at ``places``, all of which it has."""
        return numpy.take(self.table[column], places.view(numpy.int64), mode="clip")
