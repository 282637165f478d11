"""WebSocket over TCP or TLS (blinksocks wire, section 6.1).

WebSocket has one word for the end, CLOSE, and it ends both directions. A server has said its last
word when it says it. A client that said it would cut its answer off, so it keeps its end back until
the server has closed, and gives a hint meanwhile: a PONG that nobody has asked for, which means the
end of its direction to our servers, who say the same back, and nothing to all others. Those are
given up once they have been silent for a while: they cannot know that nobody may be waiting.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from blinktun.errors import RemoteError, TransportError
from blinktun.transports import tls
from blinktun.transports.base import Dialer, Listener, OnStream, Stream
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.tls_context import server_context
from blinktun.transports.upgrade import BAD_REQUEST, Refused, UpgradingDialer, close_behind
from blinktun.transports.upgrade import listen as listen_upgrading
from blinktun.transports.ws_frames import (
    Close,
    Event,
    FrameReader,
    Opcode,
    Payload,
    Ping,
    Pong,
    pack_close,
    pack_frame,
)
from blinktun.transports.ws_handshake import ClientHandshake, ServerHandshake

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.config.model import ServerLink
    from blinktun.effects import Chunk
    from blinktun.net.resolve import Resolver
    from blinktun.transports.rewindable import Rewindable

_END_HINT = b"end"
"""What the PONG of a client says whose direction has ended."""
_ANSWER_WAIT = 30.0
"""Seconds of silence that a client allows, behind its last word, to a server without hints."""
_CLEAN = frozenset({None, 1000, 1001})
"""Codes of CLOSE that report no error."""


def dialer(link: ServerLink, resolver: Resolver) -> Dialer:
    """Connects to a ws or wss service.

    Raises:
        ConfigError: the certificate to trust cannot be used.
    """
    inner = tls.dialer(link, resolver) if link.transport == "wss" else TcpDialer(resolver)

    async def upgrade(wire: Stream, address: Address) -> Stream:
        return await connect(wire, host=str(address), path=link.path or "/")

    return UpgradingDialer(inner, upgrade)


async def listen(
    link: ServerLink, on_stream: OnStream, on_refused: OnStream | None = None
) -> Listener:
    """Listen for a ws or wss service; ``on_refused`` gets those that do not ask.

    Raises:
        ConfigError: certificate or key cannot be used.
        TransportError: the address cannot be bound.
    """
    secure = tls.accepting(server_context(link.tls)) if link.transport == "wss" else None

    async def upgrade(wire: Rewindable) -> Stream | Refused:
        return await accept(wire, path=link.path or "/")

    return await listen_upgrading(
        link.address, on_stream, secure=secure, accept=upgrade, on_refused=on_refused
    )


async def connect(wire: Stream, *, host: str, path: str) -> WebSocketStream:
    """Shake hands as a client.

    Raises:
        TransportError: the server does not want to.
    """
    handshake = ClientHandshake(host, path, os.urandom(16))
    await wire.send(handshake.request)
    while data := await wire.receive():
        try:
            early = handshake.feed(data)
        except RemoteError as error:
            raise TransportError(str(error), peer=wire.peer) from error
        if early is not None:
            return WebSocketStream(wire, early, is_client=True)
    raise TransportError("ended during the WebSocket handshake", peer=wire.peer)


async def accept(wire: Rewindable, *, path: str) -> WebSocketStream | Refused:
    """Shake hands as a server, or say how the client is refused.

    Raises:
        TransportError: the connection is gone.
    """
    handshake = ServerHandshake(path)
    while data := await wire.receive():
        answer = handshake.feed(data)
        if answer is None:
            continue
        if answer.refusal:
            return Refused(answer.refusal, BAD_REQUEST)
        wire.forget()
        await wire.send(answer.reply)
        return WebSocketStream(wire, answer.early, is_client=False)
    return Refused("ended during the WebSocket handshake")


class WebSocketStream(Stream):
    """An open WebSocket: every ``send`` is one binary message.

    Args:
        wire: Carries the frames; nobody else may use it.
        early: What came behind the handshake.
        is_client: Whether we mask.
    """

    def __init__(self, wire: Stream, early: bytes = b"", *, is_client: bool) -> None:
        self._wire = wire
        self._early = early
        self._is_client = is_client
        self._reader = FrameReader()
        self._chunks: list[Chunk] = []
        self._pong: bytes | None = None  # the newest that is owed
        self._writing = asyncio.Lock()
        self._ended = False  # the peer's direction
        self._closed = False  # by the peer: both directions
        self._eof_sent = False
        self._close_sent = False
        self._patience: asyncio.Timeout | None = None  # of who waits for the peer
        self._is_understood = False  # the peer knows our hint
        self._failure: TransportError | None = None

    @property
    def peer(self) -> str:
        """The peer on the wire."""
        return self._wire.peer

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Watch the wire."""
        self._wire.watch(on_broken)

    @property
    def idle(self) -> float:
        """Of the wire."""
        return self._wire.idle

    async def receive(self) -> Chunk:
        """Wait for bytes, and answer pings; ``b""`` follows the peer's CLOSE."""
        while not self._chunks:
            if self._failure:
                raise self._failure
            if self._ended:
                return b""
            data, self._early = self._early or await self._wait(), b""
            if not data:
                raise TransportError("cut off: TCP has ended, WebSocket has not", peer=self.peer)
            self._take(data)
            if self._pong is not None and not self._writing.locked():
                await self._write(b"")
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks) if len(chunks) > 1 else chunks[0]

    async def send(self, data: Chunk) -> None:
        """Send one message."""
        if self._closed or self._eof_sent:
            raise TransportError("the WebSocket is closed", peer=self.peer)
        if data:
            await self._write(pack_frame(Opcode.BINARY, data, self._new_mask()))

    async def send_eof(self) -> None:
        """Server: close. Client: only hint at it, for the answer is still to come.

        A server that does not confirm the hint is given up once it has been silent for 30 s.
        """
        if self._eof_sent or self._closed:
            return
        self._eof_sent = True
        if self._is_client:
            await self._write(pack_frame(Opcode.PONG, _END_HINT, self._new_mask()))
            self._limit_patience()
        else:
            await self._send_close()

    async def aclose(self) -> None:
        """Send CLOSE and close the wire; 10 s for each at most."""
        await close_behind(self._wire, self._send_close())

    def abort(self) -> None:
        """Break the wire off, without CLOSE."""
        self._failure = self._failure or TransportError("aborted here", peer=self.peer)
        self._wire.abort()

    async def _wait(self) -> Chunk:
        """Wait for bytes on the wire, behind our last word not for ever."""
        try:
            async with asyncio.timeout(None) as self._patience:
                self._limit_patience()
                return await self._wire.receive()
        except TimeoutError:
            reason = f"no answer within {_ANSWER_WAIT:g} s after the end of our direction"
            self._failure = TransportError(reason, peer=self.peer)
            self._wire.abort()
            raise self._failure from None
        finally:
            self._patience = None

    def _limit_patience(self) -> None:
        """An answer is all that can come, and the server may not know: do not wait for ever."""
        hinted = self._is_client and self._eof_sent and not self._is_understood
        if hinted and self._patience:
            self._patience.reschedule(asyncio.get_running_loop().time() + _ANSWER_WAIT)

    def _take(self, data: Chunk) -> None:
        try:
            for event in self._reader.feed(data):
                self._take_event(event)
        except RemoteError as error:
            self._failure = TransportError(f"broke the WebSocket: {error}", peer=self.peer)

    def _take_event(self, event: Event) -> None:
        match event:
            case Payload(data):
                self._chunks.append(data)
            case Ping(data):
                self._pong = data
            case Pong(data) if data == _END_HINT:
                self._on_hint()
            case Close(code):
                self._closed = self._ended = True
                if code not in _CLEAN:
                    self._failure = TransportError(f"closed with code {code}", peer=self.peer)

    def _on_hint(self) -> None:
        """The client hints, the server confirms in the same words."""
        if self._is_client:
            self._is_understood = True
        else:
            self._ended = True
            self._pong = _END_HINT

    async def _send_close(self) -> None:
        if not self._close_sent:
            self._close_sent = self._eof_sent = True
            await self._write(pack_close(mask=self._new_mask()))

    async def _write(self, frame: Chunk) -> None:
        """Send a frame, and the PONG that is owed by then."""
        async with self._writing:
            if frame:
                await self._wire.send(frame)
            if self._pong is not None and not self._close_sent:
                pong, self._pong = self._pong, None
                await self._wire.send(pack_frame(Opcode.PONG, pong, self._new_mask()))

    def _new_mask(self) -> bytes:
        return os.urandom(4) if self._is_client else b""
