"""Seeds for the parameters of one plan: of each position and name its own, and no two of their streams share a draw.

A stream of n draws is the window [key, key + n) of the integers modulo 2**64. Keys are scattered, so that two windows
meet once in some 2**63 / n plans; then the later parameter gets another seed.
"""

import bisect
import hashlib
import struct
from collections.abc import Sequence

from tl_arrayapi.errors import PlanError
from tl_arrayapi.init.splitmix64 import stream_key

__all__ = ["derived_seeds"]

_ALL = 2**64
_MOST_TRIES = 100


def derived_seeds(seed: int, names: Sequence[str], counts: Sequence[int]) -> list[int]:
    """Return a seed for each parameter, made of ``seed``, its position and its name; ``counts`` are their elements.

    Raise PlanError where the streams are so many and so long that there is no room left for one.

    >>> derived_seeds(0, ["w"], [6]) == derived_seeds(0, ["w", "b"], [6, 3])[:1]
    True
    """
    windows = _Windows()
    found = []
    for position, (name, count) in enumerate(zip(names, counts, strict=True)):
        tries = (_hashed(seed, position, name, attempt) for attempt in range(_MOST_TRIES))
        # One draw at least, so that seeds differ even where nothing is drawn.
        own = next((own for own in tries if windows.take(stream_key(own), max(count, 1))), None)
        if own is None:
            raise PlanError(
                f"there is no room for a stream of {count} draws beside the {position} others: make two plans"
            )
        found.append(own)
    return found


class _Windows:
    """Windows of the integers modulo 2**64, no two of which meet."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._lengths: list[int] = []

    def take(self, start: int, length: int) -> bool:
        """Add a window, unless it meets one that is there; say whether it was added."""
        place = bisect.bisect_left(self._starts, start)
        if self._starts:
            # On a circle the first window comes after the last.
            before, after = place - 1, place % len(self._starts)
            if (start - self._starts[before]) % _ALL < self._lengths[before]:
                return False
            if (self._starts[after] - start) % _ALL < length:
                return False
        self._starts.insert(place, start)
        self._lengths.insert(place, length)
        return True


def _hashed(seed: int, position: int, name: str, attempt: int) -> int:
    # A name is printable, so that what follows a zero byte is never part of one.
    again = b"\0" + struct.pack("<Q", attempt) if attempt else b""
    data = struct.pack("<QQ", seed, position) + name.encode() + again
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "little")
