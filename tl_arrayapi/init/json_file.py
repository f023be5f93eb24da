"""JSON files of the library's own: written at once or not at all, and read with suspicion."""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from tl_arrayapi.errors import ShapeError
from tl_arrayapi.init.messages import cut, place, shown

__all__ = ["JsonFile"]

_T = TypeVar("_T")

_MOST_BYTES = 100_000_000


@dataclass(frozen=True)
class JsonFile:
    """A kind of file: ``what`` it holds, as errors call it, what ``wrote`` it, and the class of its errors.

    No integer has more than ``longest`` digits, and ``integers`` names them; ``constants`` says why NaN and Infinity
    are refused, and ``too_large`` what to do about a file that is.

    >>> files = JsonFile("list", "a test", ValueError, 3, "numbers", "are not numbers", "split it")
    >>> files.parsed("[1, 2]", list)
    [1, 2]
    """

    what: str
    wrote: str
    error: type[Exception]
    longest: int
    integers: str
    constants: str
    too_large: str

    def read(self, path: str | os.PathLike[str], make: Callable[[Any], _T]) -> _T:
        """Return what ``make`` gives for the document in a file; raise the error, with the place, for a bad one."""
        text = self._text(self._path(path))
        try:
            return self.parsed(text, make)
        except json.JSONDecodeError as error:
            raise self.error(f"{place(path)} is not JSON: {error}") from error
        except RecursionError as error:
            raise self.error(f"{place(path)} is nested too deeply to be a {self.what}") from error
        except (self.error, ShapeError) as error:
            raise self.error(f"{place(path)}: {error}") from error

    def parsed(self, text: str, make: Callable[[Any], _T]) -> _T:
        """Return what ``make`` gives for a document; raise for keys that are there twice, and numbers beyond use."""
        return make(
            json.loads(
                text,
                object_pairs_hook=self._distinct,
                parse_constant=self._refuse_constant,
                parse_float=self._finite,
                parse_int=self._short,
            )
        )

    def write(self, path: str | os.PathLike[str], document: dict[str, Any]) -> None:
        """Write a new file beside ``path``, flush it to the disk and rename it; raise the error where that fails."""
        where = self._path(path)
        data = (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
        if len(data) > _MOST_BYTES:
            raise self.error(
                f"the {self.what} would have {len(data)} bytes, and {_MOST_BYTES} are read: {self.too_large}"
            )
        if os.path.lexists(where) and not where.is_file():
            raise self.error(f"{place(path)} is not a file: a {self.what} is written to a new file, or over an old one")
        # A link stays one: the file that it leads to is replaced.
        where = where.resolve()
        beside = where.with_name(f".{where.name}.{secrets.token_hex(8)}.tmp")
        try:
            with open(beside, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if where.exists():
                shutil.copymode(where, beside)
            os.replace(beside, where)
        except OSError as error:
            raise self.error(
                f"the {self.what} could not be written to {place(path)}, which is as it was: {error}"
            ) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()

    # ---- files
    def _path(self, path: str | os.PathLike[str]) -> Path:
        """Return a path that the system can be asked about."""
        try:
            found = Path(path)
            with contextlib.suppress(FileNotFoundError):
                os.lstat(found)
        except (OSError, TypeError, ValueError) as error:
            raise self.error(f"{cut(repr(path))} is not a path of a {self.what}: {error}") from error
        return found

    def _text(self, path: Path) -> str:
        if not path.is_file():
            problem = "is not a file" if path.exists() else "does not exist"
            raise self.error(f"{place(path)} {problem}: give the path of a {self.what} that {self.wrote} wrote")
        try:
            if (size := path.stat().st_size) > _MOST_BYTES:
                raise self.error(f"{place(path)} has {size} bytes, and a {self.what} at most {_MOST_BYTES}")
            return path.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise self.error(f"{place(path)} is not a {self.what}, for it is not UTF-8 text: {error}") from error
        except OSError as error:
            raise self.error(f"{place(path)} could not be read: {error}") from error

    # ---- what JSON allows, and these files do not
    def _distinct(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise self.error(f"the key {shown(key)} is there twice: keep one")
            found[key] = value
        return found

    def _refuse_constant(self, word: str) -> NoReturn:
        raise self.error(f"{word} {self.constants}")

    def _finite(self, digits: str) -> float:
        number = float(digits)
        if number in (float("inf"), float("-inf")):
            raise self.error(f"{cut(digits)} is beyond what a float can hold")
        return number

    def _short(self, digits: str) -> int:
        if len(digits.lstrip("-")) > self.longest:
            raise self.error(f"{cut(digits)} has {len(digits)} digits: {self.integers} have {self.longest} at most")
        return int(digits)
