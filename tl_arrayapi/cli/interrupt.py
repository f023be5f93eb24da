"""Ctrl-C between steps, not inside one: what is half done would not resume to the same bits."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["interruption"]


@contextlib.contextmanager
def interruption() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets; a second one raises KeyboardInterrupt at once.

    >>> with interruption() as asked:
    ...     signal.raise_signal(signal.SIGINT)
    ...     asked.is_set()
    True
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        # Python hands signals to the main thread alone.
        yield asked
        return

    def note(signum: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
