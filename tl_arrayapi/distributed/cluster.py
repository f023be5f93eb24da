"""The cluster's runner: chunks as tasks of dask.distributed, merged on the workers in rounds of fixed length.

Workers get the module once a version, chunks are scattered a round ahead, and nothing large is in the task graph. A
round whose data was lost with its worker is sent again: tasks are pure, so that this changes no bit.
"""

import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tl_arrayapi.distributed.environment import one_thread, own_scheduler
from tl_arrayapi.distributed.partition import Tree, fold, spans
from tl_arrayapi.distributed.replica import Replica
from tl_arrayapi.distributed.runner import Job, Mergeable, Progress, Runner
from tl_arrayapi.distributed.samples import Chunk, Chunks
from tl_arrayapi.errors import ArgumentError, ClusterError, MissingLibraryError, StructureError
from tl_arrayapi.module import ScalarModule

__all__ = ["OnCluster", "connected"]

_P = TypeVar("_P", bound=Mergeable)

# Powers of two, so that rounds, and what one task merges, are whole branches of the one tree.
_ROUND = 32
_BRANCHES = 8
_ROUNDS_UNDER_WAY = 2
_ATTEMPTS = 4
_PAUSE = 0.2


@dataclass(frozen=True)
class _Found(Generic[_P]):
    """What a task brings back: its value, and who worked on it, one worker for each fingerprint met."""

    value: _P
    workers: dict[str, str]


def _work(chunk: Chunk, replica: Replica, job: Job[_P]) -> _Found[_P]:
    from distributed import get_worker

    with one_thread(), own_scheduler():
        return _Found(job(replica.module, chunk), {replica.fingerprint: get_worker().address})


def _merged(found: Sequence[_Found[_P]]) -> _Found[_P]:
    return fold(_merge, found)


def _merge(left: _Found[_P], right: _Found[_P]) -> _Found[_P]:
    return _Found(left.value.merge(right.value), {**right.workers, **left.workers})


@dataclass(frozen=True)
class _Round:
    """A round under way: chunks and, in their order, their tasks; the data these need; the merging tasks, the last of
    which has it all.
    """

    span: tuple[int, int]
    chunks: Sequence[Chunk]
    data: Sequence[Any]
    tasks: Sequence[Any]
    merges: Sequence[Any]

    @property
    def root(self) -> Any:
        return (self.merges or self.tasks)[-1]

    @property
    def futures(self) -> list[Any]:
        return [*self.merges, *self.tasks, *self.data]


