"""Choose the cut: the axis that the chunks of the inputs have in common, and what must be chunked anew for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tl_arrayapi.backends.dask.partition.lattice import Split, Unsplittable

__all__ = ["Chunks", "Grid", "grid_of"]

Chunks = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Grid:
    """How many steps each chunk has, how each input is held, and the ``chunks`` to bring it to, where it has others.

    ``notes`` say what is chunked anew.
    """

    steps: tuple[int, ...]
    splits: tuple[Split | None, ...]
    chunks: tuple[Chunks | None, ...]
    notes: tuple[str, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        """The step that each chunk begins with."""
        return tuple(sum(self.steps[:i]) for i in range(len(self.steps)))


def grid_of(inputs: Sequence[tuple[Chunks, int]], limit: int) -> Grid:
    """Return the grid for inputs of these chunks and bytes an element; no chunks above ``limit`` bytes are made.

    The largest input that is chunked gives the cut. Raises `Unsplittable` where another one cannot follow it.

    >>> grid = grid_of([(((4, 4, 2), (3,)), 8), (((5, 5),), 8), (((3,),), 8)], limit=1000)
    >>> grid.steps, grid.splits, grid.notes
    ((2, 2, 1), (Split(axis=0, unit=2), Split(axis=0, unit=2), None), ('input 1: chunks (5, 5) become (4, 4, 2)',))
    """
    cut = [i for i, (chunks, _) in enumerate(inputs) if any(_lengths(along) for along in chunks)]
    if not cut:
        return Grid((), (None,) * len(inputs), (None,) * len(inputs), ())
    leader = max(cut, key=lambda i: _nbytes(*inputs[i]))
    along = max((found for axis in inputs[leader][0] if (found := _lengths(axis))), key=len)
    unit = math.gcd(*along)
    steps = tuple(n // unit for n in along)
    splits: list[Split | None] = []
    anew: list[Chunks | None] = []
    notes: list[str] = []
    for i, (chunks, itemsize) in enumerate(inputs):
        split = _split(chunks, steps) if i in cut else None
        wanted = tuple(
            tuple(split.unit * n for n in steps) if split is not None and split.axis == a else (sum(lengths),)
            for a, lengths in enumerate(chunks)
        )
        splits.append(split)
        anew.append(None if wanted == chunks else wanted)
        if wanted != chunks:
            biggest = itemsize * math.prod(max(lengths, default=0) for lengths in wanted)
            if biggest > limit:
                raise Unsplittable(
                    f"input {i}, of shape {tuple(map(sum, chunks))}, fits no cut along one axis as it is, "
                    f"and to chunk it anew would make chunks of {biggest} bytes: {_shown(chunks, wanted)}"
                )
            notes.append(f"input {i}: {_shown(chunks, wanted)}")
    return Grid(steps, tuple(splits), tuple(anew), tuple(notes))


def _lengths(along: Sequence[int]) -> tuple[int, ...]:
    """Return the lengths of chunks along an axis that holds several; empty ones do not count."""
    found = tuple(n for n in along if n)
    return found if len(found) > 1 else ()


def _nbytes(chunks: Chunks, itemsize: int) -> int:
    return itemsize * math.prod(map(sum, chunks))


def _split(chunks: Chunks, steps: tuple[int, ...]) -> Split | None:
    """Return the split of an input along the grid: of an axis cut just so, or else of one of several chunks that
    could be.
    """
    total = sum(steps)
    fitting = [a for a, lengths in enumerate(chunks) if _lengths(lengths) and sum(lengths) % total == 0]
    exact = [a for a in fitting if _lengths(chunks[a]) == tuple(sum(chunks[a]) // total * n for n in steps)]
    axis = next(iter([*exact, *fitting]), None)
    return None if axis is None else Split(axis, sum(chunks[axis]) // total)


def _shown(chunks: Chunks, wanted: Chunks) -> str:
    changed = [(a, b) for a, b in zip(chunks, wanted, strict=True) if a != b]
    return ", ".join(f"chunks {_short(a)} become {_short(b)}" for a, b in changed)


def _short(lengths: tuple[int, ...]) -> str:
    return str(lengths) if len(lengths) <= 4 else f"({lengths[0]}, {lengths[1]}, ..., {lengths[-1]})"
