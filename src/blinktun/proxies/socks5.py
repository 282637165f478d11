"""SOCKS5: RFC 1928, and username/password of RFC 1929."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.errors import RemoteError
from blinktun.presets.socks_address import pack, unpack
from blinktun.proxies.base import Associate, Demand, Handshake, credentials_match
from blinktun.proxies.refusal import Refusal

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.config.model import Credentials
    from blinktun.effects import Chunk

VERSION = 5

_NO_AUTH, _USER_PASSWORD = 0x00, 0x02
NO_METHOD = bytes((VERSION, 0xFF))
"""The answer to methods of authentication of which none will do."""
_CONNECT, _UDP_ASSOCIATE = 1, 3

# RFC 1928, section 6.
_SUCCEEDED, _COMMAND_UNKNOWN, _ADDRESS_TYPE_UNKNOWN = 0, 7, 8
_CODES = {
    Refusal.FAILED: 1,
    Refusal.NOT_ALLOWED: 2,
    Refusal.HOST_UNREACHABLE: 4,
    Refusal.CONNECTION_REFUSED: 5,
    Refusal.TIMED_OUT: 4,
}


class _State(Enum):
    GREETING = auto()
    CREDENTIALS = auto()
    REQUEST = auto()
    DONE = auto()


class Socks5(Handshake):
    """A SOCKS5 handshake, for CONNECT and UDP ASSOCIATE.

    Without credentials of our own, an application that offers username/password may present any.
    Each message is bounded by its own length bytes, 515 bytes at most.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials
        self._state = _State.GREETING
        self._buffer = b""

    def receive(self, data: Chunk) -> list[Demand]:
        """Answer every message that is complete."""
        self._buffer += data
        effects: list[Demand] = []
        while True:
            state = self._state
            effects += self._advance()
            if self._state in (state, _State.DONE):
                return effects

    def granted(self) -> bytes:
        """Return the success reply; the bound address is not told."""
        return _reply(_SUCCEEDED)

    def granted_datagrams(self, address: Address) -> bytes:
        """Return the reply that names where datagrams go."""
        return bytes((VERSION, _SUCCEEDED, 0)) + pack(address)

    def refused(self, reason: Refusal) -> bytes:
        """Return the failure reply."""
        return _reply(_CODES[reason])

    def take_early(self) -> bytes:
        """Return what came behind the request."""
        early, self._buffer = self._buffer, b""
        return early

    def _advance(self) -> list[Demand]:
        match self._state:
            case _State.GREETING:
                return self._greeting()
            case _State.CREDENTIALS:
                return self._check_credentials()
            case _State.REQUEST:
                return self._request()
            case _State.DONE:
                return []

    def _greeting(self) -> list[Demand]:
        """``05 n methods[n]``."""
        buffer = self._buffer
        if buffer and buffer[0] != VERSION:
            return self._reject(f"SOCKS version {buffer[0]} does not exist")
        if len(buffer) < 2 or len(buffer) < 2 + buffer[1]:
            return []
        methods = self._take(2 + buffer[1])[2:]
        # blinksocks asks for a password whenever it is offered, even if none is configured.
        if _USER_PASSWORD in methods:
            self._state = _State.CREDENTIALS
            return [Reply(bytes((VERSION, _USER_PASSWORD)))]
        if _NO_AUTH in methods and self._credentials is None:
            self._state = _State.REQUEST
            return [Reply(bytes((VERSION, _NO_AUTH)))]
        return self._reject("no acceptable authentication method offered", NO_METHOD)

    def _check_credentials(self) -> list[Demand]:
        """``01 ulen user plen pass``; some applications put 05 first, so that byte is not read."""
        buffer = self._buffer
        if len(buffer) < 2 or len(buffer) < 3 + buffer[1]:
            return []
        user_end = 2 + buffer[1]
        end = user_end + 1 + buffer[user_end]
        if len(buffer) < end:
            return []
        message = self._take(end)
        username, password = message[2:user_end], message[user_end + 1 :]
        if self._credentials and not credentials_match(self._credentials, username, password):
            return self._reject("wrong username or password", b"\x01\x01")
        self._state = _State.REQUEST
        return [Reply(b"\x01\x00")]

    def _request(self) -> list[Demand]:
        """``05 cmd 00 atyp addr port``."""
        buffer = self._buffer
        if len(buffer) < 4:
            return []
        if buffer[0] != VERSION:
            return self._reject(f"SOCKS version {buffer[0]} in a request")
        try:
            found = unpack(buffer[3:])
        except RemoteError as error:
            return self._reject(str(error), _reply(_ADDRESS_TYPE_UNKNOWN))
        if found is None:
            return []
        target, size = found
        command = self._take(3 + size)[1]
        if command not in {_CONNECT, _UDP_ASSOCIATE}:
            return self._reject(f"command {command} is not offered", _reply(_COMMAND_UNKNOWN))
        self._state = _State.DONE
        # Where the application will send from is not looked at: few know it.
        return [ConnectTo(target) if command == _CONNECT else Associate()]

    def _take(self, size: int) -> bytes:
        message, self._buffer = self._buffer[:size], self._buffer[size:]
        return message

    def _reject(self, reason: str, reply: bytes = b"") -> list[Demand]:
        self._state = _State.DONE
        self._buffer = b""
        return [Reply(reply), Reject(reason)] if reply else [Reject(reason)]


def _reply(code: int) -> bytes:
    return bytes((VERSION, code, 0, 1)) + bytes(6)
