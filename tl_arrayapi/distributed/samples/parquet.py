"""Parquet files, read by row groups."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy

from tl_arrayapi.errors import DataError, DTypeError, MissingLibraryError, StructureError

__all__ = ["ParquetReader"]

_Input = tuple[str, ...]
_Column = tuple[str, tuple[int, ...], numpy.dtype[Any]]


@dataclass(frozen=True)
class ParquetReader:
    """Read rows of a Parquet file; each of ``inputs`` is one column (a plain name), or several side by side."""

    path: str
    inputs: tuple[str | _Input, ...]
    columns: tuple[_Column, ...]
    borders: tuple[int, ...]

    @classmethod
    def open(cls, path: str, columns: Any, wanted: Sequence[str] | None) -> "ParquetReader":
        """Read what describes the columns."""
        with _library().ParquetFile(path) as file:
            schema = file.schema_arrow
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        inputs = _inputs(columns, wanted, schema.names)
        described = tuple(_described(schema, chosen) for chosen in inputs)
        return cls(path, inputs, described, (0, *accumulate(sizes)))

    @property
    def length(self) -> int:
        """The number of rows."""
        return self.borders[-1]

    def read(self, rows: "slice | numpy.ndarray[Any, Any]") -> Sequence[numpy.ndarray[Any, Any]]:
        """Return rows of the columns; whole row groups are read for them."""
        if isinstance(rows, slice):
            low, found = self._between(rows.start, rows.stop)
            return [x[rows.start - low : rows.stop - low] for x in found]
        columns: list[list[numpy.ndarray[Any, Any]]] = [[] for _ in self.inputs]
        groups = numpy.searchsorted(self.borders, rows, side="right") - 1
        # Group by group, and then back in the order asked for.
        back = numpy.argsort(numpy.argsort(groups, kind="stable"))
        for group in numpy.unique(groups).tolist():
            low, found = self._between(self.borders[group], self.borders[group + 1])
            for column, x in zip(columns, found, strict=True):
                column.append(x[rows[groups == group] - low])
        return [numpy.concatenate(column)[back] for column in columns]

    def _between(self, low: int, high: int) -> tuple[int, list[numpy.ndarray[Any, Any]]]:
        """Return the row groups that have rows from ``low`` to ``high``, and the place of their first row."""
        first = int(numpy.searchsorted(self.borders, low, side="right")) - 1
        last = int(numpy.searchsorted(self.borders, high, side="left"))
        names = list(dict.fromkeys(n for chosen in self.inputs for n in _names(chosen)))
        with _library().ParquetFile(self.path) as file:
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            if (0, *accumulate(sizes)) != self.borders:
                raise DataError("it has other row groups than when it was opened: a file must not change meanwhile")
            read = file.read_row_groups(list(range(first, last)), columns=names, use_threads=False)
        return self.borders[first], [self._input(read, chosen) for chosen in self.inputs]

    def _input(self, read: Any, chosen: str | _Input) -> numpy.ndarray[Any, Any]:
        if isinstance(chosen, str):
            return _values(read.column(chosen), chosen)
        return numpy.stack([_values(read.column(name), name) for name in chosen], axis=1)


def _library() -> Any:
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingLibraryError("Parquet files need the library pyarrow: pip install pyarrow") from error


def _names(chosen: str | _Input) -> _Input:
    return (chosen,) if isinstance(chosen, str) else chosen


def _inputs(columns: Any, wanted: Sequence[str] | None, present: Sequence[str]) -> tuple[str | _Input, ...]:
    inputs = columns or wanted or (present if len(present) == 1 else ())
    names = [name for chosen in inputs for name in _names(chosen)]
    if not names or not set(names) <= set(present) or not all(map(_names, inputs)):
        raise StructureError(
            f"it has the columns {', '.join(present)}, and {', '.join(map(str, names)) or 'none'} are asked for: name "
            "those of the inputs, files(path, columns=[...])"
        )
    return tuple(inputs)


def _described(schema: Any, chosen: str | _Input) -> _Column:
    entries = [_entry(schema.field(name).type, name) for name in _names(chosen)]
    if len(set(entries)) > 1 or (not isinstance(chosen, str) and entries[0][0]):
        raise DTypeError(
            f"the columns {', '.join(_names(chosen))} cannot stand side by side: plain ones of one type can"
        )
    shape, dtype = entries[0]
    return ", ".join(_names(chosen)), shape if isinstance(chosen, str) else (len(chosen),), dtype


def _entry(kind: Any, name: str) -> tuple[tuple[int, ...], numpy.dtype[Any]]:
    """Return shape and dtype of the entries of a column, lists of fixed size being arrays."""
    shape: tuple[int, ...] = ()
    while hasattr(kind, "list_size"):
        shape, kind = (*shape, int(kind.list_size)), kind.value_type
    try:
        dtype = numpy.dtype(kind.to_pandas_dtype())
    except (NotImplementedError, TypeError) as error:
        raise DTypeError(f"column {name} has entries of {kind}: numbers are expected") from error
    if dtype.kind not in "biuf":
        raise DTypeError(f"column {name} has entries of {kind}: numbers, or lists of a fixed size, are expected")
    return shape, dtype


def _values(column: Any, name: str) -> numpy.ndarray[Any, Any]:
    array, shape = column.combine_chunks(), [len(column)]
    while hasattr(array.type, "list_size"):
        if array.null_count:
            break
        shape.append(int(array.type.list_size))
        array = array.flatten()
    if array.null_count:
        raise DataError(f"column {name} has {array.null_count} missing values: fill them in, or drop their rows")
    values: numpy.ndarray[Any, Any] = array.to_numpy(zero_copy_only=False)
    return values.reshape(shape)
