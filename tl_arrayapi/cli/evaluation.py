"""The mean loss in this process and on local Dask clusters, and whether all of them give the same bits."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tl_arrayapi.cli.interrupt import interruption, sheltered_children
from tl_arrayapi.distributed import mean_loss
from tl_arrayapi.errors import ClusterError
from tl_arrayapi.module import ScalarModule
from tl_arrayapi.report import Display

__all__ = ["Comparison", "compare", "local_cluster", "mean_loss_on_cluster"]


@dataclass(frozen=True)
class Comparison:
    """Hold one mean loss from this process, and one from each cluster by its number of workers.

    >>> comparison = Comparison(0.1, {1: 0.1, 2: 0.1})
    >>> comparison.same_bits, comparison.line
    (True, 'workers 1, 2: same bits: yes')
    """

    in_process: float
    on_workers: dict[int, float]

    @property
    def same_bits(self) -> bool:
        """Whether all of them are the same number, to the last bit."""
        return len({value.hex() for value in (self.in_process, *self.on_workers.values())}) == 1

    @property
    def line(self) -> str:
        """The verdict, as a line of text."""
        return f"workers {', '.join(map(str, self.on_workers))}: same bits: {'yes' if self.same_bits else 'no'}"


def compare(module: ScalarModule, samples: Any, workers: Sequence[int], shown: Display) -> Comparison:
    """Return the mean loss over ``samples``, computed here and on a local cluster for each number of ``workers``."""
    shown.begin("mean loss", 1 + len(workers))
    here = mean_loss(module, samples)
    shown.advance(f"in this process: {here!r}")
    found = {}
    for count in workers:
        found[count] = mean_loss_on_cluster(module, samples, count)
        shown.advance(f"on {count} worker{'s' * (count > 1)}: {found[count]!r}")
    return Comparison(here, found)


def mean_loss_on_cluster(module: ScalarModule, samples: Any, workers: int) -> float:
    """Return the mean loss over ``samples``, computed by so many processes on this machine.

    Ctrl-C is heard when the cluster is closed: one that is left half open or half closed says so at length. Raises
    ClusterError where the cluster does not start.
    """
    from distributed import Client

    with interruption() as stop, local_cluster(workers) as cluster, Client(cluster, set_as_default=False) as client:
        mean: float = mean_loss(module, samples, client)
    if stop.is_set():
        raise KeyboardInterrupt
    return mean


def local_cluster(workers: int) -> Any:
    """Return a Dask cluster of so many processes of one thread each; raise ClusterError where it does not start."""
    from distributed import LocalCluster

    try:
        with sheltered_children():
            # Nothing listens beyond this machine, nor on a port that another cluster may have. What fails is told by
            # the exception alone.
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            f"a local cluster of {workers} workers did not start ({error}): see that memory and processes are left"
        ) from error
