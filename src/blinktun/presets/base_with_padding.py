"""exp-base-with-padding and base-with-padding of 2.x: ss-base with bytes between (section 13).

::

    client to server:  len(1) || SHA-256(salt)[0:15] || host || port(2) || payload
"""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from blinktun.address import Address
from blinktun.effects import ConnectTo, Effect, Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.base import AddressingPreset, PresetContext, PresetMaker, Role, text_param
from blinktun.presets.socks_address import host_text, parse_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.effects import Chunk

_PADDING = 15
_MAX_HEADER = 1 + _PADDING + 255 + 2


class BaseWithPadding(AddressingPreset):
    """The target in front of the first bytes; encrypts nothing.

    Nothing in it is random, so servers cannot tell a recorded connection: a cipher behind it can.
    """

    carries_datagrams: ClassVar[bool] = False
    sends_lone_header: ClassVar[bool] = False

    def __init__(self, padding: bytes, context: PresetContext) -> None:
        self._padding = padding
        self._header = b""  # client: what is still to be sent
        self._awaiting_header = context.role is Role.SERVER
        self._pending = b""  # server: an incomplete header, less than _MAX_HEADER

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``salt`` (required)."""
        salt = text_param(params, "salt", example='"any text"')
        return partial(cls, hashlib.sha256(salt.encode()).digest()[:_PADDING])

    def set_target(self, target: Address) -> None:
        """Keep the header for the first bytes."""
        host, port = host_text(target), target.port.to_bytes(2, "big")
        self._header = b"".join((bytes((len(host),)), self._padding, host, port))

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Put the header in front of the first bytes; it never goes alone."""
        if not data:
            return ()
        if self._header:
            data, self._header = b"".join((self._header, data)), b""
        return (Forward(data),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Take the header off, wherever it is cut."""
        if not self._awaiting_header:
            return (Forward(data),)
        head = self._pending + bytes(data[:_MAX_HEADER])
        size = 1 + _PADDING + head[0] + 2
        padding = head[1 : 1 + _PADDING]
        if not hmac.compare_digest(padding, self._padding[: len(padding)]):
            return (Reject("the padding of the address does not fit"),)
        if len(head) < size:
            self._pending = head
            return ()
        try:
            host = parse_host(head[1 + _PADDING : size - 2])
        except RemoteError as error:
            return (Reject(str(error)),)
        self._awaiting_header = False
        connect = ConnectTo(Address(host, int.from_bytes(head[size - 2 : size], "big")))
        payload = data[size - len(self._pending) :]
        self._pending = b""
        return (connect, Forward(payload)) if payload else (connect,)

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the header."""
        return (Reject("ended inside the address"),) if self._awaiting_header else ()
