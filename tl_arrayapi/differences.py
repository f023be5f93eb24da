"""Where tensors by name do not fit parameters by name: all of it at once."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Differences", "compared"]

# More than any module has; what a file names that the module lacks is without end.
_LONGEST = 100_000
_WIDTHS = {"bfloat16": 1, "float16": 1, "float32": 2, "float64": 3}


@dataclass(frozen=True)
class Differences:
    """Tell where a checkpoint does not fit a module; false where it does.

    ``missing`` are parameters that it lacks, ``extra`` tensors that the module lacks; ``misshapen`` are (name, its
    shape, the module's shape), and ``narrowing`` (name, its dtype, the module's dtype) where that does not hold its
    values exactly. The text says it in words.

    >>> differences = Differences(missing=("b",), misshapen=(("w", (3, 2), (2, 3)),))
    >>> bool(differences), sorted(differences.names)
    (True, ['b', 'w'])
    >>> print(differences)
    missing: b; in another shape: w (3, 2), where the module has (2, 3)
    """

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    misshapen: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    narrowing: tuple[tuple[str, str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.misshapen or self.narrowing)

    @property
    def names(self) -> set[str]:
        """The parameters, as the checkpoint names them, that it has no fitting values for."""
        return {*self.missing, *(name for name, *_ in self.misshapen), *(name for name, *_ in self.narrowing)}

    def __str__(self) -> str:
        parts = [
            ("missing", list(self.missing)),
            ("not in the module", list(self.extra)),
            ("in another shape", [f"{n} {theirs}, where the module has {ours}" for n, theirs, ours in self.misshapen]),
            ("in a dtype that the module's does not hold exactly", [f"{n} {a} as {b}" for n, a, b in self.narrowing]),
        ]
        return "; ".join(f"{what}: {_listed(names)}" for what, names in parts if names) or "no difference"


def _listed(names: list[str]) -> str:
    text = ", ".join(names)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(names)} in all)"


def compared(
    found: Mapping[str, tuple[str, tuple[int, ...]]], wanted: Mapping[str, tuple[int, ...]], dtype: str
) -> Differences:
    """Compare the dtypes and shapes that were ``found`` with the shapes that are ``wanted``, in ``dtype``.

    >>> compared({"w": ("float32", (2,))}, {"w": (2,), "b": ()}, "float64").missing
    ('b',)
    """
    both = [name for name in wanted if name in found]
    return Differences(
        tuple(name for name in wanted if name not in found),
        tuple(name for name in found if name not in wanted),
        tuple((name, found[name][1], wanted[name]) for name in both if found[name][1] != wanted[name]),
        tuple((name, found[name][0], dtype) for name in both if not _holds(dtype, found[name][0])),
    )


def _holds(dtype: str, stored: str) -> bool:
    """Say whether ``dtype`` holds every value of the dtype that is ``stored``."""
    return stored == dtype or 0 < _WIDTHS.get(stored, 0) < _WIDTHS.get(dtype, 0)
