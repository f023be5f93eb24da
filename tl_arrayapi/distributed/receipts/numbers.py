"""Exact sums as text: an integer times a power of two, as C and Python write floats in hexadecimal.

``float.fromhex`` reads such a text, rounded once.
"""

import re

from tl_arrayapi.errors import ReceiptError

__all__ = ["PATTERN", "as_text", "from_text"]

PATTERN = "^-?0x[0-9a-f]{1,1100}p[-+][0-9]{1,4}$"
"""What a number looks like; no sum of 2^60 products of float64 numbers has more digits."""

_MATCHING = re.compile(PATTERN.replace("$", r"\Z"))


def as_text(units: int, exponent: int) -> str:
    """Write ``units * 2**-exponent`` in its shortest form.

    >>> as_text(-24, 4), as_text(0, 1074), float.fromhex(as_text(3 << 1074, 1074))
    ('-0x3p-1', '0x0p+0', 3.0)
    """
    if not units:
        return "0x0p+0"
    twos = (units & -units).bit_length() - 1
    return f"{units >> twos:#x}p{twos - exponent:+d}"


def from_text(text: str, exponent: int) -> int:
    """Return the ``units`` that `as_text` wrote with ``exponent``; raise ReceiptError for any other text."""
    if not _MATCHING.match(text):
        raise ReceiptError("not a number such as -0x3p-1")
    digits, _, power = text.partition("p")
    shift = int(power) + exponent
    if not 0 <= shift <= 2 * 1100 * 4:
        raise ReceiptError("finer, or greater, than sums of float64 numbers are")
    units = int(digits, 16) << shift
    if as_text(units, exponent) != text:
        raise ReceiptError(f"not in its shortest form, an odd integer and a power: {as_text(units, exponent)[:80]}")
    return units
