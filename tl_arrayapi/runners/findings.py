"""What was found out of a library by trying: in which programs the place of a sample changes none of its bits."""

import threading
from dataclasses import dataclass, field, replace

__all__ = ["Findings", "Steadiness"]

_MOST = 64


@dataclass(frozen=True)
class Steadiness:
    """Say whether the place of a sample does not matter in a program, and which numbers of micro-batches in one call
    give the bits that one gives, as far as it was tried.
    """

    is_steady: bool
    alike: dict[int, bool] = field(default_factory=lambda: {1: True})

    def copy(self) -> "Steadiness":
        """Return the same, to which more may be added."""
        return replace(self, alike=dict(self.alike))


class Findings:
    """Keep what is known of programs, by their text, for whoever comes with the same one; of 64.

    >>> findings = Findings()
    >>> findings.add("program", Steadiness(is_steady=False))
    >>> findings.get("program").is_steady, findings.get("another")
    (False, None)
    """

    def __init__(self) -> None:
        self._found: dict[str, Steadiness] = {}
        self._lock = threading.Lock()

    def get(self, program: str) -> Steadiness | None:
        """Return what is known, the caller's own; None where nothing is."""
        found = self._found.get(program)
        return None if found is None else found.copy()

    def add(self, program: str, found: Steadiness) -> None:
        """Take down what is known."""
        with self._lock:
            self._found[program] = found.copy()
            while len(self._found) > _MOST:
                del self._found[next(iter(self._found))]
