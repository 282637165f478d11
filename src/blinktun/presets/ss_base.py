"""ss-base: the target in front of the first bytes (blinksocks wire, 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.effects import ConnectTo, Effect, Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.base import AddressingPreset, PresetContext, PresetMaker, Role
from blinktun.presets.socks_address import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.address import Address
    from blinktun.effects import Chunk


class SsBase(AddressingPreset):
    """Client to server: ``atyp addr port`` once, then payload. Server to client: payload.

    Datagrams have the address in front in both directions.

    Attributes:
        header_size: Bytes in front of the payload; 0 while there is no target.
    """

    def __init__(self, context: PresetContext) -> None:
        self.header_size = 0
        self._header = b""  # client: what is still to be sent
        self._awaiting_header = context.role is Role.SERVER
        self._pending = b""  # server: an incomplete header, at most 258 bytes

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Return the maker; there are no parameters, and unknown ones are ignored as upstream."""
        del params
        return cls

    def set_target(self, target: Address) -> None:
        """Keep the header for the first bytes."""
        self._header = pack(target)
        self.header_size = len(self._header)

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Put the header in front of the first bytes, or send it alone."""
        if self._header:
            data, self._header = b"".join((self._header, data)), b""
        return (Forward(data),) if data else ()

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Take the header off, wherever it is cut."""
        if not self._awaiting_header:
            return (Forward(data),)
        # A header is at most 259 bytes, so the copy is small however large the chunk.
        head = self._pending + bytes(data[:259])
        try:
            found = unpack(head)
        except RemoteError as error:
            return (Reject(str(error)),)
        if found is None:
            self._pending = head
            return ()
        target, size = found
        self._awaiting_header = False
        payload = data[size - len(self._pending) :]
        self._pending = b""
        return (ConnectTo(target), Forward(payload)) if payload else (ConnectTo(target),)

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the header."""
        return (Reject("ended inside the address"),) if self._awaiting_header else ()

    def encode_datagram(self, data: bytes) -> bytes:
        """Put the address in front."""
        return self._header + data

    def unpack_datagram(self, data: bytes) -> tuple[Address | None, bytes]:
        """Take the address off."""
        found = unpack(data)
        if found is None:
            raise RemoteError("a datagram ends inside the address")
        target, size = found
        return target, data[size:]
