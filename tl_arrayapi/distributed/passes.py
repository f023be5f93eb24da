"""One pass of a job over pieces on a cluster: tasks for them, so many under way at a time, merged as they are done.

Where nobody said how large tasks are to be, pieces that take little time are put together, those that are on the same
worker. What was lost with its worker is sent again, what a slow one keeps is given to another, too: tasks are pure and
merge in any order, so that none of this changes a bit.
"""

import queue
import time
import uuid
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from itertools import islice
from statistics import median
from typing import Any, Generic, TypeVar

from tl_arrayapi.distributed.ahead import Ahead
from tl_arrayapi.distributed.connection import MOST_LOST, PAUSE, Connection, disconnected, lost_connection
from tl_arrayapi.distributed.replica import Version
from tl_arrayapi.distributed.runner import Job, Mergeable, Terms
from tl_arrayapi.distributed.samples.piece import Piece, Source
from tl_arrayapi.distributed.sizing import FETCHED_AT_ONCE, fan_in, pieces_to_time, pieces_together, window_pieces
from tl_arrayapi.distributed.tasks import Bundle, Found, Sent, Task, merged, worked
from tl_arrayapi.errors import ClusterError
from tl_arrayapi.module import ScalarModule

__all__ = ["SCATTERED_ABOVE", "Pass"]

_P = TypeVar("_P", bound=Mergeable)

SCATTERED_ABOVE = 2**14
"""Bytes of a piece above which it does not travel in a task."""
_RECENT = 64
_RETRIES = 1  # of a task that raised
_MOST_KILLED = 2  # each time some four workers have died of it
# A piece is slow that takes so many times as long as most, and a second more.
_SLOW = 3


