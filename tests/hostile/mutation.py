"""Changes to documents and bytes for fuzzing: any node of a JSON document, any stretch of bytes, all from a seed.

A document is lists, `Members` (an object as a list of `Pair`, so that a key may be there twice), scalars, and `Raw`
(text that is written as it is: what JSON lacks, and what Python cannot hold).
"""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any


class Members(list):
    """A JSON object: a list of pairs."""


class Pair(list):
    """A key and a value."""


class Raw(str):
    """JSON text, or what stands in its place."""

    __slots__ = ()


def parsed(text: str | bytes) -> Any:
    """Return a document that can be changed."""
    return json.loads(text, object_pairs_hook=lambda pairs: Members(map(Pair, pairs)))


def written(node: Any, comma: str = ",", colon: str = ":") -> str:
    """Return the text of a document."""
    if isinstance(node, Raw):
        return str(node)
    if isinstance(node, Members):
        pairs = (f"{written(key, comma, colon)}{colon}{written(value, comma, colon)}" for key, value in node)
        return "{" + comma.join(pairs) + "}"
    if isinstance(node, list):
        return "[" + comma.join(written(value, comma, colon) for value in node) + "]"
    return json.dumps(node)


NUMBERS = [
    *(0, 1, 2, 3, 4, 8, 12, 64, 65, 255, 4300, -1, -8),
    *(sign * 2**bits + off for sign in (1, -1) for bits in (31, 32, 53, 62, 63, 64, 70) for off in (-1, 0, 1)),
    *(0.0, 1.0, -0.0, 0.5, 1e308, 5e-324, True, False, None),
    *map(Raw, ("1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1E2", "1.0", "-0", "00", "0x1", "1_0", "+1", "1.")),
    Raw("1" + "0" * 4299),
    Raw("-" + "9" * 10_000),
]
STRINGS = [
    *("", " ", "w", "b", "0", "1", "F32", "F16", "F64", "BF16", "BOOL", "U8", "I64", "C64", "F8_E4M3", "f32", "O"),
    *("dtype", "shape", "data_offsets", "__metadata__", "format", "version", "parameters", "name", "init", "scheme"),
    *("zeros", "ones", "uniform", "normal", "flat", "xavier_uniform", "lo", "hi", "seed", "fan_in", "mean", "values"),
    *("tl_arrayapi.schema", "tl_arrayapi.sha256", "tl_arrayapi.other", "tl_arrayapi", "optimizer.0", "dict", "array"),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "a/../b",
        "a//b",
        ".",
        "a\\b",
        "a\0b",
        "\x1b[31m\x1b[2J",
        "a\nb",
        "\r",
        "\x7f",
    ),
    *("\u202e", "\u2028", "ü", "\U0001f600", "%s%n", "{0}", "x" * 1024, "x" * 1025, "\u0430" * 300, "0x1p+1", "nan"),
    *map(Raw, ('"\\ud800"', '"\\udc00\\ud800"', '"\\u00"', '"\\x"', "'w'", '"\t"', '"', "w", '"\\u001b]0;x\\u0007"')),
]
TREES = [
    *map(Raw, ("[]", "{}", "[[]]", "{}{}", "[,]", "[1,]", '{"a":1,}', '{"a":1,"a":1}', "{1:2}", "//", "", " \n\t ")),
    *(Raw(o * n + c * n) for o, c in (("[", "]"), ('{"a":', "}")) for n in (2, 70, 400)),
    *(Raw("[" * n) for n in (3, 990)),
]
TOKENS = [
    b"\0",
    b"\xff",
    b"\xc3",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"-",
    b"9",
    b"e",
    b" ",
    b"\n",
    b"\x1b",
]
TOKENS += [
    b"\0" * 8,
    b"\xff" * 8,
    b"\0" * 7 + b"\x80",
    b"\x80\x04",
    b"PK\x03\x04",
    b"\x93NUMPY",
    b"\xef\xbb\xbf",
    b"NaN",
]


