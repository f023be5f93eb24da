"""The derivative rules, by kind; importing this package fills the table of primitives."""

from tl_arrayapi.autograd.rules import (
    bessel,
    contraction,
    decompositions,
    elementwise,
    fourier,
    gamma,
    indexing,
    linalg,
    movement,
    powers,
    reduction,
    sets,
    special,
)

__all__ = [
    "bessel",
    "contraction",
    "decompositions",
    "elementwise",
    "fourier",
    "gamma",
    "indexing",
    "linalg",
    "movement",
    "powers",
    "reduction",
    "sets",
    "special",
]
