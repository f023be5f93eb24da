"""The derivative rules, by kind; importing this package fills the table of primitives."""

from tl_arrayapi.autograd.rules import contraction, elementwise, fourier, indexing, movement, reduction, unruled

__all__ = ["contraction", "elementwise", "fourier", "indexing", "movement", "reduction", "unruled"]
