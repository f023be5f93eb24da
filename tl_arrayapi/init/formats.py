"""The real floating dtypes as number formats: how they round, and how many random bits a uniform value takes in them.

All of it is exact arithmetic on Python floats; nothing here knows an array.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tl_arrayapi.errors import DTypeError

__all__ = ["FORMATS", "FloatFormat", "float_format"]


@dataclass(frozen=True, eq=False)
class FloatFormat:
    """One binary floating format.

    ``precision`` counts the bits of a significand, the hidden one too; ``tiny`` is the exponent of the least positive
    value; ``bits`` of a 32-bit draw make one uniform value, as many as keep ``2u - 1`` exact; ``compute`` names the
    dtype to compute in, where products are exact that are not exact in the format itself.
    """

    name: str
    precision: int
    tiny: int
    largest: float
    bits: int
    compute: str

    @property
    def smallest_normal(self) -> float:
        """The least positive value that every library keeps: some flush what is below it to zero."""
        return math.ldexp(1.0, self.tiny + self.precision - 1)

    def quantum(self, value: float) -> int:
        """Return the exponent of the last place of ``value``, which is not 0."""
        return max(math.frexp(value)[1] - self.precision, self.tiny)

    def round(self, value: float) -> float:
        """Round ``value`` to the nearest of the format, ties to even; beyond the largest it becomes infinite."""
        if value == 0.0 or self.name == "float64":
            return value
        if abs(value) >= 2.0 * self.largest:
            return math.copysign(math.inf, value)
        quantum = self.quantum(value)
        rounded = math.copysign(math.ldexp(round(math.ldexp(value, -quantum)), quantum), value)
        return rounded if abs(rounded) <= self.largest else math.copysign(math.inf, value)

    def round_all(self, values: Sequence[float]) -> tuple[float, ...]:
        """Round each of ``values``."""
        code = {"float16": "e", "float32": "f"}.get(self.name)
        if code is None:
            return tuple(map(self.round, values))
        try:
            return struct.unpack(f"<{len(values)}{code}", struct.pack(f"<{len(values)}{code}", *values))
        except OverflowError:
            return tuple(map(self.round, values))

    def below(self, value: float) -> float:
        """Return the largest value of the format that is less than ``value``, one of the format."""
        if value == 0.0:
            return math.ldexp(-1.0, self.tiny)
        quantum = self.quantum(value)
        steps = int(math.ldexp(value, -quantum))
        if steps == 2 ** (self.precision - 1) and quantum > self.tiny:
            # Below a power of two the values stand twice as close.
            return math.ldexp(2 * steps - 1, quantum - 1)
        return math.ldexp(steps - 1, quantum)


FORMATS = {
    form.name: form
    for form in [
        FloatFormat("float16", 11, -24, 65504.0, 11, "float32"),
        FloatFormat("bfloat16", 8, -133, float.fromhex("0x1.fep127"), 8, "float32"),
        FloatFormat("float32", 24, -149, float.fromhex("0x1.fffffep127"), 24, "float32"),
        FloatFormat("float64", 53, -1074, float.fromhex("0x1.fffffffffffffp1023"), 32, "float64"),
    ]
}


def float_format(name: str) -> FloatFormat:
    """Return the format of the dtype called ``name``; raise DTypeError where it is not a real floating one."""
    if name not in FORMATS:
        raise DTypeError(f"an initialiser fills real floating arrays, not {name!r}: take one of {', '.join(FORMATS)}")
    return FORMATS[name]
