"""Service URLs by the rules of the WHATWG, as far as services need them (blinksocks, 2.2)."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from blinktun.address import Address
from blinktun.config.host_name import is_host_name
from blinktun.config.model import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPECIAL_PORTS: Mapping[str, int] = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_DEFAULT_PORTS: Mapping[str, int] = {**_SPECIAL_PORTS, "h2": 443}


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """A parsed ``<protocol>://[user:password@]<host>:<port>[/path][?params]``.

    Attributes:
        scheme: In lower case.
        address: Host, without brackets, and port.
        path: ``/`` at least for http, https, ws and wss; as written elsewhere.
        params: The first value of each query parameter, decoded.
        credentials: None unless user and password are both there.
    """

    scheme: str
    address: Address
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials | None = None


def parse_service_url(text: str) -> ServiceUrl:
    """Read a service URL.

    Raises:
        ValueError: it is none; the message says why and shows nothing of it.
    """
    found = _URL.fullmatch(text.strip(_C0_AND_SPACE))
    if not found:
        raise ValueError("is not of the form <protocol>://<host>:<port>")
    scheme = found["scheme"].lower()
    userinfo, _, host_and_port = found["authority"].rpartition("@")
    host, port = _split_port(host_and_port)
    path = found["path"] or ("/" if scheme in _SPECIAL_PORTS else "")
    params: dict[str, str] = {}
    for name, value in parse_qsl(found["query"] or "", keep_blank_values=True):
        params.setdefault(name, value)
    address = Address(_host(host, special=scheme in _SPECIAL_PORTS), _port(port, scheme))
    return ServiceUrl(scheme, address, quote(path, safe=_PATH_SAFE), params, _credentials(userinfo))


def parse_endpoint(text: str) -> Address:
    """Read ``host:port``, the value of ``forward``.

    Raises:
        ValueError: the host or the port cannot be.
    """
    host, port = _split_port(text)
    return Address(_host(host, special=False), _port(port, ""))


def _split_port(text: str) -> tuple[str, str]:
    found = _HOST_AND_PORT.fullmatch(text)
    if not found:
        raise ValueError("has a host that is neither a name nor an address; IPv6 needs brackets")
    return found["host"], found["port"] or ""


def _port(text: str, scheme: str) -> int:
    if not text and scheme in _DEFAULT_PORTS:
        return _DEFAULT_PORTS[scheme]
    if not text:
        raise ValueError("has no port")
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise ValueError("has a port outside 1..65535")
    return int(text)


def _host(text: str, *, special: bool) -> str:
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise ValueError("has brackets around what is no IPv6 address") from None
    host = _special_host(text) if special else text
    if not host:
        raise ValueError("has no host")
    if not is_host_name(host):
        raise ValueError("has a host that is neither a name nor an address")
    return host


def _special_host(text: str) -> str:
    """Decode, apply IDNA and expand IPv4 shorthand, as browsers do for http and ws."""
    try:
        host = unquote(text, errors="strict").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError("has a host that is no name") from None
    if not _ENDS_IN_NUMBER.search(host):
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
    except (OSError, ValueError):
        raise ValueError("has a host that is no IPv4 address") from None


def _credentials(userinfo: str) -> Credentials | None:
    """Both forms of user and password: as the URL parser leaves them, and decoded."""
    user, _, password = userinfo.partition(":")
    if not user or not password:
        return None
    raw_user, raw_password = quote(user, safe=_USERINFO_SAFE), quote(password, safe=_USERINFO_SAFE)
    return Credentials(unquote(user), unquote(password), raw_user, raw_password)


_C0_AND_SPACE = "".join(map(chr, range(33)))
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#\s]*)(?P<path>/[^?#\s]*)?"
    r"(?:\?(?P<query>[^#\s]*))?(?:#\S*)?",
    re.IGNORECASE,
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[^:\[\]]*))?")
_PORT = re.compile(r"0*[0-9]{1,5}", re.ASCII)
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$", re.ASCII)
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_USERINFO_SAFE = "".join(set(_PUNCTUATION) - set('"#<>?`{}/:;=@[\\]^|'))
_PATH_SAFE = "".join(set(_PUNCTUATION) - set('"#<>?`{}'))
