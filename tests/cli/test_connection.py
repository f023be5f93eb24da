"""Where a command works: what the options may say together, and what starts and ends."""

import sys

import click
import pytest

from tl_arrayapi.cli import connection
from tl_arrayapi.cli.connection import Where
from tl_arrayapi.errors import ClusterError, MissingLibraryError

pytest.importorskip("distributed")

TLS = {"tls_ca": "ca.pem", "tls_cert": "cert.pem", "tls_key": "key.pem"}


def test_without_options_the_work_is_done_here():
    with Where().client() as client:
        assert client is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scheduler": "tcp://127.0.0.1:1", "workers": 2}, "give one of them"),
        ({"scheduler": "tls://127.0.0.1:1", "tls_ca": "ca.pem"}, "all of --tls-ca, --tls-cert and --tls-key"),
        ({"scheduler": "tls://127.0.0.1:1", "tls_cert": "a", "tls_key": "b"}, "all of --tls-ca"),
        ({"scheduler": "tcp://127.0.0.1:1", **TLS}, "tls://"),
        ({"workers": 2, **TLS}, "tls://"),
        (TLS, "tls://"),
    ],
)
def test_options_that_contradict_one_another_are_refused(options, says):
    with pytest.raises(click.UsageError, match=says):
        Where(**options).check(click.Context(click.Command("evaluate")))


def test_options_that_agree_are_taken():
    context = click.Context(click.Command("evaluate"))
    for options in ({}, {"workers": 2}, {"scheduler": "tls://127.0.0.1:1"}, {"scheduler": "tls://127.0.0.1:1", **TLS}):
        Where(**options).check(context)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingLibraryError, match=r"distributed is not installed.*tl-arrayapi\[dask\]"):
        Where(workers=1).client().__enter__()


@pytest.mark.parametrize(
    ("address", "says"),
    [("tcp://127.0.0.1:9", "OSError"), ("nonsense://1", "ValueError"), ("tls://127.0.0.1:9", "TypeError.*tls")],
)
def test_a_scheduler_that_is_not_there_is_an_error_that_names_it(address, says):
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "200ms"}),
        pytest.raises(ClusterError, match=rf"{address}.*{says}"),
    ):
        Where(scheduler=address).client().__enter__()


def test_a_certificate_that_is_none_is_an_error_of_ours(tmp_path):
    for name in TLS.values():
        (tmp_path / name).write_text("no certificate")
    files = {option: tmp_path / name for option, name in TLS.items()}
    with pytest.raises(ClusterError, match="certificates"):
        Where(scheduler="tls://127.0.0.1:9", **files).client().__enter__()


def test_workers_are_processes_of_one_thread_that_end_with_the_client(monkeypatch):
    asked = []

    def local(count):
        asked.append(count)
        from distributed import LocalCluster

        return LocalCluster(n_workers=count, processes=False, threads_per_worker=1, dashboard_address="127.0.0.1:0")

    monkeypatch.setattr(connection, "local_cluster", local)
    with Where(workers=2).client() as client:
        assert len(client.scheduler_info()["workers"]) == 2
        cluster = client.cluster
    assert asked == [2]
    assert str(cluster.status) == "Status.closed"


def test_a_scheduler_that_runs_is_connected_to():
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Where(scheduler=cluster.scheduler_address).client() as client,
    ):
        assert client.scheduler.address == cluster.scheduler_address
    assert client.status == "closed"
