"""A connection to a Dask cluster: who is there, and what is sent to workers ahead of tasks."""

import math
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tl_arrayapi.distributed.record import Record
from tl_arrayapi.distributed.replica import Replica, Version
from tl_arrayapi.errors import ClusterError
from tl_arrayapi.module import ScalarModule

__all__ = ["MOST_LOST", "PAUSE", "Connection", "disconnected", "lost_connection"]

MOST_LOST = 10
"""How often data is sent again that workers took with them."""
PAUSE = 0.2
"""Seconds in which a scheduler may notice that a worker is gone."""


class Connection:
    """Send data to the workers of a client's cluster, and know of these."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._replica: tuple[Replica, Any] | None = None
        self._counted = -math.inf
        self._threads: dict[str, int] = {}
        self.lost = 0  # workers that went, as far as was noticed

    @property
    def is_up(self) -> bool:
        """Whether the client is connected."""
        return bool(self.client.status == "running")

    @property
    def workers(self) -> int:
        """How many threads all workers have."""
        return sum(self.threads())

    def threads(self) -> list[int]:
        """Return how many threads each worker has, or had a second ago."""
        if not self.is_up or self.client.scheduler is None:
            raise disconnected()
        if time.monotonic() > self._counted + 1:
            with lost_connection():
                known: dict[str, int] = self.client.nthreads()
            self.lost += len(self._threads.keys() - known.keys())
            self._counted, self._threads = time.monotonic(), known
        return list(self._threads.values()) or [1]

    def recount(self) -> None:
        """Look again which workers there are."""
        self._counted = -math.inf
        self.threads()

    def module(self, module: ScalarModule, version: Version, held: Any, record: Record) -> tuple[Any, Any]:
        """Return the futures of the module on the workers, but for its parameters, and of these, ``held`` where they
        were sent before. What is not there goes to one worker, from which the others fetch it, once each, when they
        need it: Dask would send it to all at once, and wait for each, those that go meanwhile as well.
        """
        data: list[Replica | Version] = []
        if not self._has(module):
            replica = Replica(module)
            data.append(replica)
        if held is None or held.status != "finished":
            data.append(version)
        if data:
            record.sent += sum(x.nbytes for x in data)
            found = dict(zip(map(type, data), self.scattered(data), strict=True))
            if Replica in found:
                self._replica = replica, found[Replica]
            held = found.get(Version, held)
        assert self._replica is not None
        return self._replica[1], held

    def _has(self, module: ScalarModule) -> bool:
        if self._replica is None:
            return False
        replica, future = self._replica
        return replica.is_of(module) and future.status == "finished"

    def release(self) -> None:
        """Take back the module."""
        if self._replica is not None and self.is_up:
            self.client.cancel([self._replica[1]], force=True)
        self._replica = None

    def scattered(self, data: Sequence[Any]) -> list[Any]:
        """Send data to workers, and again where one of them goes meanwhile; return a future for each."""
        # The same names again: the scheduler keeps what it took in of a sending that failed, and forgets it with ours.
        named = {f"{type(x).__name__}-{uuid.uuid4().hex}": x for x in data}
        for attempt in range(1, MOST_LOST + 1):
            try:
                # These two are the scheduler's, for workers that went when they had just taken data.
                with lost_connection(KeyError, ValueError):
                    futures = self.client.scatter(named)
                    return [futures[name] for name in named]
            except ClusterError as error:
                # A time-out has waited. Otherwise the scheduler takes a moment to notice, and to send elsewhere.
                if attempt == MOST_LOST or isinstance(error.__cause__, TimeoutError):
                    raise
                time.sleep(PAUSE)
        raise AssertionError("the last attempt returns or raises")

    def homes(self, futures: Sequence[Any]) -> dict[str, frozenset[str]]:
        """Return the addresses of the workers that hold each of ``futures``, by key."""
        with lost_connection():
            found = self.client.who_has(futures) if futures else {}
        return {key: frozenset(addresses) for key, addresses in found.items()}


def disconnected() -> ClusterError:
    """Return the error for a client that is not connected any more."""
    return ClusterError("the connection to the cluster was lost: start again with a new client")


@contextmanager
def lost_connection(*more: type[Exception]) -> Iterator[None]:
    """Raise ClusterError in place of an OSError, and of ``more``."""
    failures: tuple[type[Exception], ...] = (OSError, *more)
    try:
        yield
    except failures as error:
        raise ClusterError(
            f"the cluster does not answer, or has no workers ({type(error).__name__}: {error})"
        ) from error
