"""What is started by the command line listens on this machine alone."""

import pytest

from tl_arrayapi.cli.evaluation import local_cluster

pytest.importorskip("distributed")


def listening() -> set[tuple[str, int]]:
    """Return the addresses and ports on which this process and those that it started listen."""
    import psutil

    here = psutil.Process()
    return {
        (found.laddr.ip, found.laddr.port)
        for process in (here, *here.children(recursive=True))
        for found in process.net_connections("inet")
        if found.status == psutil.CONN_LISTEN
    }


def test_a_cluster_of_this_machine_listens_on_loopback_alone():
    before = listening()
    with local_cluster(1):
        new = listening() - before
    # The scheduler and its dashboard, the worker and its nanny at least.
    assert len(new) >= 4
    assert {address for address, _ in new} == {"127.0.0.1"}


def test_a_server_on_all_addresses_would_be_noticed():
    import socket

    before = listening()
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        assert ("0.0.0.0", server.getsockname()[1]) in listening() - before