class Mutator:
    """Make changes, all of which follow from the seed."""

    def __init__(self, seed: object):
        self.random = random.Random(str(seed))
        self.one = self.random.choice

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # ------------------------------------------------------------ documents
    def document(self, root: Any, other: Any) -> Any:
        """Change some nodes of ``root``, which may become nodes of ``other``; return the root, which may be new."""
        for _ in range(self.one((1, 1, 1, 2, 3))):
            slots = list(_slots(root))
            if not slots or self.chance(0.02):
                return self.junk()
            holder, i = self.one(slots)
            self.one(_CHANGES)(self, holder, i, other)
        return root

    def junk(self) -> Any:
        return self.one(self.one((NUMBERS, NUMBERS, STRINGS, STRINGS, TREES)))

    def _replace(self, holder: list[Any], i: int, other: Any) -> None:
        is_key = isinstance(holder, Pair) and i == 0
        holder[i] = self.one(STRINGS) if is_key and self.chance(0.95) else self.junk()

    def _nudge(self, holder: list[Any], i: int, other: Any) -> None:
        """Change a value a little, so that it keeps its type."""
        value = holder[i]
        if isinstance(value, bool) or value is None or isinstance(value, Raw):
            holder[i] = self.one((True, False, None))
        elif isinstance(value, int | float):
            holder[i] = self.one((value + 1, value - 1, -value, value * 2, value // 2, float(value), value + 2**64))
        elif isinstance(value, str):
            j = self.random.randrange(len(value) + 1)
            piece = self.one(("", "x", value[j : j + 1] * 2, value[j : j + 1].swapcase(), "\0", "/", ".", "\x1b[0m"))
            holder[i] = value[:j] + piece + value[j + 1 :]
        else:
            self.random.shuffle(value)

    def _remove(self, holder: list[Any], i: int, other: Any) -> None:
        child = holder[i]
        if isinstance(child, list) and child:
            del child[self.random.randrange(len(child))]
        elif not isinstance(holder, Pair):
            del holder[i]

    def _repeat(self, holder: list[Any], i: int, other: Any) -> None:
        """Put a member of a list or an object there twice (a key, too)."""
        child = holder[i]
        if isinstance(child, list) and child:
            child.insert(self.random.randrange(len(child) + 1), copy.deepcopy(self.one(child)))

    def _insert(self, holder: list[Any], i: int, other: Any) -> None:
        child = holder[i]
        if isinstance(child, Members):
            child.append(Pair([self.one(STRINGS), self.junk()]))
        elif isinstance(child, list):
            child.insert(self.random.randrange(len(child) + 1), self.junk())

    def _graft(self, holder: list[Any], i: int, other: Any) -> None:
        """Take a node of the other document."""
        slots = list(_slots(other))
        if slots:
            source, j = self.one(slots)
            holder[i] = copy.deepcopy(source[j])

    def _swap(self, holder: list[Any], i: int, other: Any) -> None:
        """Exchange two members of one list, or the values of two keys."""
        child = holder[i]
        if isinstance(child, list) and len(child) > 1:
            a, b = self.random.sample(range(len(child)), 2)
            if isinstance(child, Members):
                child[a][1], child[b][1] = child[b][1], child[a][1]
            else:
                child[a], child[b] = child[b], child[a]

    # ------------------------------------------------------------ bytes
    def bytes(self, raw: bytes, other: bytes) -> bytes:
        """Change some stretches of ``raw``, which may become stretches of ``other``."""
        changed = bytearray(raw)
        for _ in range(self.one((1, 1, 2, 3))):
            i, j = sorted(self.random.randrange(len(changed) + 1) for _ in range(2))
            j = min(j, i + self.one((0, 1, 2, 8, 1000)))
            kind = self.random.randrange(7)
            if kind == 0 and i < len(changed):
                changed[i] ^= 1 << self.random.randrange(8)
            elif kind == 1:
                changed[i:j] = self.one(TOKENS)
            elif kind == 2:
                del changed[i:j]
            elif kind == 3:
                changed[i:i] = changed[i:j]
            elif kind == 4:
                del changed[i:]
            elif kind == 5:
                changed[i:] = other[self.random.randrange(len(other) + 1) :]
            else:
                changed[i:i] = self.one(TOKENS) * self.one((1, 1, 2, 8))
        return bytes(changed)


def _slots(node: Any) -> Iterator[tuple[list[Any], int]]:
    """Yield (list, index) of every key and value below ``node``; pairs stay whole."""
    if isinstance(node, list):
        for i, child in enumerate(node):
            if not isinstance(child, Pair):
                yield node, i
            yield from _slots(child)


_CHANGES = [
    *[Mutator._replace] * 5,
    *[Mutator._nudge] * 4,
    *[Mutator._remove] * 2,
    *[Mutator._repeat] * 2,
    *[Mutator._insert] * 2,
    *[Mutator._graft] * 2,
    Mutator._swap,
]
