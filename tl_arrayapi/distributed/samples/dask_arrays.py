"""A table of Dask arrays that are chunked along their first axis. Nothing is computed before a task asks for rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy

from tl_arrayapi import backends
from tl_arrayapi.distributed.samples.graphs import Work, delayed, is_collection, shared_out
from tl_arrayapi.distributed.samples.kinds import Kind
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.distributed.samples.table import Part
from tl_arrayapi.errors import ShapeError

__all__ = ["DaskArrays", "is_dask_array"]


def is_dask_array(x: Any) -> bool:
    """Say whether ``x`` is an array of Dask's.

    >>> is_dask_array(numpy.ones(3))
    False
    """
    return is_collection(x) and hasattr(type(x), "chunks") and hasattr(type(x), "numblocks")


@dataclass(frozen=True)
class _Blocks:
    """The blocks of one piece, one a column."""

    work: Work
    home: str

    @property
    def nbytes(self) -> int:
        return self.work.nbytes

    @property
    def inputs(self) -> tuple[Any, ...]:
        return self.work.inputs

    @property
    def arity(self) -> int:
        return self.work.arity

    def read(self, *inputs: Any) -> tuple[Packed, ...]:
        return tuple(Packed.read(x, self.home) for x in self.work.values(*inputs))


@dataclass(frozen=True)
class _Picked:
    """Rows picked from several blocks; ``order`` says which of them comes where."""

    inputs: tuple[Any, ...]
    arity: int
    order: numpy.ndarray[Any, Any]
    home: str
    nbytes: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return _Picked, ((), self.arity, self.order, self.home)

    def read(self, *inputs: Any) -> tuple[Packed, ...]:
        columns = []
        for blocks in zip(*inputs, strict=True):
            parts = [Packed.read(x) for x in blocks]
            joined = numpy.concatenate([part.values for part in parts])
            columns.append(Packed(joined[self.order], parts[0].dtype))
        return tuple(columns)


class DaskArrays:
    """The table of Dask ``arrays``; blocks that are in the library called ``home`` stay in it.

    Samples that lie in pieces are put together where ``join``, and refused otherwise. Raises ShapeError for these, and
    where chunks are not known, or numbers of samples differ.

    >>> import dask.array
    >>> table = DaskArrays((dask.array.ones((4, 2), chunks=(3, 2)),), "numpy")
    >>> table.length, list(table.borders), [part.read()[0].shape for part in table.parts([0, 3, 4])]
    (4, [0, 3, 4], [(3, 2), (1, 2)])
    """

    label = ""

    def __init__(
        self, arrays: tuple[Any, ...], home: str, names: Sequence[str] | None = None, *, join: bool = False
    ) -> None:
        names = [f"input {k}" for k in range(len(arrays))] if names is None else names
        arrays = tuple(_checked(x, name, join) for x, name in zip(arrays, names, strict=True))
        lengths = [int(x.shape[0]) for x in arrays]
        if len(set(lengths)) > 1:
            raise ShapeError(f"the arrays hold {', '.join(map(str, lengths))} samples: equal numbers are expected")
        if not lengths[0]:
            raise ShapeError("the arrays hold no samples: at least one is expected")
        self._arrays = arrays
        self._home = home
        self.length = lengths[0]
        self.borders = [0, *accumulate(map(int, arrays[0].chunks[0]))]
        dtype = backends.get(None).dtype_name
        self.kinds = tuple(
            Kind(name, tuple(map(int, x.shape[1:])), dtype(x.dtype)) for x, name in zip(arrays, names, strict=True)
        )

    def parts(self, bounds: Sequence[int]) -> Iterator[Part]:
        """Give the rows between each two neighbours of ``bounds``; arrays that are cut elsewhere are cut anew."""
        sizes = tuple(high - low for low, high in pairwise(bounds))
        arrays = [x.rechunk({0: sizes}) for x in self._arrays]
        for work in shared_out(arrays, _keys(arrays)):
            yield _Blocks(work, self._home)

    def take(self, places: Sequence[int]) -> Part:
        """Return the rows at ``places``, which tasks of their own pick from the blocks."""
        import dask

        pick = dask.delayed(_pick, pure=False)
        wanted = numpy.asarray(places, dtype=numpy.int64)
        blocks = numpy.searchsorted(self.borders, wanted, side="right") - 1
        # Within a block in the order asked for, and then back: each block is asked once.
        sorting = numpy.argsort(blocks, kind="stable")
        picked = [pick(wanted[blocks == i] - self.borders[i], *self._blocks[i]) for i in numpy.unique(blocks).tolist()]
        return _Picked(tuple(picked), len(picked), numpy.argsort(sorting), self._home)

    @cached_property
    def _blocks(self) -> list[tuple[Any, ...]]:
        sizes = tuple(high - low for low, high in pairwise(self.borders))
        arrays = [x.rechunk({0: sizes}) for x in self._arrays]
        return list(delayed(arrays, _keys(arrays)))


def _keys(arrays: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the keys of the blocks of arrays that are cut along their first axis alone, and alike."""
    return [tuple((x.name, i, *[0] * (x.ndim - 1)) for x in arrays) for i in range(arrays[0].numblocks[0])]


def _pick(rows: numpy.ndarray[Any, Any], *blocks: Any) -> tuple[Any, ...]:
    return tuple(Packed.read(x)[rows].values for x in blocks)


def _checked(x: Any, name: str, join: bool) -> Any:
    if not x.ndim:
        raise ShapeError(f"{name} is 0-d: its leading axis must be that of the samples")
    if any(math.isnan(n) for n in (*x.shape, *(n for along in x.chunks for n in along))):
        raise ShapeError(
            f"{name} has chunks of unknown sizes: call its compute_chunk_sizes() first, or give the shapes where it is "
            "made (from_delayed and map_blocks take them)"
        )
    split = {axis: -1 for axis, blocks in enumerate(x.numblocks) if axis and blocks > 1}
    if split and not join:
        raise ShapeError(
            f"{name} is chunked along axis {', '.join(map(str, split))}, so that a sample lies in pieces: chunk it "
            f"along its first axis alone, x = x.rechunk({split})"
        )
    return x.rechunk(split)
