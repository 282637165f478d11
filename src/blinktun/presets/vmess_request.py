"""The first bytes of a VMess connection, in both directions (blinksocks wire, 5.8).

Client to server: ``auth(16)`` and an encrypted command. Server to client: 4 encrypted bytes. Both
are under AES-128-CFB, whose keys and IVs nobody else can know; the data after them is not.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blinktun.crypto.stream import STREAM_METHODS
from blinktun.errors import RemoteError
from blinktun.presets import socks_address

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.effects import Chunk

AUTH_SIZE = 16
RESPONSE_SIZE = 4

_MAGIC = b"c48619fe-8f02-49e0-b9e9-edf763e17e21"
_CFB = STREAM_METHODS["aes-128-cfb"]
_SKEW = 60
"""Seconds that a request's time may lie off ours: clients choose one up to 30 s off theirs, and
clocks differ by as much."""
_LONGEST = 316
"""Bytes of the longest command: a name of 255, 15 of padding."""
_FIXED = 41
"""Bytes of a command up to the type of its address, which is the last of them."""
_VERSION, _TCP = 1, 1
_KINDS = {socks_address.IPV4: 1, socks_address.NAME: 2, socks_address.IPV6: 3}
_SOCKS_KINDS = {kind: socks for socks, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client says about its connection.

    Attributes:
        iv: 16 random bytes: nonces and masks of the data come from them.
        key: 16 random bytes: of the data.
        check: A random byte that the answer must hold.
        options: The form of the chunks, as bits.
        security: The cipher of the chunks, as a number.
        target: Where to connect.
    """

    iv: bytes = field(repr=False)
    key: bytes = field(repr=False)
    check: int
    options: int
    security: int
    target: Address

    @property
    def answer_iv(self) -> bytes:
        """The ``iv`` of the other direction."""
        return md5(self.iv)

    @property
    def answer_key(self) -> bytes:
        """The ``key`` of the other direction."""
        return md5(self.key)


class User:
    """Who has the id: makes requests, and reads those that others with the same id made."""

    def __init__(self, uuid: bytes) -> None:
        self._uuid = uuid
        self._key = md5(uuid + _MAGIC)
        self._seconds = range(0)
        self._auths: dict[bytes, int] = {}

    def seal(self, request: Request, padding: bytes, second: int) -> bytes:
        """Write a request.

        Args:
            request: What to say.
            padding: At most 15 random bytes.
            second: The time to show.

        Raises:
            LocalError: the target's host does not fit.
        """
        command = _pack(request, padding)
        return self._auth(second) + _CFB.encryptor(self._key, _iv(second)).update(command)

    def find(self, auth: bytes, now: int) -> int | None:
        """Return the second in which an auth was made, None if none close to ``now`` fits.

        All that are valid are kept in a table, which loses one and gains one with each second.
        """
        seconds = range(max(now - _SKEW, 0), now + _SKEW + 1)
        if seconds != self._seconds:
            self._auths = {known: at for known, at in self._auths.items() if at in seconds}
            missing = (at for at in seconds if at not in self._seconds)
            self._auths |= {self._auth(at): at for at in missing}
            self._seconds = seconds
        return self._auths.get(auth)

    def open(self, sealed: Chunk, second: int) -> tuple[Request, int] | None:
        """Read what follows an auth.

        Returns:
            The request and how many bytes it took; None: more are needed, of 316 at most.

        Raises:
            RemoteError: it is no request, or one for something else than TCP.
        """
        return _unpack(bytes(_CFB.decryptor(self._key, _iv(second)).update(sealed[:_LONGEST])))

    def _auth(self, second: int) -> bytes:
        return hmac.digest(self._uuid, second.to_bytes(8, "big"), "md5")


def seal_response(request: Request) -> bytes:
    """Write the answer that goes in front of the server's data."""
    plain = bytes((request.check, 1, 0, 0))
    return bytes(_CFB.encryptor(request.answer_key, request.answer_iv).update(plain))


def open_response(request: Request, sealed: bytes) -> int:
    """Read 4 bytes of answer, and return how many bytes behind them are to be skipped.

    Raises:
        RemoteError: this request was not answered.
    """
    plain = _CFB.decryptor(request.answer_key, request.answer_iv).update(sealed)
    if plain[0] != request.check:
        raise RemoteError("the answer belongs to another request")
    return plain[3]


def md5(data: bytes) -> bytes:
    """Return the 16 bytes of MD5, which this format makes its keys and IVs with."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def _iv(second: int) -> bytes:
    return md5(second.to_bytes(8, "big") * 4)


def _pack(request: Request, padding: bytes) -> bytes:
    packed = socks_address.pack(request.target)
    command = b"".join(
        (
            bytes((_VERSION,)),
            request.iv,
            request.key,
            bytes((request.check, request.options)),
            bytes((len(padding) << 4 | request.security, 0, _TCP)),
            packed[-2:],
            bytes((_KINDS[packed[0]],)),
            packed[1:-2],
            padding,
        )
    )
    return command + _fnv1a(command)


def _unpack(plain: bytes) -> tuple[Request, int] | None:
    if plain and plain[0] != _VERSION:
        raise RemoteError(f"version {plain[0]} of the request is not known")
    if len(plain) < _FIXED + 1:
        return None
    padding, security = plain[35] >> 4, plain[35] & 0xF
    after_address = _FIXED + _address_size(plain)
    end = after_address + padding
    if len(plain) < end + 4:
        return None
    if _fnv1a(plain[:end]) != plain[end : end + 4]:
        raise RemoteError("the checksum of the request does not fit")
    if plain[37] != _TCP:
        raise RemoteError(f"command {plain[37]} is not supported, only TCP is")
    socks = bytes((_SOCKS_KINDS[plain[40]],)) + plain[_FIXED:after_address] + plain[38:40]
    found = socks_address.unpack(socks)
    if found is None:
        raise RemoteError("the request holds no address")
    request = Request(plain[1:17], plain[17:33], plain[33], plain[34], security, found[0])
    return request, end + 4


def _address_size(plain: bytes) -> int:
    match _SOCKS_KINDS.get(plain[40]):
        case socks_address.IPV4:
            return 4
        case socks_address.IPV6:
            return 16
        case socks_address.NAME:
            return 1 + plain[_FIXED]
        case _:
            raise RemoteError(f"address type {plain[40]} does not exist")


def _fnv1a(data: bytes) -> bytes:
    """FNV-1a of 32 bits."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value.to_bytes(4, "big")