class OnCluster:
    """Work on chunks as tasks of a Dask cluster."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def total(self, job: Job[_P], module: ScalarModule, chunks: Chunks, progress: Progress, alike: bool) -> _P:
        """Return the merged value: see `Runner`."""
        found = _Run(self._client, job, Replica(module), chunks, progress).total()
        if len(found.workers) > 1:
            _differ(found.workers, alike)
        return found.value


class _Run(Generic[_P]):
    """One pass over the chunks."""

    def __init__(self, client: Any, job: Job[_P], replica: Replica, chunks: Chunks, progress: Progress) -> None:
        self._client = client
        self._job = job
        self._replica = replica
        self._chunks = chunks
        self._progress = progress
        self._sent: Any = None
        self._done = 0

    def total(self) -> _Found[_P]:
        tree: Tree[_Found[_P]] = Tree(_merge)
        under_way: deque[_Round] = deque()
        self._send_replica()
        try:
            for span in spans(len(self._chunks), _ROUND):
                under_way.append(self._start(span))
                if len(under_way) == _ROUNDS_UNDER_WAY:
                    tree.push(self._finish(under_way))
            while under_way:
                tree.push(self._finish(under_way))
        finally:
            # After an error or Ctrl-C, what is under way would go on on the workers.
            self._cancel([self._sent, *(future for current in under_way for future in current.futures)])
        return tree.result()

    def _cancel(self, futures: Sequence[Any]) -> None:
        # Without a connection there is nothing to take back: a scheduler forgets the tasks of a client that is gone.
        if self._client.status == "running":
            self._client.cancel(futures, force=True)

    def _send_replica(self) -> None:
        self._sent = self._scattered(self._replica, broadcast=True)

    def _scattered(self, data: Any, **options: Any) -> Any:
        """Send data to workers, and again where one of them goes meanwhile."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with _lost_connection():
                    return self._client.scatter(data, hash=False, **options)
            except ClusterError as error:
                # A time-out has waited. Otherwise the scheduler takes a moment to notice, and to send elsewhere.
                if attempt == _ATTEMPTS or isinstance(error.__cause__, TimeoutError):
                    raise
                time.sleep(_PAUSE)

    def _start(self, span: tuple[int, int]) -> _Round:
        client = self._client
        chunks = [self._chunks[i] for i in range(*span)]
        data = self._scattered(chunks)
        with _lost_connection():
            tasks = client.map(
                _work, data, key=f"tl{self._job.__name__}", replica=self._sent, job=self._job, pure=False
            )
            merges: list[Any] = []
            level = tasks
            while len(level) > 1:
                level = [client.submit(_merged, level[i:j], pure=False) for i, j in spans(len(level), _BRANCHES)]
                merges += level
        return _Round(span, chunks, data, tasks, merges)

    def _finish(self, under_way: deque[_Round]) -> _Found[_P]:
        """Wait for the first round and take it off; send it again while data that it needs is lost."""
        for _ in range(_ATTEMPTS):
            first = under_way[0]
            try:
                found = self._watched(first)
            except CancelledError as error:
                lost = error
                if self._client.status != "running":
                    raise ClusterError(
                        "the connection to the cluster was lost: start again with a new client"
                    ) from error
                self._cancel(first.futures)
                self._send_replica()
                under_way[0] = self._start(first.span)
            else:
                for future in under_way.popleft().futures:
                    future.release()
                self._done += sum(map(len, first.chunks))
                return found
        low, high = under_way[0].span
        raise ClusterError(
            f"chunks {low} to {high - 1} were sent {_ATTEMPTS} times, and workers that held them were lost each "
            "time: look into the workers' logs for what ends them, memory first"
        ) from lost

    def _watched(self, current: _Round) -> _Found[_P]:
        """Wait for a round and return what it comes to; report progress; raise for the first task that failed."""
        from distributed import as_completed

        places = {future.key: i for i, future in enumerate(current.tasks)}
        done = self._done
        for future in as_completed(current.tasks, loop=self._client.loop):
            chunk = current.chunks[places[future.key]]
            _check(future, f"chunk {current.span[0] + places[future.key]} ({chunk})")
            done += len(chunk)
            if self._progress is not None:
                self._progress(done, len(self._chunks.places))
        for future in as_completed(current.merges, loop=self._client.loop):
            _check(future, "merging what the chunks gave")
        with _lost_connection():
            found: _Found[_P] = current.root.result()
        return found


def _check(future: Any, what: str) -> None:
    """Raise for a future that is not finished: CancelledError where what it needs was lost, ClusterError where it
    failed.
    """
    if future.status == "error":
        error = future.exception()
        raise ClusterError(f"{what} failed: {type(error).__name__}: {error}") from error
    if future.status != "finished":
        raise CancelledError


def _differ(workers: dict[str, str], alike: bool) -> None:
    described = "; ".join(f"{address}: {fingerprint}" for fingerprint, address in workers.items())
    message = f"workers that differ may give different bits ({described})"
    if alike:
        raise ClusterError(f"{message}: make them alike, or ask for exact=False")
    warnings.warn(message, stacklevel=4)


@contextmanager
def _lost_connection() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ClusterError(
            f"the cluster does not answer, or has no workers ({type(error).__name__}: {error})"
        ) from error


@contextmanager
def connected(client: Any) -> Iterator[Runner]:
    """Give the runner for a Client, or for a Client made for as long as this lasts to a cluster or an address."""
    try:
        from distributed import Client
        from distributed.deploy import Cluster
    except ImportError as error:
        raise MissingLibraryError("clusters need Dask: pip install 'tl-arrayapi[dask]'") from error
    if isinstance(client, Client):
        if client.asynchronous:
            raise ArgumentError("an asynchronous Client is not supported: use Client(..., asynchronous=False)")
        if client.status != "running":
            raise ClusterError(f"the client is {client.status}: a client that is connected is expected")
        yield OnCluster(client)
    elif isinstance(client, str | Cluster):
        with _lost_connection():
            try:
                own = Client(client, set_as_default=False)
            except ValueError as error:
                raise ArgumentError(
                    f"{client!r} is not the address of a scheduler: one such as 'tcp://127.0.0.1:8786' is expected"
                ) from error
        with own:
            yield OnCluster(own)
    else:
        raise StructureError(
            f"client is a {type(client).__name__}: a distributed.Client, a cluster, the address of a scheduler or "
            "None is expected"
        )
