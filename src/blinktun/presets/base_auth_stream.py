"""exp-base-auth-stream and base-auth-stream of 2.x: a signed target, and a cipher (section 13).

::

    client to server:  IV(16) || HMAC-SHA1(IV ^ K[0:16], E)[0:16] || E || ...
    server to client:  ...

E is ``len(1) || host || port(2)``, encrypted; the payload continues its cipher stream. The server
uses the same key and IV for its own.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from blinktun.address import Address
from blinktun.crypto.kdf import evp_bytes_to_key
from blinktun.crypto.stream import STREAM_METHODS, StreamMethod, Transform
from blinktun.effects import ConnectTo, Effect, Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.base import AddressingPreset, PresetContext, PresetMaker, Role, choose
from blinktun.presets.socks_address import host_text, parse_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.effects import Chunk

_METHODS = {
    name: method
    for name, method in STREAM_METHODS.items()
    if name.startswith(("aes-", "camellia-"))
}
_IV = _MAC = 16
_MAX_HEADER = _IV + _MAC + 1 + 255 + 2


class BaseAuthStream(AddressingPreset):
    """Target and encryption in one, without integrity.

    Both directions share a key stream: with a ctr method, who sees both learns about both.
    """

    carries_datagrams: ClassVar[bool] = False
    sends_lone_header: ClassVar[bool] = False

    def __init__(self, method: StreamMethod, context: PresetContext) -> None:
        self._method = method
        self._replays = context.replays
        self._key = evp_bytes_to_key(context.key, method.key_size)
        self._header = b""  # client: what is still to be sent
        self._encryption: Transform | None = None
        self._decryption: Transform | None = None  # server: None until the header is there
        self._pending = b""  # server: an incomplete header, less than _MAX_HEADER
        self._iv = b""
        if context.role is Role.CLIENT:
            self._start(context.random(_IV))

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``method`` (required)."""
        return partial(cls, choose(params, "method", _METHODS))

    def set_target(self, target: Address) -> None:
        """Keep the target for the first bytes."""
        host = host_text(target)
        self._header = bytes((len(host),)) + host + target.port.to_bytes(2, "big")

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Encrypt, behind the header if that has not been sent; it never goes alone."""
        if not data:
            return ()
        if self._encryption is None:
            return (Reject("a server cannot speak before its client"),)
        if self._header:
            sealed, self._header = self._encryption.update(self._header), b""
            parts = (self._iv, self._sign(self._iv, sealed), sealed, self._encryption.update(data))
            return (Forward(b"".join(parts)),)
        return (Forward(self._encryption.update(data)),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Decrypt, once the header has been taken off, wherever it is cut."""
        if self._decryption:
            return (Forward(self._decryption.update(data)),)
        read = _MAX_HEADER - len(self._pending)
        head = self._pending + bytes(data[:read])
        size = self._header_size(head)
        if len(head) < size:
            self._pending = head
            return ()
        iv, sealed = head[:_IV], head[_IV + _MAC : size]
        if not hmac.compare_digest(self._sign(iv, sealed), head[_IV : _IV + _MAC]):
            return (Reject("the signature of the address does not fit"),)
        if not self._replays.is_new(iv):
            return (Reject("the IV was used by an earlier connection"),)
        payload = b"".join((head[size:], data[read:]))
        self._pending = b""
        return self._accept(self._start(iv), sealed, payload)

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the header."""
        return () if self._decryption else (Reject("ended inside the address"),)

    def _accept(self, decryption: Transform, sealed: bytes, payload: bytes) -> Iterable[Effect]:
        text = bytes(decryption.update(sealed))
        try:
            connect = ConnectTo(Address(parse_host(text[1:-2]), int.from_bytes(text[-2:], "big")))
        except RemoteError as error:
            return (Reject(str(error)),)
        return (connect, Forward(decryption.update(payload))) if payload else (connect,)

    def _start(self, iv: bytes) -> Transform:
        """Begin both streams; returns the one to decrypt with."""
        self._iv = iv
        self._encryption = self._method.encryptor(self._key, iv)
        self._decryption = self._method.decryptor(self._key, iv)
        return self._decryption

    def _header_size(self, head: bytes) -> int:
        """How many bytes the header has, or as many as are needed to tell."""
        if len(head) <= _IV + _MAC:
            return _IV + _MAC + 1
        decryption = self._method.decryptor(self._key, head[:_IV])
        return _IV + _MAC + 1 + decryption.update(head[_IV + _MAC :][:1])[0] + 2

    def _sign(self, iv: bytes, sealed: Chunk) -> bytes:
        key = bytes(a ^ b for a, b in zip(iv, self._key[:_IV], strict=True))
        return hmac.digest(key, bytes(sealed), "sha1")[:_MAC]
