"""Read JSON of a known form from bytes, token by token.

A parser of any JSON builds whatever a file asks for: three bytes of ``[],`` make a list of sixty-four. Here only what
the caller expects is ever built, and nesting, repeated keys and numbers without end have no place to stand.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from tl_arrayapi.errors import CheckpointError

__all__ = ["Scanner", "short"]

_SPACE = re.compile(rb"[ \t\n\r]*+")
# Possessive: what does not match is not tried again, and no position is remembered.
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\.)*+"')
_NUMBER = re.compile(rb"-?[0-9]{1,40}+(?:\.[0-9]{1,40}+)?(?:[eE][-+]?[0-9]{1,4}+)?|true|false|null")
_LONGEST_FLAT = 4096
_LONGEST_KEY = 16_384


def short(value: Any) -> str:
    """Return the text of a value for a message, cut at 100 characters.

    >>> short([1, 2])
    '[1, 2]'
    """
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


class Scanner:
    """Stand somewhere in the bytes of a JSON text, which ``what`` names in messages, and take what comes next.

    Each method raises CheckpointError where something else comes.

    >>> scanner = Scanner(b'{"a": "b", "c": 3}', "header")
    >>> [(key, scanner.string() if key == "a" else scanner.number()) for key in scanner.members(10, "keys")]
    [('a', 'b'), ('c', 3)]
    """

    def __init__(self, raw: bytes | bytearray, what: str) -> None:
        self._raw = raw
        self._what = what
        self._at = 0

    def members(self, most: int, kind: str) -> Iterator[str]:
        """Yield the keys of an object, at most so many of a kind; the caller takes each one's value in between."""
        self._take(b"{")
        seen: set[str] = set()
        while seen or not self._skip(b"}"):
            key = self.string()
            if key in seen:
                raise CheckpointError(f"the {self._what} has {short(key)} twice")
            if len(seen) == most:
                raise CheckpointError(f"the {self._what} has more than {most} {kind}, which is the most that is read")
            seen.add(key)
            self._take(b":")
            yield key
            if self._skip(b"}"):
                return
            self._take(b",")

    def string(self, most: int = _LONGEST_KEY) -> str:
        """Take a string of at most so many bytes."""
        self._space()
        found = _STRING.match(self._raw, self._at)
        if found is None:
            raise self._wrong("a string")
        if found.end() - self._at > most:
            raise CheckpointError(f"the {self._what} has a string of {found.end() - self._at} bytes: {most} are read")
        self._at = found.end()
        value: str = self._parsed(found.group())
        return value

    def number(self) -> int | float | bool | None:
        """Take a number, a truth value or null."""
        self._space()
        found = _NUMBER.match(self._raw, self._at)
        if found is None:
            raise self._wrong("a number")
        self._at = found.end()
        value: int | float | bool | None = self._parsed(found.group())
        return value

    def flat(self) -> list[tuple[str, Any]]:
        """Take a small object that has no object in it, as pairs."""
        self._space()
        end = self._raw.find(b"}", self._at, self._at + _LONGEST_FLAT)
        if not self._sees(b"{") or end < 0:
            raise self._wrong(f"an object of at most {_LONGEST_FLAT} bytes")
        text, self._at = self._raw[self._at : end + 1], end + 1
        pairs: list[tuple[str, Any]] = self._parsed(text)
        return pairs

    def at(self, token: bytes) -> bool:
        """Say whether ``token`` comes next, such as the quotation mark of a string."""
        self._space()
        return self._sees(token)

    def end(self) -> None:
        """Raise unless nothing comes any more."""
        self._space()
        if self._at != len(self._raw):
            raise self._wrong("nothing more")

    def _parsed(self, text: bytes | bytearray) -> Any:
        try:
            return _DECODER.decode(text.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise CheckpointError(f"the {self._what} is not UTF-8: {short(bytes(text))}") from error
        except RecursionError as error:
            raise CheckpointError(f"the {self._what} is nested too deeply: {short(bytes(text))}") from error
        except ValueError as error:
            raise CheckpointError(f"the {self._what} is not JSON ({error}): {short(bytes(text))}") from error

    def _take(self, token: bytes) -> None:
        if not self._skip(token):
            raise self._wrong(repr(token.decode()))

    def _skip(self, token: bytes) -> bool:
        self._space()
        found = self._sees(token)
        self._at += found
        return found

    def _sees(self, token: bytes) -> bool:
        return self._raw.startswith(token, self._at)

    def _space(self) -> None:
        self._at = _SPACE.match(self._raw, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too

    def _wrong(self, expected: str) -> CheckpointError:
        found = self._raw[self._at : self._at + 40]
        return CheckpointError(
            f"the {self._what} is not JSON of the form expected: at byte {self._at} it has "
            f"{short(bytes(found)) if found else 'its end'}, and {expected} is expected"
        )


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: pairs, parse_constant=_refused)
