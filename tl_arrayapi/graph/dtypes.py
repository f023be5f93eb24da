"""The dtypes that values of a graph can have, by name, and what an element of each takes."""

from tl_arrayapi.graph.graph import Atom

__all__ = ["COMPLEX", "FLOATING", "INTEGERS", "ITEM_BYTES", "nbytes"]

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATING = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")

ITEM_BYTES: dict[str, int] = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 2),
    **dict.fromkeys(("int32", "uint32", "float32"), 4),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 8),
    "complex128": 16,
}
"""The bytes of one element, by the name of its dtype: the standard's, and two halves."""


def nbytes(x: Atom) -> int:
    """Return the bytes that the elements of a value take.

    >>> from tl_arrayapi.graph import Var
    >>> nbytes(Var(0, (3, 2), "float32"))
    24
    """
    return x.size * ITEM_BYTES[x.dtype]
