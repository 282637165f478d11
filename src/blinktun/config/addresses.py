"""Where kcptun's sockets are: hosts and ports, ranges of ports, paths of UNIX sockets.

What the Go program takes for a path is all that does not split into host and port (kcptun wire,
8.3); here a slash makes a path as well, since no host has one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.config.model import PortRange

if TYPE_CHECKING:
    from blinktun.config.model import StreamAddress
    from blinktun.config.settings import Settings

LONGEST_PATH = 107
"""Bytes of a UNIX socket's path on Linux."""


def stream_address(settings: Settings, name: str) -> StreamAddress:
    """The address or path of a TCP or UNIX socket.

    Raises:
        ConfigError: the option holds neither.
    """
    text = settings.text(name)
    if text and ("/" in text or ":" not in text):
        if Address(text, 0).ip is not None or text == "localhost" or text.isdigit():
            # It would do as the path of a socket, which nobody means by it.
            raise settings.error(name, "has no host or no port", fix=_STREAM_FIX)
        return _path(settings, name, text)
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise settings.error(name, str(error), fix=_STREAM_FIX) from None
    if text.strip().startswith("[") and address.ip is None:
        raise settings.error(name, "has no IPv6 address in its brackets", fix=_STREAM_FIX)
    return address


def port_range(settings: Settings, name: str, *, empty_host: str = "") -> PortRange:
    """``host:port`` or ``host:first-last``, or several hosts (``host|host:port``).

    Go searches for its pattern anywhere in the text; we refuse what it takes by accident, such as
    ``host:80-90-100``.

    Args:
        settings: Where it is written.
        name: The option.
        empty_host: What stands for no host.

    Raises:
        ConfigError: it is neither, or a port is out of range.
    """
    *others, last_host = settings.text(name).strip().split("|")
    found = _PORT_RANGE.fullmatch(last_host)
    more = [_HOST.fullmatch(text) for text in others]
    if not found or None in more:
        raise settings.error(name, "is no host:port", fix=_RANGE_FIX)
    first = int(found["first"])
    last = int(found["last"] or first)
    if not 1 <= first <= last <= 65535:
        fix = "write a port 1..65535, or the lower and the higher port of a range as 3000-4000"
        raise settings.error(name, "has a port or range that cannot be", fix=fix)
    every = [*filter(None, more), found]
    if any(each["literal"] and Address(each["literal"], 0).ip is None for each in every):
        raise settings.error(name, "has no IPv6 address in its brackets", fix=_RANGE_FIX)
    hosts = _distinct([each["literal"] or each["host"] or empty_host for each in every])
    return PortRange(hosts[0], first, last, tuple(hosts[1:]))


def _distinct(hosts: list[str]) -> list[str]:
    """Each host once; the addresses for all of IPv4 and all of IPv6 together are one host."""
    unspecified = {
        ip.version for host in hosts if (ip := Address(host, 0).ip) and ip.is_unspecified
    }
    return [""] if "" in hosts or len(unspecified) > 1 else list(dict.fromkeys(hosts))


def _path(settings: Settings, name: str, text: str) -> Path:
    if len(os.fsencode(text)) > LONGEST_PATH:
        fix = f"write a path of at most {LONGEST_PATH} bytes"
        raise settings.error(name, "is too long for the path of a UNIX socket", fix=fix)
    return Path(text)


_STREAM_FIX = "write host:port, [IPv6 address]:port, :port or the path of a UNIX socket"
_RANGE_FIX = "write host:port, [IPv6 address]:port, :port, or a range as host:3000-4000"
_ONE_HOST = r"(?:\[(?P<literal>[^\[\]]+)\]|(?P<host>[^:\[\]/]*))"
_HOST = re.compile(_ONE_HOST)
_PORT_RANGE = re.compile(
    rf"{_ONE_HOST}:(?P<first>[0-9]{{1,5}})(?:-(?P<last>[0-9]{{1,5}})?)?",
    re.ASCII,
)
