"""Values in error messages: what a file or a caller gave may be long, or have escape codes."""

import os
from typing import Any

__all__ = ["cut", "place", "shown"]

_LONGEST = 100


def shown(value: Any) -> str:
    """Write out a value for a message.

    >>> shown("w"), len(shown("w" * 10**6))
    ("'w'", 103)
    """
    # Cut before it is written out, and after: every character may become ten.
    return cut(repr(value[:_LONGEST] if isinstance(value, str | list) else value))


def place(path: str | os.PathLike[str]) -> str:
    """Write out a path for a message: as it is, unless it has escape codes.

    >>> place("plan.json"), place("plan" + chr(27)).isprintable()
    ('plan.json', True)
    """
    text = os.fsdecode(path)
    return text if text.isprintable() else repr(text)


def cut(text: str) -> str:
    """Leave out what is too long for a message."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
