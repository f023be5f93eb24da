"""What a task has to know, as plain data that travels to a worker: a stage, and where its inputs come from."""

import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tl_arrayapi.backends.dask.partition.lattice import Split
from tl_arrayapi.backends.dask.partition.local import Counted
from tl_arrayapi.backends.dask.partition.stages import Form, Stage
from tl_arrayapi.backends.program import Runtime
from tl_arrayapi.graph.graph import Var

__all__ = ["Gathered", "Joined", "Source", "Taken", "Work", "unpacked"]


@dataclass(frozen=True, slots=True)
class Taken:
    """An input that is an argument of the task, or the item ``slot`` of one; with ``split``, it is cut along the grid.
    ``whole`` says that the argument is not: the chunk's own part has to be cut from it.
    """

    argument: int
    slot: int | None = None
    split: Split | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """An input that is joined from parts: the item ``slot`` of each in the list that is an argument."""

    argument: int
    slot: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """An input whose chunks come together along ``axis``: the item ``slot`` of each in the list that is an argument."""

    argument: int
    slot: int | None
    axis: int


Source = Taken | Joined | Gathered | Counted


@dataclass(frozen=True)
class Work:
    """What a task has to know: a stage and its outputs, where its inputs come from, and the functions that join the
    parts that it takes and those that it makes. ``runtime`` gives the functions of the library that it is handed.
    """

    stage: Stage
    outputs: tuple[tuple[Var, Form], ...]
    sources: tuple[Source, ...]
    joins: tuple[str, ...]
    runtime: Callable[[Any], Runtime]
    pieces: int
    """How many pieces a step of the grid may be cut into."""
    block: int
    """So many pieces are one block of a chunk on the host."""

    def packed(self) -> bytes:
        """Return this as bytes; functions go by their names."""
        return zlib.compress(pickle.dumps(self, pickle.HIGHEST_PROTOCOL))


@lru_cache(maxsize=256)
def unpacked(packed: bytes) -> Work:
    """Return what `Work.packed` made bytes of; the same bytes give the same object again."""
    work = pickle.loads(zlib.decompress(packed))
    assert isinstance(work, Work)
    return work
