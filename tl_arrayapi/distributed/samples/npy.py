"""Arrays in .npy files, mapped into memory: pages are read when they are used."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy

from tl_arrayapi.errors import DataError, StructureError

__all__ = ["NpyReader"]


@dataclass(frozen=True)
class NpyReader:
    """Read rows of the array in a .npy file."""

    path: str
    shape: tuple[int, ...]
    dtype: numpy.dtype[Any]

    @classmethod
    def open(cls, path: str, columns: Any) -> "NpyReader":
        """Read what describes the array."""
        if columns is not None:
            raise StructureError("a .npy file holds one array, without a name: leave columns out")
        mapped = _mapped(path)
        if not mapped.ndim:
            raise StructureError("it holds a 0-d array: the leading axis must be that of the samples")
        return cls(path, mapped.shape, mapped.dtype)

    @property
    def length(self) -> int:
        """The number of rows."""
        return self.shape[0]

    @property
    def columns(self) -> Sequence[tuple[str, tuple[int, ...], numpy.dtype[Any]]]:
        """The one column."""
        return [("", self.shape[1:], self.dtype)]

    @property
    def borders(self) -> None:
        """Any place is as good as another."""
        return None

    def read(self, rows: "slice | numpy.ndarray[Any, Any]") -> Sequence[numpy.ndarray[Any, Any]]:
        """Return rows of the array, in its mapping where they follow one another."""
        mapped = _mapped(self.path)
        if (mapped.shape, mapped.dtype) != (self.shape, self.dtype):
            raise DataError(
                f"it holds {mapped.dtype} of shape {mapped.shape} now, and {self.dtype} of shape {self.shape} when it "
                "was opened: a file must not change meanwhile"
            )
        return [mapped[rows].view(numpy.ndarray)]


def _mapped(path: str) -> Any:
    found = os.stat(path)
    described = _described(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return numpy.memmap(path, mode="r", **described)


@lru_cache(maxsize=64)
def _described(path: str, *version: int) -> dict[str, Any]:
    """Return what describes the array in some version of a file: to parse that takes longer than to map the file."""
    # Of an array of Python objects, which would have to be unpickled, it makes an error.
    mapped = numpy.lib.format.open_memmap(path, mode="r")
    order = "C" if mapped.flags.c_contiguous else "F"
    return {"dtype": mapped.dtype, "offset": mapped.offset, "shape": mapped.shape, "order": order}
