"""base-auth: the target in front of the first bytes, hidden and signed (blinksocks wire, 5.2).

::

    E = AES-128-CFB(len(1) || host || port(2))
    client to server:  E || HMAC(K, E) || payload       server to client:  payload

Key and IV follow from the password alone. Nothing in it is random, so a server cannot tell a
recorded connection from a new one: a cipher behind it can.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from blinktun.address import Address
from blinktun.crypto.kdf import evp_bytes_to_key
from blinktun.effects import ConnectTo, Effect, Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.base import AddressingPreset, PresetContext, PresetMaker, Role, choose
from blinktun.presets.socks_address import host_text, parse_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from blinktun.crypto.stream import Transform
    from blinktun.effects import Chunk

_METHODS = {name: name for name in ("md5", "sha1", "sha256")}
_MAX_HEADER = 1 + 255 + 2 + 32
_BLOCK = 16


class BaseAuth(AddressingPreset):
    """Says where to connect to whoever has the key; does not encrypt what follows.

    Servers remember nothing: there is nothing that a client never repeats. For datagrams the
    cipher runs on from one to the next at both ends, so one that is lost takes those behind it
    along until a new association begins.
    """

    sends_lone_header: ClassVar[bool] = False
    chains_datagrams: ClassVar[bool] = True

    def __init__(self, method: str, context: PresetContext) -> None:
        self._role = context.role
        self._form = _HeaderForm(context.key, method)
        self._sealer = self._form.sealer()
        self._place = self._form.start  # of the peer's cipher, in datagrams
        self._text = b""  # the target as it is sent
        self._awaiting_header = context.role is Role.SERVER
        self._pending = b""  # server: an incomplete header, less than _MAX_HEADER

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``method`` (default sha1)."""
        return partial(cls, choose(params, "method", _METHODS, default="sha1"))

    def set_target(self, target: Address) -> None:
        """Keep the target for the first bytes, or for the next datagram."""
        host = host_text(target)
        self._text = bytes((len(host),)) + host + target.port.to_bytes(2, "big")

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Put the header in front of the first bytes; it never goes alone."""
        if not data:
            return ()
        if self._role is Role.CLIENT and self._text:
            data, self._text = b"".join((self._sealer.write(self._text), data)), b""
        return (Forward(data),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Take the header off, wherever it is cut."""
        if not self._awaiting_header:
            return (Forward(data),)
        head = self._pending + bytes(data[:_MAX_HEADER])
        try:
            header = self._form.read(head, self._form.start)
        except RemoteError as error:
            return (Reject(str(error)),)
        if header is None:
            self._pending = head
            return ()
        self._awaiting_header = False
        payload = data[header.size - len(self._pending) :]
        self._pending = b""
        connect = ConnectTo(header.target)
        return (connect, Forward(payload)) if payload else (connect,)

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the header."""
        return (Reject("ended inside the address"),) if self._awaiting_header else ()

    def encode_datagram(self, data: bytes) -> bytes:
        """Put the header in front, on the way to a server."""
        if self._role is Role.SERVER:
            return data
        return self._sealer.write(self._text) + data

    def unpack_datagram(self, data: bytes) -> tuple[Address | None, bytes]:
        """Take the header off, on a server.

        A forged datagram does not move the cipher, and a client may begin anew.
        """
        if self._role is Role.CLIENT:
            return None, data
        for place in (self._place, self._form.start):
            with suppress(RemoteError):
                if header := self._form.read(data, place):
                    self._place = header.place
                    return header.target, data[header.size :]
        raise RemoteError("a datagram has no signed address, or one before it was lost")


@dataclass(frozen=True, slots=True)
class _Header:
    """A header that was signed with our key; ``place`` is that of the cipher behind it."""

    target: Address
    size: int
    place: bytes


class _HeaderForm:
    """What headers of one key look like.

    A place of the cipher is the last whole block of ciphertext before it, and what there is of
    the next: all that CFB depends on.

    Attributes:
        start: The cipher's first place: the IV.
    """

    def __init__(self, key: str, method: str) -> None:
        self._key = evp_bytes_to_key(key, 16)
        self._method = method
        self._mac_size = hashlib.new(method, usedforsecurity=False).digest_size
        self.start = hashlib.md5(key.encode() + b"base-auth", usedforsecurity=False).digest()

    def sealer(self) -> _Sealer:
        """Make what writes headers, one after another."""
        return _Sealer(self._cipher(self.start).encryptor(), self._sign)

    def read(self, data: bytes, place: bytes) -> _Header | None:
        """Check and decrypt the header that stands in front of ``data``; None: it goes on.

        Raises:
            RemoteError: it was not signed with our key, or holds no target.
        """
        if not data:
            return None
        end = 1 + self._decrypt(place, data[:1])[0] + 2
        size = end + self._mac_size
        if len(data) < size:
            return None
        sealed = data[:end]
        if not hmac.compare_digest(self._sign(sealed), data[end:size]):
            raise RemoteError("the signature of the address does not fit")
        text = self._decrypt(place, sealed)
        target = Address(parse_host(text[1:-2]), int.from_bytes(text[-2:], "big"))
        return _Header(target, size, _behind(place, sealed))

    def _decrypt(self, place: bytes, sealed: bytes) -> bytes:
        begun = place[_BLOCK:]
        return self._cipher(place).decryptor().update(begun + sealed)[len(begun) :]

    def _cipher(self, place: bytes) -> Cipher[CFB]:
        return Cipher(AES(self._key), CFB(place[:_BLOCK]))

    def _sign(self, sealed: bytes) -> bytes:
        return hmac.digest(self._key, sealed, self._method)


class _Sealer:
    """Encrypts and signs targets; the cipher runs on from one to the next."""

    def __init__(self, encryption: Transform, sign: Callable[[bytes], bytes]) -> None:
        self._encryption = encryption
        self._sign = sign

    def write(self, text: bytes) -> bytes:
        """Return a header."""
        sealed = bytes(self._encryption.update(text))
        return sealed + self._sign(sealed)


def _behind(place: bytes, sealed: bytes) -> bytes:
    passed = place + sealed
    return passed[-(_BLOCK + len(passed) % _BLOCK) :]
