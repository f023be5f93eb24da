"""How large a piece should be, how many are under way, and how many results a task merges: from costs alone.

None of these changes a bit of any result. Nothing here knows a cluster.
"""

import math

from tl_arrayapi.distributed.costs import Costs
from tl_arrayapi.distributed.partition import chunk_size
from tl_arrayapi.distributed.samples.piece import Source

__all__ = [
    "FETCHED_AT_ONCE",
    "chunk_samples",
    "fan_in",
    "fewest_pieces",
    "pieces_to_time",
    "pieces_together",
    "suited",
    "window_pieces",
]

FETCHED_AT_ONCE = 8
"""How many small values come to the client at the cost of one."""

_DEFAULT = Costs()

# A worker holds some pieces, and what the loss makes of one.
_SHARE_OF_MEMORY = 1 / 16
_LARGEST_PIECE = 64 << 20
_HELD = 128 << 20
_FEWEST, _EACH = 16, 4
_FEWEST_CUT = 64
# Longer ones make progress, and what is lost with a worker, too coarse.
_LONGEST = 10.0
# A task costs some milliseconds beyond its work. That is little where a piece takes so long; of shorter ones a task is
# to take so long.
_LONG, _ENOUGH = 0.02, 0.1
_TASKS_EACH = 6
_TOGETHER = 8 << 20  # bytes
# Of pieces that are cheap to read: so many, of so many bytes, need not be joined.
_FEW, _WHOLE = 256, 1 << 20
# Of a loss that was not timed: one pass over the sample's bytes.
_SECONDS_A_BYTE = 1e-9
# Of sizes that take as long, the smallest: it holds less, and a lost worker loses less.
_AS_GOOD = 1.005


def chunk_samples(
    total: int | None,
    sample_bytes: float,
    *,
    workers: int,
    micro_batch: int = 64,
    sample_seconds: float | None = None,
    memory: int | None = None,
    costs: Costs = _DEFAULT,
) -> int:
    """Return how many samples to put into a piece: ``micro_batch`` times a power of two.

    It is the one for which the run should be shortest: either client and scheduler are at work all the time, or the
    workers, each on its share of the pieces, rounded up, and at the end they wait for one another for half a piece. A
    piece takes ten seconds at most, and a sixteenth of a worker's ``memory``, in bytes, and 64 MiB, so far as the
    micro-batch lets it. ``total`` is None where it is not known, and ``sample_seconds`` where the loss was not timed.

    >>> chunk_samples(10_000_000, 36, workers=2, sample_seconds=2e-8)
    524288
    >>> chunk_samples(1_000, 36, workers=2, sample_seconds=1.0)
    64
    """
    seconds = sample_seconds or max(sample_bytes, 1.0) * _SECONDS_A_BYTE
    known = max(1.0, workers * _LONGEST / seconds) if total is None else total
    largest = _LARGEST_PIECE if memory is None else min(_LARGEST_PIECE, memory * _SHARE_OF_MEMORY)
    most = min(_LONGEST / seconds, largest / max(sample_bytes, 1.0), known)
    sizes: list[int] = [micro_batch * 2**i for i in range(1 + max(0, math.floor(math.log2(most / micro_batch))))]

    def seconds_of(size: int) -> float:
        pieces, piece = math.ceil(known / size), costs.worker_task + size * seconds
        return max(pieces * costs.interval, math.ceil(pieces / workers) * piece) + costs.turnaround + piece / 2

    shortest = min(map(seconds_of, sizes))
    return next(size for size in sizes if seconds_of(size) <= _AS_GOOD * shortest)


def suited(source: Source, micro_batch: int, fewest: int) -> Source:
    """Return ``source`` in pieces that suit the number of its samples: see `chunk_size`. Blocks and row groups of a
    megabyte and more stay as they are, where they are few: to join them is to copy them.

    >>> import tl_arrayapi as tl
    >>> from tl_arrayapi.distributed.samples import open_samples
    >>> module = tl.ScalarModule.create(lambda w, x: w * x, [2.0])
    >>> samples = [module.asarrays([x]) for x in range(1000)]
    >>> suited(open_samples(module, samples), micro_batch=64, fewest=8).pieces
    8
    """
    if source.total is None:
        return source
    whole = source.resized(micro_batch)
    if whole.pieces is not None and whole.pieces <= _FEW:
        nbytes = source.total * (source.sample_nbytes or 0)
        if nbytes >= whole.pieces * _WHOLE:
            return whole
    return source.resized(chunk_size(source.total, micro_batch, source.sample_nbytes, fewest))


def fewest_pieces(threads: int) -> int:
    """Return into how many pieces samples are to be cut at least: 64, and four for each thread of a worker.

    >>> fewest_pieces(2), fewest_pieces(1000)
    (64, 4000)
    """
    return max(_FEWEST_CUT, _EACH * threads)


def window_pieces(threads: int, piece_bytes: float = 0.0) -> int:
    """Return how many pieces to have under way: enough that no thread of a worker waits, and no more than the client
    should hold.

    That is 4 for each thread, one that it works on, one that comes to it, one that goes from it and one to spare, and
    16 at least; of pieces that hold ``piece_bytes`` each, 128 MiB a thread, though no thread goes without.

    >>> window_pieces(2), window_pieces(100), window_pieces(2, 64 << 20)
    (16, 400, 4)
    """
    most = max(_FEWEST, _EACH * threads)
    return most if not piece_bytes else max(threads + 1, min(most, int(threads * _HELD // piece_bytes)))


def pieces_to_time(threads: int) -> int:
    """Return how many pieces to begin with, each a task, before it is known how long one takes: until half of them
    are done, and tasks of several are sent, workers have the others.

    >>> pieces_to_time(2)
    8
    """
    return 4 * threads


def pieces_together(seconds: float, pieces: int | None, threads: int, piece_bytes: float = 0.0) -> int:
    """Return how many pieces to put into a task, of ``pieces`` that take ``seconds`` each: as many as take 100 ms, hold
    8 MiB, and leave six tasks to each thread, so that none waits long at the end. One that takes 20 ms is by itself.

    >>> pieces_together(1e-3, 64, 2), pieces_together(1e-2, 1_000, 2), pieces_together(0.03, 1_000, 2)
    (6, 10, 1)
    """
    most = _ENOUGH / max(seconds, 1e-6) if seconds < _LONG else 1.0
    if pieces is not None:
        most = min(most, math.ceil(pieces / (_TASKS_EACH * threads)))
    if piece_bytes:
        most = min(most, _TOGETHER / piece_bytes)
    return max(1, int(most))


def fan_in(pieces: int, result_bytes: float, costs: Costs = _DEFAULT) -> int:
    """Return how many results one task merges, a power of two: the scheduler's time for all, and the tree's depth, are
    weighed against what one worker must then fetch.

    >>> fan_in(1_000, 1_000), fan_in(64, 100_000_000)
    (32, 2)
    """

    def seconds(of: int) -> float:
        merges = pieces / (of - 1)
        depth = math.ceil(math.log(max(pieces, 2), of))
        return merges * costs.interval + depth * (costs.turnaround + (of - 1) * result_bytes * costs.peer_byte)

    return min((2, 4, 8, 16, 32), key=seconds)
