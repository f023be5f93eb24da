"""TLS between the peers of a cluster: the same bits with it, and no connection without a certificate."""

import pytest

from tests.distributed.certificates import certificates, cluster_over_tls
from tests.distributed.problems import bits, module, stacked
from tl_arrayapi.cli.connection import Where
from tl_arrayapi.distributed import loss_and_grads, mean_loss
from tl_arrayapi.errors import ClusterError

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Give the certificates of the cluster's authority."""
    return certificates(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def cluster(own):
    """Give a cluster of one worker in this process whose peers speak TLS with one another."""
    with cluster_over_tls(own) as found:
        yield found


@pytest.fixture
def impatient():
    """Have connections give up soon."""
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "500ms"}):
        yield


def test_the_mean_and_the_gradients_are_the_same_bits_over_tls(cluster, own):
    from distributed import Client

    m = module()
    with Client(cluster.scheduler_address, security=own.security(), set_as_default=False) as client:
        (worker,) = client.scheduler_info()["workers"]
        assert worker.startswith("tls://")
        assert client.scheduler.address.startswith("tls://")
        assert mean_loss(m, stacked(300), client) == mean_loss(m, stacked(300))
        loss, grads = loss_and_grads(m, stacked(100), client)
    expected, others = loss_and_grads(m, stacked(100))
    assert loss == expected
    assert bits(grads) == bits(others)


def test_the_command_line_connects_with_certificates(cluster, own):
    where = Where(scheduler=cluster.scheduler_address, tls_ca=own.ca, tls_cert=own.cert, tls_key=own.key)
    with where.client() as client:
        assert mean_loss(module(), stacked(50), client) == mean_loss(module(), stacked(50))


def test_a_certificate_of_another_authority_is_refused(cluster, tmp_path, impatient):
    other = certificates(tmp_path / "other")
    where = Where(scheduler=cluster.scheduler_address, tls_ca=other.ca, tls_cert=other.cert, tls_key=other.key)
    with pytest.raises(ClusterError, match="no connection to the scheduler tls://"), where.client():
        pass


def test_a_peer_whose_certificate_the_scheduler_does_not_know_is_refused(cluster, own, tmp_path, impatient):
    # It knows the scheduler's authority, and has a certificate, but not one that the authority signed.
    other = certificates(tmp_path / "other")
    where = Where(scheduler=cluster.scheduler_address, tls_ca=own.ca, tls_cert=other.cert, tls_key=other.key)
    with pytest.raises(ClusterError, match="no connection to the scheduler tls://"), where.client():
        pass


def test_without_tls_there_is_no_connection(cluster, impatient):
    with pytest.raises(ClusterError, match="does not answer"):
        mean_loss(module(), stacked(50), cluster.scheduler_address.replace("tls://", "tcp://"))


def test_without_a_certificate_there_is_no_connection(cluster, impatient):
    with pytest.raises(ClusterError, match="certificates"), Where(scheduler=cluster.scheduler_address).client():
        pass
