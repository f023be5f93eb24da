"""How one input is tried: our exceptions or the truth, within a second and twice its size of memory."""

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from tl_arrayapi.errors import TLError

SECONDS = 1.0  # of this process's own time
ALLOWANCE = 1_000_000  # bytes, beside twice the size of the input
LONGEST_MESSAGE = 4000
TRACED_EVERY = 40


Input = bytes | dict[str, bytes]
"""One file, or several by name."""


def tried(
    seeds: range, make: Callable[[int], Any], load: Callable[[Any], Any], check: Callable[[Any, Any], None]
) -> int:
    """Try the input of every seed; return how many were loaded. A failure says the seed and the input.

    ``load`` raises our exceptions or returns what ``check`` compares with the truth about the input.
    """
    loaded = 0
    for seed in seeds:
        given = make(seed)
        try:
            loaded += _tried(given, load, check, traced=seed % TRACED_EVERY == 0)
        except Exception as error:
            message = f"seed {seed}: {type(error).__name__}: {error}\ninput: {_shown(given)}"
            raise AssertionError(message) from error
    return loaded


def _tried(given: Input, load: Callable[[Any], Any], check: Callable[[Any, Any], None], traced: bool) -> bool:
    size = len(given) if isinstance(given, bytes) else sum(map(len, given.values()))
    with measured(size, traced):
        try:
            content = load(given)
        except TLError as error:
            check_message(str(error))
            return False
    check(given, content)
    return True


def _shown(given: Input) -> str:
    if isinstance(given, bytes):
        return repr(given if len(given) <= 6000 else given[:6000] + b"...")
    return "".join(f"\n{name}: {_shown(content)}" for name, content in given.items())


class measured:
    """Guard the time and, where ``traced``, the memory of what runs inside."""

    def __init__(self, size: int, traced: bool = True):
        self.size, self.traced = size, traced

    def __enter__(self) -> None:
        if self.traced:
            tracemalloc.start()
        self.started = time.process_time()

    def __exit__(self, kind: Any, *_: Any) -> None:
        seconds = time.process_time() - self.started
        if self.traced:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        if kind is not None:
            return
        assert seconds < SECONDS, f"it took {seconds:.2f} s"
        assert not self.traced or peak <= 2 * self.size + ALLOWANCE, f"it took {peak} bytes for {self.size}"


def check_message(text: str) -> None:
    """Assert that a message can be shown in a terminal: no control characters, and not without end."""
    assert text
    assert len(text) <= LONGEST_MESSAGE
    assert text.isprintable(), ascii(text)
