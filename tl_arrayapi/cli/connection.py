"""Where a command works: this process, processes of this machine, or a cluster that runs already, with TLS or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tl_arrayapi.cli.evaluation import local_cluster
from tl_arrayapi.cli.requirements import CLUSTERS, require
from tl_arrayapi.errors import ClusterError

__all__ = ["Where"]


@dataclass(frozen=True)
class Where:
    """Say where to work: at the scheduler of an address, on so many processes of this machine, or in this process.

    >>> with Where().client() as client:
    ...     print(client)
    None
    """

    scheduler: str | None = None
    workers: int | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def check(self, ctx: click.Context) -> None:
        """Raise click.UsageError where options contradict one another."""
        if self.scheduler is not None and self.workers is not None:
            raise click.UsageError("--scheduler is a cluster that runs, --workers starts one: give one of them", ctx)
        given = [x is not None for x in (self.tls_ca, self.tls_cert, self.tls_key)]
        if not any(given):
            return
        if not all(given):
            raise click.UsageError("TLS needs all of --tls-ca, --tls-cert and --tls-key", ctx)
        if self.scheduler is None or not self.scheduler.startswith("tls://"):
            raise click.UsageError("TLS is for a scheduler at an address such as tls://10.0.0.1:8786", ctx)

    @contextmanager
    def client(self) -> Iterator[Any]:
        """Give a ``distributed.Client``, or None for this process; what was started for it ends with it.

        Raises ClusterError where there is no connection, or no cluster can be started.
        """
        if self.scheduler is None and self.workers is None:
            yield None
            return
        require(CLUSTERS, "dask")
        from distributed import Client

        if self.workers is not None:
            with local_cluster(self.workers) as cluster, Client(cluster, set_as_default=False) as client:
                yield client
            return
        try:
            connected = Client(self.scheduler, security=self._security(), set_as_default=False)
        # Dask raises TypeError where the address asks for TLS, and nothing says which certificates.
        except (OSError, ValueError, TypeError) as error:
            raise ClusterError(
                f"no connection to the scheduler {self.scheduler} ({type(error).__name__}: {error}): look at the "
                "address, whether it runs, and for tls:// at the certificates"
            ) from error
        with connected as client:
            yield client

    def _security(self) -> Any:
        """Return what the options say; None, that is, what Dask's configuration says, where they say nothing."""
        from distributed import Security

        if self.tls_ca is None:
            return None
        return Security(
            tls_ca_file=str(self.tls_ca),
            tls_client_cert=str(self.tls_cert),
            tls_client_key=str(self.tls_key),
            require_encryption=True,
        )
