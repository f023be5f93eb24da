"""How much of a chunk to work on at once: so much that all its values in a stage stay in the processor's cache."""

import math

from tl_arrayapi.backends.dask.partition.lattice import Split, nbytes
from tl_arrayapi.backends.dask.partition.stages import Form, Stage
from tl_arrayapi.graph.graph import Var

__all__ = ["BLOCK_BYTES", "block_of"]

BLOCK_BYTES = 1 << 24
"""The bytes of all values of a block together, few of which live at once: these stay in a processor's cache."""

_PER_PART = 4
"""A block has at least so many times the bytes of the parts that it makes, which have to be joined."""


def block_of(stage: Stage, longest: int) -> int:
    """Return how many pieces of a step make a block, of a chunk of ``longest`` steps at most: all of them where the
    stage runs once, or its chunks are not cut along the first axis, so that their blocks would lie scattered.
    """
    if not stage.chunks or _scattered(stage):
        return longest * stage.pieces
    forms: dict[tuple[Var, Form], None] = dict(stage.reads)
    for entry in stage.entries:
        forms.update(dict.fromkeys(zip(entry.equation.results, entry.results, strict=True)))
    # The bytes that one step of the grid adds.
    each = sum(nbytes(v) // v.shape[form.axis] * form.unit for v, form in forms if isinstance(form, Split))
    parts = sum(map(nbytes, stage.parts))
    return math.ceil(max(BLOCK_BYTES, _PER_PART * parts) * stage.pieces / max(1, each))


def _scattered(stage: Stage) -> bool:
    return any(isinstance(form, Split) and form.axis for _, form in stage.reads)
