"""SOCKS4 and SOCKS4a (the two memos by Ying-Da Lee that everybody follows)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.effects import ConnectTo, Effect, Reject, Reply
from blinktun.errors import RemoteError
from blinktun.presets.socks_address import parse_host
from blinktun.proxies.base import Handshake

if TYPE_CHECKING:
    from blinktun.effects import Chunk
    from blinktun.proxies.refusal import Refusal

VERSION = 4

_CONNECT = 1
_GRANTED = b"\x00\x5a" + bytes(6)
REFUSED = b"\x00\x5b" + bytes(6)
_FIXED_SIZE = 8  # version, command, port, address
_MAX_TEXT = 255  # of the user id, and of the name


class Socks4(Handshake):
    """A SOCKS4 or 4a handshake; CONNECT is the only command.

    The request is at most 520 bytes.

    Args:
        refuses: Whether every request is refused: there is no password in this protocol, and the
            service asks for one. (blinksocks accepts such requests.)
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self._buffer = b""
        self._done = False

    def receive(self, data: Chunk) -> list[Effect]:
        """Read ``04 cmd port(2) ip(4) userid 00 [name 00]``."""
        self._buffer += data
        if self._done:
            return []
        if self._buffer and self._buffer[0] != VERSION:
            return self._reject(f"SOCKS version {self._buffer[0]} does not exist")
        try:
            found = _parse(self._buffer)
        except RemoteError as error:
            return self._reject(str(error))
        if found is None:
            return []
        if self._refuses or self._buffer[1] != _CONNECT:
            missing = "SOCKS4 without a password" if self._refuses else f"command {self._buffer[1]}"
            return self._reject(f"{missing} is not offered")
        target, size = found
        self._done = True
        self._buffer = self._buffer[size:]
        return [ConnectTo(target)]

    def granted(self) -> bytes:
        """Return the success reply."""
        return _GRANTED

    def refused(self, reason: Refusal) -> bytes:
        """Return the failure reply; there is only one."""
        del reason
        return REFUSED

    def take_early(self) -> bytes:
        """Return what came behind the request."""
        early, self._buffer = self._buffer, b""
        return early

    def _reject(self, reason: str) -> list[Effect]:
        self._done = True
        self._buffer = b""
        return [Reply(REFUSED), Reject(reason)]


def _parse(request: bytes) -> tuple[Address, int] | None:
    """Return target and length of a request; None if it is not complete."""
    if len(request) < _FIXED_SIZE:
        return None
    port = int.from_bytes(request[2:4], "big")
    user = _text(request, _FIXED_SIZE)
    if user is None:
        return None
    end = _FIXED_SIZE + len(user) + 1
    ip = request[4:8]
    # 4a: an address of 0.0.0.x, x not 0, means that a name follows.
    if ip[:3] != bytes(3) or ip[3] == 0:
        return Address(str(ipaddress.IPv4Address(ip)), port), end
    name = _text(request, end)
    if name is None:
        return None
    return Address(parse_host(name), port), end + len(name) + 1


def _text(request: bytes, start: int) -> bytes | None:
    """Return the text from ``start`` up to a zero byte, None if that has not come yet."""
    end = request.find(0, start, start + _MAX_TEXT + 1)
    if end >= 0:
        return request[start:end]
    if len(request) > start + _MAX_TEXT:
        raise RemoteError(f"a text is longer than {_MAX_TEXT} bytes")
    return None
