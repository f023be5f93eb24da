"""The same samples as sources of every kind, and what a whole pass over one brings."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tl_arrayapi as tl
from tests.distributed.problems import arrays
from tl_arrayapi.distributed.samples import files
from tl_arrayapi.distributed.samples.chunk import Chunk
from tl_arrayapi.distributed.samples.graphs import computed

__all__ = ["KINDS", "RANDOM_ACCESS", "chunks", "gathered", "make", "sent"]


def _dask(x: Any, rows: int) -> Any:
    import dask.array

    return dask.array.from_array(x, chunks=(rows, *x.shape[1:]))


def _bag(values: Any, parts: int) -> Any:
    import dask.bag

    return dask.bag.from_sequence(values, npartitions=parts)


def _delayed(x: Any, y: Any, size: int) -> Any:
    import dask

    made = dask.delayed(lambda low: (x[low : low + size], y[low : low + size]))
    return [made(low) for low in range(0, len(x), size)]


def _npy(folder: Path, x: Any, y: Any) -> Any:
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", np.asfortranarray(y))
    return folder / "x.npy", str(folder / "y.npy")


def _zarr(folder: Path, x: Any, y: Any) -> Any:
    import zarr

    group = zarr.open_group(folder / "data.zarr", mode="w")
    group.create_array("y", data=y, chunks=(4, 2))
    group.create_array("x", data=x, chunks=(3, 5))
    return folder / "data.zarr"


def _parquet(folder: Path, x: Any, y: Any) -> Any:
    import pyarrow
    import pyarrow.parquet

    columns = {f"y{k}": y[:, k] for k in range(y.shape[1])}
    columns["x"] = pyarrow.FixedSizeListArray.from_arrays(x.ravel(), x.shape[1])
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "data.parquet", row_group_size=7)
    return files(folder / "data.parquet", columns=["x", ["y0", "y1", "y2"]])


def _weights(folder: Path, weights: Any) -> Any:
    np.save(folder / "w.npy", weights)
    return folder / "w.npy"


_Made = tuple[Any, Callable[[Any], Any]]

# Each gives samples, and turns an array of weights into weights for them.
_MAKERS: dict[str, Callable[[Path, Any, Any], _Made]] = {
    "list": lambda folder, x, y: (list(zip(x, y, strict=True)), list),
    "stacked": lambda folder, x, y: (tl.stack_samples(x, y), np.asarray),
    "dask": lambda folder, x, y: ((_dask(x, 4), _dask(y, 4)), lambda w: _dask(w, 4)),
    "dask cut otherwise": lambda folder, x, y: ((_dask(x, 4) + 0, _dask(y, 3)), lambda w: _dask(w, 5)),
    "stacked dask": lambda folder, x, y: (tl.stack_samples(_dask(x, 5), _dask(y, 5)), np.asarray),
    "npy": lambda folder, x, y: (_npy(folder, x, y), lambda w: _weights(folder, w)),
    "zarr": lambda folder, x, y: (_zarr(folder, x, y), np.asarray),
    "parquet": lambda folder, x, y: (_parquet(folder, x, y), lambda w: _dask(w, 3)),
    "bag": lambda folder, x, y: (_bag(list(zip(x, y, strict=True)), 4), lambda w: _bag(w.tolist(), 4)),
    "delayed": lambda folder, x, y: (_delayed(x, y, 6), lambda w: _dask(w, 6)),
    "batches": lambda folder, x, y: (((x[i : i + 4], y[i : i + 4]) for i in range(0, len(x), 4)), list),
}
KINDS = tuple(_MAKERS)
RANDOM_ACCESS = tuple(kind for kind in KINDS if kind not in ("bag", "delayed", "batches"))


def make(kind: str, folder: Path, count: int) -> _Made:
    """Return ``count`` samples of `problems` as that kind of source, and a function from weights to their weights."""
    return _MAKERS[kind](folder, *arrays(count))


def sent(piece: Any) -> Chunk:
    """Return what a piece loads where it was sent to."""
    inputs = computed(piece.inputs)
    chunk: Chunk = pickle.loads(pickle.dumps(piece)).load(*inputs)
    return chunk


def chunks(source: Any) -> list[Chunk]:
    """Return the chunks of a whole pass, each as sent to another process."""
    return [sent(piece) for piece in source]


def gathered(module: Any, found: list[Chunk]) -> list[Any]:
    """Return the columns of chunks one after another, and the weights."""
    columns = [[*c.columns(module), np.ones(len(c)) if c.weights is None else c.weights] for c in found if len(c)]
    return [np.concatenate(column) for column in zip(*columns, strict=True)]
