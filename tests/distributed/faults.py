"""Faults at a chosen moment of a chosen task: workers that end there, once, and leave a note that they did."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

__all__ = ["ENDS", "MEMORY", "Strike", "first", "forgets", "striking", "struck"]

WorkerPlugin = pytest.importorskip("distributed").WorkerPlugin

MEMORY = 700 << 20
"""What a worker of `striking` clusters may use; one without work needs a third of it."""


def first(path: str) -> bool:
    """Say whether nobody asked before for the same path; leave the asker's process id there."""
    try:
        note = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    os.write(note, str(os.getpid()).encode())
    os.close(note)
    return True


def struck(path: Path) -> int:
    """Return the process that ended at `path`, once it is gone; fail where there is none, or it stays."""
    import psutil

    assert path.exists(), "the fault was not injected"
    process = int(path.read_text())
    deadline = time.monotonic() + 30
    while psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {process} was to end, and did not"
        time.sleep(0.05)
    return process


# ---- how a worker ends
def _killed(worker: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _crashed(worker: Any) -> None:
    ctypes.string_at(0)


def _out_of_memory(worker: Any) -> None:
    held = b"\1" * (2 * MEMORY)
    time.sleep(60)  # Its nanny looks ten times a second.
    raise AssertionError(f"{len(held)} bytes were too few")


def _retired(worker: Any) -> None:
    # Another takes over what it holds; none takes its place.
    worker.loop.add_callback(worker.close_gracefully, restart=False)


ENDS: dict[str, Callable[[Any], None]] = {
    "killed": _killed,
    "crashed": _crashed,
    "out of memory": _out_of_memory,
    "retired": _retired,
}
"""How a worker may end, by what is said of it then; each is called in its event loop."""


class Strike(WorkerPlugin):
    """End the first worker of which a task whose key begins with ``prefix`` comes into ``state``."""

    name = "strike"

    def __init__(self, note: Path, how: str, prefix: str, state: str) -> None:
        self._note, self._how, self._prefix, self._state = str(note), how, prefix, state

    def setup(self, worker: Any) -> None:
        self._worker = worker

    def transition(self, key: Any, start: str, finish: str, **more: Any) -> None:
        if finish == self._state and str(key).startswith(self._prefix) and first(self._note):
            ENDS[self._how](self._worker)


@contextlib.contextmanager
def striking(client: Any, note: Path, how: str, prefix: str, state: str) -> Iterator[None]:
    """Have a worker end as `Strike` says while this lasts."""
    client.register_plugin(Strike(note, how, prefix, state))
    try:
        yield
    finally:
        client.unregister_worker_plugin("strike")


def forgets(client: Any) -> list[str]:
    """Return the keys of the tasks that stay on the scheduler of a client, after some time to forget them."""
    deadline = time.monotonic() + 10
    while True:
        keys: list[str] = client.run_on_scheduler(lambda dask_scheduler: list(map(str, dask_scheduler.tasks)))
        if not keys or time.monotonic() > deadline:
            return keys
        time.sleep(0.02)
