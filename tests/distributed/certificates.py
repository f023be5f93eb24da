"""Certificates for tests: an authority of its own, and what it signs, as files."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Certificates", "certificates", "cluster_over_tls"]


@dataclass(frozen=True)
class Certificates:
    """Name the files of an authority's certificate, and of one that it signed with its key."""

    ca: Path
    cert: Path
    key: Path

    def security(self) -> Any:
        """Return what Dask takes, for all peers; connections without TLS are refused."""
        from distributed import Security

        names = {
            f"tls_{peer}_{what}": str(path)
            for peer in ("client", "scheduler", "worker")
            for what, path in (("cert", self.cert), ("key", self.key))
        }
        return Security(tls_ca_file=str(self.ca), require_encryption=True, **names)


def certificates(folder: Path) -> Certificates:
    """Write certificates of a new authority into ``folder``; they are good for an hour."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(name: str) -> Any:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def signed(name: str, key: Any, authority: bool) -> Any:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(own_key, hashes.SHA256())
        )

    own_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    folder.mkdir(exist_ok=True)
    found = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    pem = serialization.Encoding.PEM
    found.ca.write_bytes(signed("authority", own_key, authority=True).public_bytes(pem))
    found.cert.write_bytes(signed("peer", key, authority=False).public_bytes(pem))
    found.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return found


def cluster_over_tls(own: Certificates) -> Any:
    """Return a cluster of one worker in this process whose peers speak TLS with one another."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tls://",
        host="127.0.0.1",
        security=own.security(),
        dashboard_address="127.0.0.1:0",
    )
