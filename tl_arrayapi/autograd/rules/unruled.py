"""The functions of the standard that have no rule yet: they work on constants, and refuse a watched array."""

from tl_arrayapi.autograd.primitive import Kind, define

__all__: list[str] = []

for _name in ("cumulative_prod", "repeat", "unique_all", "unique_counts", "unique_inverse", "unique_values"):
    define(_name, Kind.OPAQUE, operands=1, positional=("repeats",) if _name == "repeat" else ())
