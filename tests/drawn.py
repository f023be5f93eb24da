"""One initialiser for each kind of arithmetic that draws, and what native fills are compared with."""

import numpy as np

from tl_arrayapi import init
from tl_arrayapi.init.fills import draw_box
from tl_arrayapi.init.formats import FORMATS
from tl_arrayapi.init.recipes import Drawn

__all__ = ["RECIPES", "SCHEMES", "reference"]

SCHEMES = {
    "about 0": init.xavier_uniform(3, 5, seed=3),
    "range": init.uniform(0.1, 0.7, seed=2**64 - 1),
    "range without a tail": init.uniform(-2, 5, seed=9),
    "normal": init.normal(0, 1.5, seed=2**63),
    "normal off 0": init.normal(0.5, 2, seed=4),
    "truncated": init.truncated_normal(0, 1, -2, 2, seed=5),
    "truncated off 0": init.truncated_normal(0.3, 1.5, -2, 0.5, seed=6),
}
# Bounds and deviations beside the least normal numbers, where arithmetic leaves them.
_TINY = {"float32": 1e-38, "float64": 1e-307}

RECIPES: dict[str, Drawn] = {
    f"{name}, {dtype}": scheme.recipe(form) for name, scheme in SCHEMES.items() for dtype, form in FORMATS.items()
} | {
    f"tiny {name}, {dtype}": make(tiny).recipe(FORMATS[dtype])
    for dtype, tiny in _TINY.items()
    for name, make in {
        "about 0": lambda tiny: init.uniform(-tiny, tiny, seed=7),
        "range": lambda tiny: init.uniform(0, tiny, seed=7),
        "normal": lambda tiny: init.normal(0, tiny, seed=7),
    }.items()
}


def reference(recipe: Drawn, count: int, start: int = 0) -> np.ndarray:
    """Return the portable fill's values from ``start`` on; uint16 for bfloat16, its bits."""
    form = recipe.format
    exact = draw_box(recipe, (2**60,), (start,), (start + count,), np, form.compute)
    if form.name != "bfloat16":
        return exact.astype(form.name)
    rounded = np.asarray([form.round(value) for value in exact.tolist()], np.float32)
    return (rounded.view(np.uint32) >> 16).astype(np.uint16)
