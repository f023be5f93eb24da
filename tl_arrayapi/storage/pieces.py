"""Files piece by piece, on as many threads as there are cores: the digest of a file is that of its pieces' digests.

A piece is `PIECE` bytes of one tensor, the last one of it smaller. One SHA-256 over all bytes, which version 1 of the
format has, takes one core longer than a disk needs.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from tl_arrayapi.errors import CheckpointError

__all__ = ["PIECE", "THREADS", "begin", "digest_of", "fill", "working"]

_T = TypeVar("_T")

PIECE = 1 << 20
THREADS = min(8, os.cpu_count() or 1)

# Handing work to a thread takes as long as this many bytes.
_SMALL = 1 << 16


def digest_of(parts: list[Any]) -> bytes:
    """Return the SHA-256 of the bytes of contiguous arrays, one after the other.

    >>> import numpy
    >>> digest_of([numpy.zeros(2)]) == hashlib.sha256(bytes(16)).digest()
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.view("u1"))
    return digest.digest()


def begin(threads: ThreadPoolExecutor, size: int, work: Callable[..., _T], *args: Any) -> Future[_T]:
    """Begin ``work`` on a piece of ``size`` bytes; on a small one it is done at once.

    >>> with working() as threads:
    ...     begin(threads, PIECE, str.encode, "done").result()
    b'done'
    """
    if size >= _SMALL:
        return threads.submit(work, *args)
    done: Future[_T] = Future()
    done.set_result(work(*args))
    return done


def fill(descriptor: int, place: int, memory: Any) -> None:
    """Fill bytes with those of a file from a place on, or raise CheckpointError where it has fewer.

    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     fill(file.fileno(), 0, bytearray(1))
    Traceback (most recent call last):
    tl_arrayapi.errors.CheckpointError: the file was cut short while it was read, at byte 0
    """
    view = memoryview(memory)
    done = 0
    while done < len(view):
        count = _read(descriptor, place + done, view[done:])
        if not count:
            raise CheckpointError(f"the file was cut short while it was read, at byte {place + done}")
        done += count


def _read(descriptor: int, place: int, view: memoryview) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [view], place)
    with _SEEKING:
        os.lseek(descriptor, place, os.SEEK_SET)
        found = os.read(descriptor, len(view))
    view[: len(found)] = found
    return len(found)


_SEEKING = threading.Lock()


@contextmanager
def working() -> Iterator[ThreadPoolExecutor]:
    """Give threads for pieces; what is not begun when an error leaves is dropped."""
    threads = ThreadPoolExecutor(THREADS, "tl_arrayapi-checkpoint")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
