"""Share work that lets other threads run, as NumPy's loops over arrays do, among threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

__all__ = ["ALIGNED", "LEAST", "share", "thread_count"]

LEAST = 2**21
"""The fewest elements that are worth a thread of their own: some milliseconds' work, and far more than its blocks."""

ALIGNED = 2**16
"""Parts begin at multiples of it, so that two threads never write to one cache line."""


def thread_count() -> int:
    """Return how many threads a large fill takes: OMP_NUM_THREADS, where it is a number, or else as many as there are
    processors that this process may use.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    # Before Python 3.13 there is no os.process_cpu_count, and not every system has affinities.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def share(work: Callable[[int, int], None], count: int, threads: int | None = None) -> None:
    """Call ``work(start, stop)`` for parts that together are ``range(count)``, one a thread.

    ``threads`` is the most there may be: `thread_count` where it is None. Little work stays in this thread.
    """
    threads = min(thread_count() if threads is None else threads, count // LEAST)
    if threads <= 1:
        work(0, count)
        return
    length = -(-count // (threads * ALIGNED)) * ALIGNED
    starts = range(0, count, length)
    with ThreadPoolExecutor(len(starts)) as pool:
        # The list has what a thread raised raised here.
        list(pool.map(lambda start: work(start, min(start + length, count)), starts))
