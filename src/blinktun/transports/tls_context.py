"""Who is trusted, and with what we prove who we are (blinksocks wire, section 6)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blinktun.config.model import Tls


def client_context(tls: Tls, *, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """Trust ``tls.cert`` alone if it is self-signed, else the authorities of the system.

    The host name is checked in both cases: against the names of the certificate, or its CN if it
    has none.

    Raises:
        ConfigError: the certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.self_signed and tls.cert:
        _trust(context, tls.cert, "server.tls_cert")
        # The file may hold the server's own certificate, whoever has signed it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return _finished(context, alpn)


def server_context(tls: Tls, *, keys: str = "tls", alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """Show ``tls.cert``.

    Args:
        tls: Certificate and key.
        keys: How the settings begin that name them, for messages: ``tls`` or ``https``.
        alpn: Protocols that are offered, the best first.

    Raises:
        ConfigError: certificate or key cannot be used, or they do not belong together.
    """
    if not tls.cert or not tls.key:
        missing = "key" if tls.cert else "cert"
        raise ConfigError("is missing", key=f"{keys}_{missing}", fix="write the path of a PEM file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Only to find out which of the two files is to blame.
    _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls.cert, f"{keys}_cert")
    try:
        # Without a passphrase here, OpenSSL would ask the terminal for one.
        context.load_cert_chain(tls.cert, tls.key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"is not the key of {keys}_cert ({reason(error)})",
            key=f"{keys}_key",
            value=str(tls.key),
            fix="write the path of its PEM file, without a passphrase",
        ) from error
    # Tickets would wait unread at a client that only sends, and turn its end into a reset.
    context.num_tickets = 0
    return _finished(context, alpn)


def reason(error: Exception) -> str:
    """What OpenSSL or the system has to say, in few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.lower().rstrip(".")
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _trust(context: ssl.SSLContext, cert: Path, key: str) -> None:
    try:
        context.load_verify_locations(cert)
    except OSError as error:
        raise ConfigError(
            f"is not a certificate ({reason(error)})",
            key=key,
            value=str(cert),
            fix="write the path of a PEM file",
        ) from error


def _finished(context: ssl.SSLContext, alpn: Sequence[str]) -> ssl.SSLContext:
    context.options |= ssl.OP_NO_RENEGOTIATION
    if alpn:
        context.set_alpn_protocols(alpn)
    return context
