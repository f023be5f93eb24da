"""Make the table of the normal distribution's inverse: ``python -m tests.init.normal_table FILE``.

A 31-bit integer m stands for the tail probability t = (m + 1/2) / 2**32, and |z| is the number that the standard normal
distribution exceeds with that probability. Small m, far out in the tail, are shifted left by 0, 4, 8, ... or 28 bits,
the level, until the top four are not all 0. Then the top 8 bits are a segment of the level, and the 23 others are
x, a fraction: within it |z| is c0 - x (c1 - x (c2 - x (c3 - x c4))), of which no coefficient is negative. It equals the
inverse at x = 0 and at four Chebyshev points.

The file holds six columns of 2048 little-endian 32-bit integers, an entry a segment, those of level 0 first: c0 with 28
fractional bits, its next 20 bits, then c1, c2, c3 and c4 with 33, 38, 43 and 48. So many, because x is kept with 27
bits: the upper half of a product with it then has 5 fractional bits less.
"""

import statistics
import struct
import sys
from pathlib import Path

import mpmath as mp

LEVELS, SEGMENTS = 8, 256
FRACTION = (28, 33, 38, 43, 48)
LOW = 20
POINTS = 4


def tail(t: mp.mpf) -> mp.mpf:
    """Return the number that a standard normal variable exceeds with probability t below 1/2."""
    x = mp.mpf(-statistics.NormalDist().inv_cdf(float(t)))
    for _ in range(4):  # Halley's method; each step triples the digits
        excess = mp.erfc(x / mp.sqrt(2)) / 2 - t
        step = -excess * mp.sqrt(2 * mp.pi) * mp.exp(x * x / 2)
        x -= step / (1 + x * step / 2)
    return x


def segment(level: int, place: int) -> tuple[int, ...]:
    """Return a segment's entries."""
    if level < LEVELS - 1 and place < SEGMENTS // 16:
        return (0,) * 6  # those belong to the next level
    bits = 23 - 4 * level  # of the fraction; what is shifted in is 0

    def height(x: mp.mpf) -> mp.mpf:
        return tail(((place + x) * mp.mpf(2) ** bits + mp.mpf(1) / 2) / mp.mpf(2) ** 32)

    c0 = height(mp.mpf(0))
    whole = int(mp.floor(c0 * 2 ** (FRACTION[0] + LOW) + mp.mpf(1) / 2))
    rest = [mp.mpf(0)] * POINTS
    if bits > 0:
        xs = [(1 + mp.cos(mp.pi * (2 * k + 1) / (2 * POINTS))) / 2 for k in range(POINTS)]
        powers = mp.matrix([[x**k for k in range(POINTS)] for x in xs])
        slopes = mp.matrix([(c0 - height(x)) / x for x in xs])
        rest = [(-1) ** k * c for k, c in enumerate(mp.lu_solve(powers, slopes))]
    scaled = [int(mp.nint(c * 2**fraction)) for c, fraction in zip(rest, FRACTION[1:], strict=True)]
    return whole >> LOW, whole % 2**LOW, *(max(c, 0) for c in scaled)


def make() -> bytes:
    """Return the file."""
    with mp.workprec(130):
        rows = [segment(level, place) for level in range(LEVELS) for place in range(SEGMENTS)]
    entries = [entry for column in zip(*rows, strict=True) for entry in column]
    return struct.pack(f"<{len(entries)}I", *entries)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(make())
