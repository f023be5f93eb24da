"""Local clusters on loopback, started when first asked for and kept for the session."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest


@pytest.fixture(scope="session")
def workers() -> Iterator[Callable[[int], Any]]:
    """Give a function from a number of worker processes to a client of a cluster of that many."""
    distributed = pytest.importorskip("distributed")
    with ExitStack() as stack:
        clients: dict[int, Any] = {}

        def client_of(count: int) -> Any:
            if count not in clients:
                cluster = stack.enter_context(
                    distributed.LocalCluster(
                        n_workers=count,
                        processes=True,
                        threads_per_worker=1,
                        dashboard_address="127.0.0.1:0",
                        host="127.0.0.1",
                    )
                )
                clients[count] = stack.enter_context(distributed.Client(cluster, set_as_default=False))
            return clients[count]

        yield client_of


@pytest.fixture(scope="session")
def threads() -> Iterator[Any]:
    """Give a client whose one worker lives in this process, with two threads."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0", set_as_default=False
    ) as client:
        yield client


@pytest.fixture
def left_behind() -> Callable[[Any], int]:
    """Give a function that waits for the scheduler of a client to forget its tasks, and returns how many stay."""

    def count(client: Any) -> int:
        import time

        deadline = time.monotonic() + 10
        while (tasks := client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.02)
        return tasks

    return count
