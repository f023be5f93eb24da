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


def tried(
    seeds: range, make: Callable[[int], bytes], load: Callable[[bytes], Any], check: Callable[[bytes, Any], None]
) -> int:
    """Try the input of every seed; return how many were loaded. A failure says the seed and the input.

    ``load`` raises our exceptions or returns what ``check`` compares with the truth about the input.
    """
    loaded = 0
    for seed in seeds:
        raw = make(seed)
        try:
            loaded += _tried(raw, load, check, traced=seed % TRACED_EVERY == 0)
        except Exception as error:
            shown = raw if len(raw) <= 6000 else raw[:6000] + b"..."
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\ninput: {shown!r}") from error
    return loaded


def _tried(raw: bytes, load: Callable[[bytes], Any], check: Callable[[bytes, Any], None], traced: bool) -> bool:
    with measured(len(raw), traced):
        try:
            content = load(raw)
        except TLError as error:
            check_message(str(error))
            return False
    check(raw, content)
    return True


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
    assert all(character.isprintable() or character == "\n" for character in text), ascii(text)
