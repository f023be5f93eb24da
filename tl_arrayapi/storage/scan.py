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

# Possessive: what does not match is not tried again, and no position is remembered.
_SPACE = rb"[ \t\n\r]*+"
_TEXT = rb'"(?:[^"\\\x00-\x1f]++|\\.)*+"'
_STRING = re.compile(_SPACE + b"(" + _TEXT + b")")
_KEY = re.compile(_SPACE + b"(" + _TEXT + b")" + _SPACE + b":")
_NUMBER = re.compile(_SPACE + rb"(-?[0-9]{1,40}+(?:\.[0-9]{1,40}+)?(?:[eE][-+]?[0-9]{1,4}+)?|true|false|null)")
_OPEN, _CLOSE, _COMMA = (re.compile(_SPACE + b"(" + re.escape(token) + b")") for token in (b"{", b"}", b","))
_QUOTE = re.compile(_SPACE + b'"')
_REST = re.compile(_SPACE + rb"(\Z)")
_LONGEST_FLAT = 4096
_LONGEST_KEY = 16_384
# No writer puts more of it before a key or a string.
_MOST_SPACE = 4096


def short(value: Any) -> str:
    """Return the text of a value for a message, cut at 100 characters.

    >>> short([1, 2])
    '[1, 2]'
    """
    # Cut before it is written out, and after: every character may become ten.
    text = repr(value[:100] if isinstance(value, str | bytes | list) else value)
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
        self._take(_OPEN, "'{'")
        if self._found(_CLOSE):
            return
        seen: set[str] = set()
        while True:
            key = self._text(_KEY, _LONGEST_KEY, " and ':'")
            if key in seen:
                raise CheckpointError(f"the {self._what} has {short(key)} twice")
            if len(seen) == most:
                raise CheckpointError(f"the {self._what} has more than {most} {kind}, which is the most that is read")
            seen.add(key)
            yield key
            if not self._found(_COMMA):
                self._take(_CLOSE, "',' or '}'")
                return

    def string(self, most: int = _LONGEST_KEY) -> str:
        """Take a string of at most so many bytes."""
        return self._text(_STRING, most)

    def number(self) -> int | float | bool | None:
        """Take a number, a truth value or null."""
        value: int | float | bool | None = self._parsed(self._take(_NUMBER, "a number"))
        return value

    def flat(self) -> list[tuple[str, Any]]:
        """Take a small object that has no object in it, as pairs."""
        self._take(_OPEN, "'{'")
        start = self._at - 1
        end = self._raw.find(b"}", start, start + _LONGEST_FLAT)
        if end < 0:
            raise self._wrong(f"an object of at most {_LONGEST_FLAT} bytes")
        self._at = end + 1
        pairs: list[tuple[str, Any]] = self._parsed(self._raw[start : end + 1])
        return pairs

    def at_string(self) -> bool:
        """Say whether a string comes next."""
        return _QUOTE.match(self._raw, self._at) is not None

    def at_object(self) -> bool:
        """Say whether an object comes next."""
        return _OPEN.match(self._raw, self._at) is not None

    def end(self) -> None:
        """Raise unless nothing comes any more."""
        self._take(_REST, "nothing more")

    def _found(self, token: re.Pattern[bytes]) -> re.Match[bytes] | None:
        found = token.match(self._raw, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _take(self, token: re.Pattern[bytes], expected: str) -> bytes:
        found = self._found(token)
        if found is None:
            raise self._wrong(expected)
        return found[1]

    def _text(self, token: re.Pattern[bytes], most: int, more: str = "") -> str:
        found = token.match(self._raw, self._at, self._at + most + _MOST_SPACE)
        start, end = found.span(1) if found else (0, 0)
        if found is None or end - start > most:
            raise self._wrong(f"a string of at most {most} bytes" if self.at_string() else f"a string{more}")
        self._at = found.end()
        if self._raw.find(b"\\", start, end) >= 0:
            value: str = self._parsed(self._raw[start:end])
            return value
        # Without an escape a string is what it looks like, and need be neither parsed nor copied.
        return self._decoded(memoryview(self._raw)[start + 1 : end - 1])

    def _parsed(self, text: bytes | bytearray) -> Any:
        try:
            return _DECODER.decode(self._decoded(text))
        except RecursionError as error:
            raise CheckpointError(f"the {self._what} is nested too deeply: {short(bytes(text[:100]))}") from error
        except ValueError as error:
            raise CheckpointError(f"the {self._what} is not JSON ({error}): {short(bytes(text[:100]))}") from error

    def _decoded(self, text: bytes | bytearray | memoryview) -> str:
        try:
            return str(text, "utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"the {self._what} is not UTF-8: {short(bytes(text[:100]))}") from error

    def _wrong(self, expected: str) -> CheckpointError:
        found = bytes(self._raw[self._at : self._at + 40])
        return CheckpointError(
            f"the {self._what} is not JSON of the form expected: at byte {self._at} it has "
            f"{short(found) if found else 'its end'}, and {expected} is expected"
        )


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: pairs, parse_constant=_refused)
