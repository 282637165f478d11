"""Where a request to an HTTP proxy wants to go (RFC 9112, section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import RemoteError
from blinktun.presets.socks_address import parse_host

if TYPE_CHECKING:
    from blinktun.proxies.http_head import Request

# WebSocket clients ask a proxy for ws://: their handshake is a request like any other. A backslash
# is a slash to browsers and a part of the host to others.
_ABSOLUTE = re.compile(
    rb"(?:http|ws)://(?P<authority>[^/?#\\]+)(?P<path>(?:[/?][^#]*)?)(#.*)?", re.IGNORECASE
)
_SCHEME = re.compile(rb"(?P<scheme>[a-z][a-z0-9+.\-]*)://.*", re.IGNORECASE)
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """An absolute URL in the words of its origin.

    Attributes:
        address: Where the origin is.
        authority: Its name for ``Host``.
        path: What is asked for, query included.
    """

    address: Address
    authority: bytes
    path: bytes


def parse_target(request: Request) -> RequestTarget:
    """Read the URL of a request that is to be passed on.

    Raises:
        RemoteError: it is not of the form ``http://host/path``.
    """
    match = _ABSOLUTE.fullmatch(request.target)
    if not match:
        raise RemoteError(_why_not(request.target))
    authority = match["authority"].rpartition(b"@")[2]
    path = match["path"]
    if not path.startswith(b"/"):
        path = b"*" if request.method == b"OPTIONS" and not path else b"/" + path
    address = parse_authority(authority, default_port=80)
    return RequestTarget(address, _host_field(address, authority), _ascii(path))


def parse_authority(authority: bytes, *, default_port: int) -> Address:
    """Read ``host:port``.

    Raises:
        RemoteError: it is something else.
    """
    try:
        address = Address.parse(authority.decode("utf-8"), default_port=default_port)
    except ValueError:  # its text may hold a password
        raise RemoteError("the target is not of the form host:port") from None
    return Address(parse_host(address.host.encode()), address.port)


def _host_field(address: Address, authority: bytes) -> bytes:
    """Return the host as it came, or as DNS spells it."""
    if authority.isascii():
        return authority.removesuffix(b":")
    return (address.host if address.port == 80 else str(address)).encode()


def _ascii(path: bytes) -> bytes:
    """Write raw UTF-8 or Latin-1 as browsers do: strict servers refuse the raw bytes."""
    return path if path.isascii() else _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], path)


def _why_not(target: bytes) -> str:
    scheme = match["scheme"].lower() if (match := _SCHEME.fullmatch(target)) else b""
    if scheme in {b"https", b"wss"}:
        return "https:// and wss:// need CONNECT: the encryption is between you and the origin"
    if scheme not in {b"", b"http", b"ws"}:
        return "only http:// and ws:// URLs are passed on"
    return "this is an HTTP proxy, and the URL is not of the form http://host/path"
