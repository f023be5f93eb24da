"""Round float32 to the formats that are computed in it."""

from typing import Any

import numpy

__all__ = ["narrow"]


def narrow(values: Any, out: Any) -> None:
    """Write float32 ``values``, all finite, into ``out``: float16, or uint16 for the bits of bfloat16. They are rounded
    to the nearest, ties to even.
    """
    if out.dtype != numpy.uint16:
        numpy.copyto(out, values, casting="same_kind")
        return
    bits = values.view(numpy.uint32)
    # Half of the last place that stays, and one more where that place is odd: the carry rounds.
    numpy.copyto(out, (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16, casting="unsafe")