class Pass(Generic[_P]):
    """One pass over the pieces."""

    def __init__(
        self, connection: Connection, job: Job[_P], module: ScalarModule, source: Source, terms: Terms
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._job = job
        self._module = module
        self._source = source
        self._terms = terms
        self._record = terms.record
        self._pieces = enumerate(source)
        self._ahead = dict(source.futures) if isinstance(source, Ahead) else {}
        self._has_more = True
        self._version = Version.of(module)
        self._replica: Any = None
        self._parameters: Any = None
        self._token = uuid.uuid4().hex
        self._lost_before = connection.lost
        # Of pieces whose number is not known each may take its maker long: those that are there do not wait for more.
        self._joins = terms.together and source.pieces is not None
        self._merged_at_once = fan_in(source.pieces or FETCHED_AT_ONCE, self._version.nbytes)
        self._open: dict[Sent, None] = {}  # pieces whose values are not here yet
        self._tasks: dict[str, Task] = {}
        self._fetchable: list[Task] = []  # finished, and waiting to come here
        self._ready: list[Task] = []  # finished, and waiting to be merged where they are
        self._again: list[Sent] = []
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._seconds: list[float] = []
        self._samples = 0
        self._recent: deque[float] = deque(maxlen=_RECENT)  # seconds of single pieces
        self._total: Found[_P] | None = None

    def total(self) -> _P | None:
        """Work on all pieces; leave no task behind, whatever happens."""
        try:
            self._send_module()
            while True:
                self._refill()
                if not self._open:
                    break
                self._merge()
                self._take(self._wait())
                self._send_again()
            self._connection.threads()
        finally:
            self._record.workers_lost = self._connection.lost - self._lost_before
            # After an error or Ctrl-C, what is under way would go on on the workers.
            self._cancel(
                [
                    self._parameters,
                    *self._ahead.values(),
                    *(x.data for x in self._open),
                    *self._ready,
                    *self._fetchable,
                    *self._tasks.values(),
                ]
            )
        return None if self._total is None else self._total.value

    def _cancel(self, tasks: Sequence[Any]) -> None:
        # Without a connection there is nothing to take back: a scheduler forgets the tasks of a client that is gone.
        futures = [y for x in tasks for y in ((x.future, *x.merges) if isinstance(x, Task) else (x,)) if y is not None]
        if futures and self._client.status == "running":
            self._client.cancel(futures, force=True)

    # ---- sending
    def _send_module(self) -> None:
        self._replica, self._parameters = self._connection.module(
            self._module, self._version, self._parameters, self._record
        )

    def _refill(self) -> None:
        """Send pieces, many at once, until there is work for all threads for some time."""
        if not self._has_more:
            return
        new = [] if self._open else list(islice(self._pieces, 1))
        held = [x.bundle.nbytes / len(x.bundle) for x in self._open]
        held += [piece.nbytes for _, piece in new]
        nbytes = sum(held) / len(held) if held else 0.0
        threads = self._connection.workers
        together, most = 1, window_pieces(threads, nbytes)
        if self._joins and not self._is_timing:
            # Not the mean: on each worker the first piece waits for programs to be made.
            seconds = sorted(self._recent)[len(self._recent) // 4]
            together = pieces_together(seconds, self._source.pieces, threads, nbytes)
            most = window_pieces(threads, nbytes * together)
        elif self._joins:
            if self._open:
                return
            most = min(most, pieces_to_time(threads))
        if len(self._tasks) > most * 3 // 4:
            return
        wanted = (most - len(self._tasks)) * together
        new += islice(self._pieces, wanted - len(new))
        self._has_more = len(new) >= wanted
        self._send(self._put_together(new, together))

    @property
    def _is_timing(self) -> bool:
        """Whether it is yet to be found out how long pieces take that may be put together."""
        return self._joins and len(self._recent) < pieces_to_time(self._connection.workers) // 2

    def _put_together(self, new: Sequence[tuple[int, Piece]], size: int) -> list[Sent]:
        """Return pieces as they are to be sent, up to ``size`` in one: those that need nothing of the cluster, or of
        the same worker.
        """
        homes = self._homes([piece for _, piece in new]) if size > 1 else []
        sent, begun = [], dict[Any, list[tuple[int, Piece]]]()
        for (number, piece), home in zip(new, homes or [None] * len(new), strict=True):
            if home is None or number in self._ahead:
                sent.append(Sent(Bundle((number,), (piece,)), self._ahead.pop(number, None)))
                continue
            group = begun.setdefault(home, [])
            group.append((number, piece))
            if len(group) == size:
                sent.append(_together(begun.pop(home)))
        return [*sent, *map(_together, begun.values())]

    def _homes(self, pieces: Sequence[Piece]) -> list[str | None]:
        """Return for each piece the worker that holds most of what it needs, "" where that is nothing, None where some
        of it is yet to be computed.
        """
        from distributed import Future

        held = self._connection.homes([x for piece in pieces for x in piece.inputs if isinstance(x, Future)])
        homes: list[str | None] = []
        for piece in pieces:
            places = [held.get(x.key, ()) if isinstance(x, Future) else () for x in piece.inputs]
            counts = Counter(address for place in places for address in place)
            most = max(sorted(counts), key=counts.__getitem__, default="")
            homes.append(most if all(places) else None)
        return homes

    def _send(self, new: Sequence[Sent], **where: Any) -> None:
        from distributed import Future

        self._open.update(dict.fromkeys(new))
        heavy = [x for x in new if x.bundle.nbytes > SCATTERED_ABOVE and not x.is_there]
        if heavy:
            for x, future in zip(heavy, self._connection.scattered([x.bundle for x in heavy]), strict=True):
                self._record.sent += x.bundle.nbytes
                x.data = future
        for x in new:
            x.since = time.monotonic()
            x.sendings += 1
        made = [x for x in new if all(isinstance(value, Future) for own in x.bundle.inputs for value in own)]
        unmade = [x for x in new if x not in made]
        with lost_connection():
            futures = [*self._mapped(made, where), *self._computed(unmade, where)]
        for x, future in zip([*made, *unmade], futures, strict=True):
            self._watch(Task(future, (x,)))

    def _watch(self, task: Task) -> None:
        self._tasks[task.future.key] = task
        task.future.add_done_callback(self._ended.put)

    def _mapped(self, new: Sequence[Sent], where: dict[str, Any]) -> list[Any]:
        """Send pieces that have all that they need with them, or on the cluster."""
        if not new:
            return []
        futures: list[Any] = self._client.map(
            worked,
            [x.bundle if x.data is None else x.data for x in new],
            [x.bundle.inputs for x in new],
            key=[self._key(x) for x in new],
            replica=self._replica,
            version=self._parameters,
            job=self._job,
            pure=False,
            retries=_RETRIES,
            **where,
        )
        return futures

    def _computed(self, new: Sequence[Sent], where: dict[str, Any]) -> list[Any]:
        """Send pieces that take what the cluster has yet to compute of a Dask collection."""
        if not new:
            return []
        from dask import delayed

        call = delayed(worked, pure=False, traverse=False)
        common = (self._replica, self._parameters, self._job)
        tasks = [call(x.bundle, x.bundle.inputs, *common, dask_key_name=self._key(x)) for x in new]
        futures: list[Any] = self._client.compute(tasks, retries=_RETRIES, **where)
        return futures

    def _key(self, sent: Sent) -> str:
        return f"tl-{self._job.name}-{self._token}-{sent.bundle.numbers[0]}-{sent.sendings}"

    def _merge(self) -> None:
        """Merge values on workers, so many at a time, or what there is when nothing else is under way."""
        while len(self._ready) >= self._merged_at_once or (self._ready and not self._tasks and not self._has_more):
            ready, self._ready = self._ready[: self._merged_at_once], self._ready[self._merged_at_once :]
            futures = tuple(task.future for task in ready)
            with lost_connection():
                future = self._client.submit(merged, list(futures), key=f"tl-merge-{uuid.uuid4().hex}", pure=False)
            self._watch(Task(future, tuple(x for task in ready for x in task.sent), futures))

    # ---- receiving
    def _wait(self) -> list[Any]:
        """Wait until tasks have ended; return all that have."""
        while True:
            left = self._terms.seconds_left(self._samples, self._source.total)
            try:
                found = [self._ended.get(timeout=min(PAUSE, left))]
            except queue.Empty:
                if self._fetchable:
                    return []
                if self._client.status not in ("running", "connecting"):
                    raise disconnected() from None
                self._help_slow_ones()
                continue
            while not self._ended.empty():
                found.append(self._ended.get())
            return found

    def _take(self, ended: Sequence[Any]) -> None:
        """Deal with tasks that have ended, well or not."""
        finished = []
        for future in ended:
            task = self._tasks.pop(future.key, None)  # None: not wanted any more
            if task is None:
                continue
            if not task.merges and task.sent[0].is_done:
                continue  # another task for the same piece was first
            if future.status == "finished":
                task.sent[0].is_done = True
                finished.append(task)
            else:
                self._failed(task, future)
        if self._job.large:
            for task in finished:
                if not task.merges:
                    self._finish(task)
                    self._ready.append(task)
            finished = [task for task in finished if task.merges]
        self._fetchable += finished
        # Values are small, or merged: many come at the cost of one. The first is looked at at once, for it may tell
        # that nothing will come of all this.
        at_once = 1 if self._is_timing else FETCHED_AT_ONCE
        if ended and self._tasks and self._total is not None and len(self._fetchable) < at_once:
            return
        fetchable, self._fetchable = self._fetchable, []
        for task, found in self._fetched(fetchable):
            self._add(task, found)

    def _fetched(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Any]]:
        """Yield tasks with their values, but for those that were lost since."""
        if not tasks:
            return
        try:
            with lost_connection():
                yield from zip(tasks, self._client.gather([task.future for task in tasks]), strict=True)
        except CancelledError:
            if len(tasks) == 1:
                self._failed(tasks[0], tasks[0].future)
                return
            for task in tasks:
                yield from self._fetched([task])

    def _add(self, task: Task, found: Found[_P]) -> None:
        """Take in the value of a task."""
        self._total = found if self._total is None else self._total.merge(found)
        for done in found.done:
            self._record.add(done if task.merges else replace(done, attempts=task.sent[0].sendings))
            self._recent.append(done.read_seconds + done.work_seconds)
        self._total = Found(self._total.value, (), self._total.workers)
        self._check_alike()
        if not task.merges:
            self._finish(task, sum(done.samples for done in found.done))
        for x in task.sent:
            del self._open[x]

    def _finish(self, task: Task, samples: int = 0) -> None:
        """Count what a task has worked on, and drop the other tasks for it."""
        (sent,) = task.sent
        self._seconds.append(time.monotonic() - sent.since)
        if sent.helped:
            others = [other for other in self._tasks.values() if other.sent == task.sent]
            for other in others:
                del self._tasks[other.future.key]
            self._cancel(others)
        if sent.is_counted:  # its value was lost when it was merged
            return
        sent.is_counted = True
        self._samples += sent.bundle.count(samples)
        self._record.tasks += 1
        if self._terms.progress is not None:
            self._terms.progress(self._samples, self._source.total)

    def _check_alike(self) -> None:
        assert self._total is not None
        known = self._record.environments
        new = {k: v for k, v in self._total.workers.items() if k not in known}
        known.update(new)
        if new and len(known) > 1:
            described = "; ".join(f"{address}: {fingerprint}" for fingerprint, address in known.items())
            message = f"workers that differ may give different bits ({described})"
            if self._terms.alike:
                raise ClusterError(f"{message}: make them alike, or ask for exact=False")
            warnings.warn(message, stacklevel=6)

    # ---- what goes wrong
    def _failed(self, task: Task, future: Any) -> None:
        """Note what is to be sent again, or left out; raise where neither helps."""
        from distributed import KilledWorker

        for x in task.sent:
            x.is_done = False
        if any(other.sent == task.sent for other in self._tasks.values()):
            return  # another task is at work on the same
        (first, *others) = task.sent
        if len(first.bundle) > 1 and not others:
            self._send_apart(first)
            return
        error = future.exception() if future.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker):
            self._leave_out(task, error)
            return
        if self._client.status != "running":
            raise disconnected() from error
        for x in task.sent:
            if error is None:
                x.lost += 1
            else:
                x.killed += 1
            if x.killed >= _MOST_KILLED or x.lost >= MOST_LOST:
                self._leave_out(Task(future, (x,)), error or CancelledError("its data was lost"))
            else:
                self._again.append(x)
        self._record.resent += len(task.sent)

    def _leave_out(self, task: Task, error: BaseException) -> None:
        from distributed import KilledWorker

        what = str(task.sent[0].bundle)
        if task.merges:
            raise ClusterError(f"merging what the chunks gave failed: {type(error).__name__}: {error}") from error
        if isinstance(error, KilledWorker | CancelledError):
            raise ClusterError(
                f"{what} was sent {task.sent[0].sendings} times, and workers that held it were lost each time: look "
                "into the workers' logs for what ends them, memory first"
            ) from error
        if not self._terms.skip or isinstance(error, ClusterError):
            raise ClusterError(f"{what} failed: {type(error).__name__}: {error}") from error
        (number,), (piece,) = task.sent[0].bundle.numbers, task.sent[0].bundle.pieces
        self._record.skip(number, piece.name, piece.count, error)
        del self._open[task.sent[0]]

    def _send_apart(self, together: Sent) -> None:
        """Have the pieces of a task that failed sent one by one: one of them may be bad."""
        apart = together.apart()
        del self._open[together]
        self._open.update(dict.fromkeys(apart))
        self._cancel([together.data])
        self._again += apart
        self._record.resent += len(apart)

    def _send_again(self) -> None:
        """Send what was lost; the module first, where it was lost, too."""
        if not self._again:
            return
        # The scheduler takes a moment to notice that a worker is gone, and a worker some to start.
        time.sleep(PAUSE * max(1, *(x.lost for x in self._again)))
        self._connection.recount()
        again = list(dict.fromkeys(self._again))
        self._again.clear()
        self._send_module()
        self._send([x for x in again if not any(x.bundle.inputs)])
        for x in again:
            if any(x.bundle.inputs):  # the scheduler takes back a whole graph, of which one input is lost
                self._send([x])

    def _help_slow_ones(self) -> None:
        """Give pieces that take long to workers that have nothing to do, as well; the first to be done counts."""
        if self._has_more or not self._seconds:
            return
        limit = time.monotonic() - _SLOW * median(self._seconds) - 1
        slow = [task for task in self._tasks.values() if not task.merges and not task.sent[0].helped]
        slow = [task for task in slow if task.sent[0].since < limit]
        if not slow:
            return
        idle = [address for address, keys in self._client.processing().items() if not keys]
        if not idle:
            return
        for task in slow:
            task.sent[0].helped = True
        self._record.duplicated += len(slow)
        self._send([task.sent[0] for task in slow], workers=idle, allow_other_workers=True)


def _together(group: Sequence[tuple[int, Piece]]) -> Sent:
    numbers, pieces = zip(*group, strict=True)
    return Sent(Bundle(numbers, pieces))
