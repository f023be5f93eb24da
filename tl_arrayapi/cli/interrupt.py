"""Ctrl-C between steps, not inside one: what is half done would not resume to the same bits, nor end without noise."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any

__all__ = ["interruption", "sheltered_children"]


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


@contextlib.contextmanager
def sheltered_children() -> Iterator[None]:
    """Let processes that are started meanwhile never see the terminal's Ctrl-C: whoever started them ends them.

    A terminal sends it to all of them at once, and each would end with a traceback of its own.

    >>> with sheltered_children():
    ...     pass
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Its start, with the first process that multiprocessing spawns, would take the block off again.
    resource_tracker.ensure_running()
    # A process, and a thread, inherits what its parent blocks.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
