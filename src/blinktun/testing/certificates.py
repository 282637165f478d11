"""Certificates for tests, made when they are needed."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from blinktun.config.model import Tls

if TYPE_CHECKING:
    from pathlib import Path

_ONE_DAY = dt.timedelta(days=1)


def self_signed(folder: Path, *hosts: str, cn: str = "localhost", stem: str = "tls") -> Tls:
    """Write a self-signed certificate and its key into ``folder``.

    Args:
        folder: An existing folder.
        hosts: Names and IP addresses that it is for; none: it has its CN alone.
        cn: Its common name.
        stem: How the names of the files begin.

    Returns:
        Both paths, for either end of a connection.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _ONE_DAY)
        .not_valid_after(now + _ONE_DAY)
    )
    if hosts:
        names = x509.SubjectAlternativeName(list(map(_general_name, hosts)))
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    tls = Tls(folder / f"{stem}_cert.pem", folder / f"{stem}_key.pem", self_signed=True)
    (folder / f"{stem}_cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{stem}_key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return tls


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
