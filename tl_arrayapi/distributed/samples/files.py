"""Files as tables: the client reads what describes them, workers read the rows. Nothing in a file is ever unpickled."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy

from tl_arrayapi import backends
from tl_arrayapi.distributed.samples.kinds import Kind
from tl_arrayapi.distributed.samples.npy import NpyReader
from tl_arrayapi.distributed.samples.packed import Packed
from tl_arrayapi.distributed.samples.parquet import ParquetReader
from tl_arrayapi.distributed.samples.table import Part
from tl_arrayapi.distributed.samples.zarr_arrays import ZarrReader
from tl_arrayapi.errors import DataError, DTypeError, StructureError, TLError

__all__ = ["FileTable", "Files", "Reader", "files", "is_path", "open_files"]

_Columns = Sequence[str | Sequence[str]]


class Reader(Protocol):
    """What knows one kind of file; it travels to the workers."""

    @property
    def length(self) -> int:
        """The number of rows."""

    @property
    def columns(self) -> Sequence[tuple[str, tuple[int, ...], numpy.dtype[Any]]]:
        """The name of each column, the shape of one row's entry, and the dtype."""

    @property
    def borders(self) -> Sequence[int] | None:
        """Where cutting makes reading cheap."""

    def read(self, rows: "slice | numpy.ndarray[Any, Any]") -> Sequence[numpy.ndarray[Any, Any]]:
        """Return the rows of a slice, or those at places, one array a column."""


@dataclass(frozen=True)
class Files:
    """Name files whose rows are samples: see `files`."""

    paths: tuple[str, ...]
    columns: tuple[str | tuple[str, ...], ...] | None
    cast: bool


def is_path(x: Any) -> bool:
    """Say whether ``x`` is a path: a string, or what has ``__fspath__``.

    >>> is_path("x.npy"), is_path(3)
    (True, False)
    """
    return isinstance(x, str | os.PathLike)


def files(*paths: Any, columns: _Columns | None = None, cast: bool = False) -> Files:
    """Return samples that are rows of files, which those who work read for themselves.

    Each of ``paths`` is a ``.npy`` file, a Zarr array, or a Parquet file of one column, and one input of the loss; or
    else there is one path, of a Zarr group or a Parquet file, and ``columns`` are the names of the inputs in it, in
    Parquet also lists of names whose columns stand side by side in one input. Where ``columns`` are left out they are
    the names of the loss's arguments. With ``cast``, floating numbers are rounded to the module's dtype when they are
    read. Workers must find the files under the same absolute paths; while they are read nobody may write to them.

    Wherever samples are expected, one path, or a tuple of paths, stands for ``files`` of it.

    Raises StructureError for what is no path, or columns of several files.

    >>> files("x.npy", "y.npy").paths
    ('x.npy', 'y.npy')
    >>> files("rows.parquet", columns=[["height", "width"], "price"]).columns
    (('height', 'width'), 'price')
    """
    if not paths or not all(map(is_path, paths)):
        raise StructureError(f"files are named by one path or several; got {', '.join(map(repr, paths)) or 'none'}")
    if columns is not None and len(paths) > 1:
        raise StructureError(f"columns are names in one file, and there are {len(paths)}: give one path, or no columns")
    if columns is not None and (isinstance(columns, str) or not columns):
        raise StructureError(f"columns are a list with the names for each input; got {columns!r}")
    chosen = None if columns is None else tuple(c if isinstance(c, str) else tuple(c) for c in columns)
    return Files(tuple(os.fspath(path) for path in paths), chosen, cast)


def open_files(given: Files, dtype: str, wanted: Sequence[str] | None) -> tuple["FileTable", ...]:
    """Return the tables of files; ``wanted`` are the names of columns where none are given, None where nobody knows.

    Raises DataError for files that cannot be read, StructureError or DTypeError for what cannot be samples.
    """
    return tuple(_open(path, given, dtype, wanted) for path in given.paths)


def _open(path: str, given: Files, dtype: str, wanted: Sequence[str] | None) -> "FileTable":
    whole = os.path.abspath(path)
    with _readable(path):
        match _suffix(path):
            case ".npy":
                reader: Reader = NpyReader.open(whole, given.columns)
            case ".zarr":
                reader = ZarrReader.open(whole, given.columns, wanted if len(given.paths) == 1 else None)
            case ".parquet":
                reader = ParquetReader.open(whole, given.columns, wanted if len(given.paths) == 1 else None)
            case suffix:
                raise StructureError(
                    f"the str {path!r} is taken for a path, and files ending in {suffix or 'nothing'} are not read: "
                    ".npy, .zarr or .parquet is expected"
                )
        return FileTable(path, reader, dtype if given.cast else None)


def _suffix(path: str) -> str:
    # An array within a Zarr group goes by a path that goes on after the suffix.
    parts = os.path.normpath(path).split(os.sep)
    return ".zarr" if any(part.endswith(".zarr") for part in parts) else os.path.splitext(path)[1].lower()


@contextmanager
def _readable(where: str) -> Iterator[None]:
    try:
        yield
    except TLError as error:
        if where not in str(error):
            raise type(error)(f"{where}: {error}") from error
        raise
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        # Whatever the libraries that read files make of a missing, cut short or broken one.
        raise DataError(f"{where} cannot be read ({type(error).__name__}: {error})") from error


class FileTable:
    """The table of one file; floating columns are rounded to ``cast`` where that is not None."""

    def __init__(self, label: str, reader: Reader, cast: str | None) -> None:
        self.label = label
        self.length = reader.length
        self.borders = reader.borders
        self._reader = reader
        self._cast = cast
        self.kinds = tuple(_kind(label, column, cast) for column in reader.columns)
        if not self.length:
            raise StructureError(f"{label} has no rows: at least one is expected")

    def parts(self, bounds: Sequence[int]) -> Iterator[Part]:
        """Give the rows between each two neighbours of ``bounds``."""
        for low, high in pairwise(bounds):
            yield _FileRows(self._reader, slice(low, high), self.label, self._cast)

    def take(self, places: Sequence[int]) -> Part:
        """Return the rows at ``places``."""
        return _FileRows(self._reader, numpy.asarray(places, dtype=numpy.int64), self.label, self._cast)


def _kind(label: str, column: tuple[str, tuple[int, ...], numpy.dtype[Any]], cast: str | None) -> Kind:
    name, shape, dtype = column
    called = f"{name} of {label}" if name else label
    try:
        found = backends.get(None).dtype_name(dtype)
    except DTypeError as error:
        raise DTypeError(f"{called} has entries of {dtype}: numbers or booleans are expected") from error
    return Kind(called, shape, cast if cast is not None and found.startswith("float") else found)


@dataclass(frozen=True)
class _FileRows:
    """Rows that are read where they are used."""

    reader: Reader
    rows: Any
    label: str
    cast: str | None

    @property
    def nbytes(self) -> int:
        return 0 if isinstance(self.rows, slice) else int(self.rows.nbytes)

    @property
    def inputs(self) -> tuple[Any, ...]:
        return ()

    @property
    def arity(self) -> int:
        return 0

    def read(self) -> tuple[Packed, ...]:
        with _readable(self.label):
            packed = [Packed.read(x) for x in self.reader.read(self.rows)]
        return tuple(packed if self.cast is None else (x.cast(self.cast) for x in packed))
