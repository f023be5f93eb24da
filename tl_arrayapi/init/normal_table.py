"""The table of the normal distribution's inverse: what `recipes.Gaussian` looks up.

It is a file beside this module, made by tests/init/normal_table.py, which says what is in it.
"""

import functools
import struct
from importlib import resources

__all__ = ["COLUMNS", "ROWS", "normal_table"]

ROWS = 2048
COLUMNS = 6


@functools.cache
def normal_table() -> tuple[tuple[int, ...], ...]:
    """Return the columns: of each, an integer below 2**32 for every segment."""
    data = resources.files("tl_arrayapi.init").joinpath("normal_table.bin").read_bytes()
    entries = struct.unpack(f"<{COLUMNS * ROWS}I", data)
    return tuple(entries[start : start + ROWS] for start in range(0, len(entries), ROWS))
