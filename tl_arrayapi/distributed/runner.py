"""Where the chunks of a job are worked on: a runner turns a task and chunks into one merged value.

This one is the process itself, and the pattern for the cluster's. Nothing here knows what a task computes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from tl_arrayapi.distributed.environment import one_thread
from tl_arrayapi.distributed.partition import Tree
from tl_arrayapi.distributed.samples import Chunk, Chunks
from tl_arrayapi.module import ScalarModule

__all__ = ["InProcess", "Job", "Mergeable", "Progress", "Runner", "connected"]

Progress = Callable[[int, int], Any] | None


class Mergeable(Protocol):
    """What a task returns: a value that merges with its right neighbour's."""

    def merge(self, other: Any) -> Any:
        """Return the value for both."""


_P = TypeVar("_P", bound=Mergeable)
Job = Callable[[ScalarModule, Chunk], _P]


class Runner(Protocol):
    """Where chunks are worked on."""

    def total(self, job: Job[_P], module: ScalarModule, chunks: Chunks, progress: Progress, alike: bool) -> _P:
        """Return ``job(module, chunk)`` of all chunks, merged in a `Tree`.

        ``progress`` is called with (samples done, samples). With ``alike``, those who work must be alike enough to give
        the same bits.
        """


class InProcess:
    """Work on all chunks here, one after another."""

    def total(self, job: Job[_P], module: ScalarModule, chunks: Chunks, progress: Progress, alike: bool) -> _P:
        """Return the merged value: see `Runner`."""
        tree: Tree[_P] = Tree(lambda left, right: left.merge(right))
        done = 0
        for chunk in chunks:
            with one_thread():
                tree.push(job(module, chunk))
            done += len(chunk)
            if progress is not None:
                progress(done, len(chunks.places))
        return tree.result()


@contextmanager
def connected(client: Any) -> Iterator[Runner]:
    """Give the runner for ``client``: this process for None; a cluster for a Client, a LocalCluster or an address."""
    if client is None:
        yield InProcess()
        return
    from tl_arrayapi.distributed import cluster

    with cluster.connected(client) as runner:
        yield runner
