"""The gradients that a compiled step works with, told from what it makes of the parameters.

What is timed is the whole step as one program, which hands out no gradients. One step at a rate so great that the
parameters drown in it shows them all the same, and so it is the program that is timed that is checked.
"""

from collections.abc import Sequence

import numpy as np

__all__ = ["RATE", "gradients"]

RATE = 2.0**20
"""A power of two: neither the product with it nor the quotient rounds."""


def gradients(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the gradients of the step at `RATE` from parameters ``before`` to ``after``, in float64."""
    return [(np.asarray(b, np.float64) - a) / RATE for b, a in zip(before, after, strict=True)]
