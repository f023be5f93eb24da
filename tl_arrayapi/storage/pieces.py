"""SHA-256 over pieces, on as many threads as there are cores: the digest of a file is that of its pieces' digests.

A piece is `PIECE` bytes of one tensor, the last one of it smaller. One SHA-256 over all bytes, which version 1 of the
format has, takes one core longer than a disk needs.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

__all__ = ["PIECE", "THREADS", "begin", "digest_of", "working"]

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


def begin(threads: ThreadPoolExecutor, size: int, work: Callable[..., bytes], *args: Any) -> Future[bytes]:
    """Begin ``work`` on a piece of ``size`` bytes; on a small one it is done at once.

    >>> with working() as threads:
    ...     begin(threads, PIECE, str.encode, "done").result()
    b'done'
    """
    if size >= _SMALL:
        return threads.submit(work, *args)
    done: Future[bytes] = Future()
    done.set_result(work(*args))
    return done


@contextmanager
def working() -> Iterator[ThreadPoolExecutor]:
    """Give threads for pieces; what is not begun when an error leaves is dropped."""
    threads = ThreadPoolExecutor(THREADS, "tl_arrayapi-checkpoint")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
