"""Zarr arrays and groups of them, read chunk by chunk."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from tl_arrayapi.distributed.samples.bounds import bounds
from tl_arrayapi.errors import DataError, MissingLibraryError, ShapeError, StructureError

__all__ = ["ZarrReader"]


@dataclass(frozen=True)
class ZarrReader:
    """Read rows of Zarr arrays: of the one at ``path`` (``names`` is None), or of those of the group there."""

    path: str
    names: tuple[str, ...] | None
    length: int
    columns: tuple[tuple[str, tuple[int, ...], numpy.dtype[Any]], ...]
    borders: Sequence[int]

    @classmethod
    def open(cls, path: str, columns: Any, wanted: Sequence[str] | None) -> "ZarrReader":
        """Read what describes the arrays."""
        zarr = _library()
        opened = zarr.open(path, mode="r")
        names = None
        if isinstance(opened, zarr.Group):
            names = _names(columns, wanted, sorted(opened.array_keys()))
        elif columns is not None:
            raise StructureError("it is one array, without columns: leave columns out")
        arrays = _arrays(opened, names)
        for name, x in zip(names or [""], arrays, strict=True):
            if not x.ndim:
                raise ShapeError(f"the array {name!r} is 0-d: the leading axis must be that of the samples")
        lengths = [int(x.shape[0]) for x in arrays]
        if len(set(lengths)) > 1:
            raise ShapeError(f"the arrays hold {', '.join(map(str, lengths))} samples: equal numbers are expected")
        rows = max(int((getattr(x, "shards", None) or x.chunks)[0]) for x in arrays)
        described = tuple(
            (name, tuple(map(int, x.shape[1:])), numpy.dtype(x.dtype))
            for name, x in zip(names or [""], arrays, strict=True)
        )
        return cls(path, names, lengths[0], described, bounds(lengths[0], max(rows, 1)))

    def read(self, rows: "slice | numpy.ndarray[Any, Any]") -> Sequence[numpy.ndarray[Any, Any]]:
        """Return rows of the arrays."""
        arrays = _arrays(_library().open(self.path, mode="r"), self.names)
        found = [(tuple(x.shape), numpy.dtype(x.dtype)) for x in arrays]
        announced = [((self.length, *shape), dtype) for _, shape, dtype in self.columns]
        if found != announced:
            raise DataError(f"it holds {found} now, and held {announced} when it was opened: it must not change")
        if isinstance(rows, slice):
            return [numpy.asarray(x[rows]) for x in arrays]
        places, back = numpy.unique(rows, return_inverse=True)
        return [numpy.asarray(x.oindex[places])[back] for x in arrays]


def _library() -> Any:
    try:
        return importlib.import_module("zarr")
    except ImportError as error:
        raise MissingLibraryError("Zarr arrays need the library zarr: pip install 'zarr>=3'") from error


def _names(columns: Any, wanted: Sequence[str] | None, present: Sequence[str]) -> tuple[str, ...]:
    names = tuple(columns or wanted or ())
    if not names or not all(isinstance(name, str) and name in present for name in names):
        raise StructureError(
            f"it is a group of the arrays {', '.join(present)}, and {', '.join(map(str, names)) or 'no'} columns are "
            "asked for: name those of the inputs, files(path, columns=[...])"
        )
    return names


def _arrays(opened: Any, names: tuple[str, ...] | None) -> list[Any]:
    arrays = [opened] if names is None else [opened[name] for name in names]
    for x in arrays:
        described = x.metadata.to_dict()
        # A codec of this kind runs what is in the file.
        if "pickle" in repr([described.get(key) for key in ("filters", "compressor", "codecs")]).lower():
            raise DataError("its chunks are pickles, which are never read: store it with another codec")
    return arrays
