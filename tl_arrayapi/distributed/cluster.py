"""The cluster's runner: pieces as tasks of dask.distributed.

Workers get the module once, its parameters once a version; pieces that hold data are scattered, and nothing large is in
the task graph.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tl_arrayapi.distributed.ahead import Ahead
from tl_arrayapi.distributed.connection import Connection, lost_connection
from tl_arrayapi.distributed.passes import SCATTERED_ABOVE, Pass
from tl_arrayapi.distributed.runner import Job, Mergeable, Runner, Terms
from tl_arrayapi.distributed.samples.piece import Source
from tl_arrayapi.distributed.sizing import fewest_pieces
from tl_arrayapi.distributed.tasks import Bundle
from tl_arrayapi.errors import ArgumentError, ClusterError, MissingLibraryError, StructureError
from tl_arrayapi.module import ScalarModule

__all__ = ["OnCluster", "connected"]

_P = TypeVar("_P", bound=Mergeable)


class OnCluster:
    """Work on pieces as tasks of a Dask cluster."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._connection = Connection(client)

    @property
    def workers(self) -> int:
        """How many threads all workers have."""
        return self._connection.workers

    @property
    def fewest(self) -> int:
        """So many that workers do not wait long for the last ones."""
        return fewest_pieces(self.workers)

    def total(self, job: Job[_P], module: ScalarModule, source: Source, terms: Terms) -> _P | None:
        """Return the merged value: see `Runner`."""
        terms.record.where = self.client.scheduler.address
        terms.record.dashboard = self.client.dashboard_link
        return Pass(self._connection, job, module, source, terms).total()

    def ahead(self, source: Source) -> Source:
        """Send the pieces of ``source`` that hold samples: see `Runner`."""
        made = list(source)
        heavy = [i for i, piece in enumerate(made) if piece.nbytes > SCATTERED_ABOVE]
        futures = self._connection.scattered([Bundle((i,), (made[i],)) for i in heavy]) if heavy else []
        return Ahead(source, made, dict(zip(heavy, futures, strict=True)))

    def release(self) -> None:
        """Take back what was sent."""
        self._connection.release()


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
        yield from _released(OnCluster(client))
    elif isinstance(client, str | Cluster):
        with lost_connection():
            try:
                own = Client(client, set_as_default=False)
            except ValueError as error:
                raise ArgumentError(
                    f"{client!r} is not the address of a scheduler: one such as 'tcp://127.0.0.1:8786' is expected"
                ) from error
            except TypeError as error:  # how Dask says that there are no certificates
                raise ArgumentError(
                    f"{client!r} asks for TLS: give a distributed.Client made with a distributed.Security instead"
                ) from error
        with own:
            yield from _released(OnCluster(own))
    else:
        raise StructureError(
            f"client is a {type(client).__name__}: a distributed.Client, a cluster, the address of a scheduler or "
            "None is expected"
        )


def _released(cluster: OnCluster) -> Iterator[Runner]:
    try:
        yield cluster
    finally:
        cluster.release()
