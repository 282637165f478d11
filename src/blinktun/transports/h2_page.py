"""A request over HTTP/2 and its answer, as HTTP/1.1: for a fallback service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import h11

from blinktun.errors import TransportError
from blinktun.transports.base import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blinktun.effects import Chunk

    Headers = Sequence[tuple[bytes, bytes]]

_OF_CONNECTIONS = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)
"""Headers that HTTP/2 does not have (RFC 9113, section 8.2.2)."""
_NONSENSE = b"\0 HTTP/1.1\r\n\r\n"
"""What stands for a request that HTTP/1.1 has no words for."""


class _Request(Protocol):
    """A stream of HTTP/2 that has a request: `h2_stream` has these streams, and makes pages."""

    request: Headers
    ended: bool

    @property
    def peer(self) -> str: ...
    @property
    def idle(self) -> float: ...
    def watch(self, on_broken: Callable[[], None] | None) -> None: ...
    def answer(self, headers: Headers) -> None: ...
    async def receive(self) -> Chunk: ...
    async def send(self, data: Chunk) -> None: ...
    async def send_eof(self) -> None: ...
    async def aclose(self) -> None: ...
    def abort(self) -> None: ...


class H2Page(Stream):
    """A stream of HTTP/2, received from as a request and sent to as an answer of HTTP/1.1.

    Bound: as of the stream; 16 KiB of an answer's head.

    Args:
        stream: A request; what has been received of its body counts too.
        early: That part of its body.

    Attributes:
        begin: What the service is to be sent first.
    """

    def __init__(self, stream: _Request, early: bytes) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._asked = False
        self._answered = asyncio.Event()
        try:
            request = _told(stream.request, has_body=bool(early) or not stream.ended)
        except h11.LocalProtocolError:  # the service shall say how it refuses such things
            self._tell(h11.Request(method="GET", target="/", headers=[("Host", "")]))
            self._asked = True
            self.begin = _NONSENSE
            return
        self.begin = self._tell(request)
        if early:
            self.begin += self._tell(h11.Data(early))

    @property
    def peer(self) -> str:
        """The peer of the stream."""
        return self._stream.peer

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Watch the stream."""
        self._stream.watch(on_broken)

    @property
    def idle(self) -> float:
        """Of the stream."""
        return self._stream.idle

    async def receive(self) -> Chunk:
        """Wait for more of the request; it ends when it has been answered.

        Sooner would look to many services as if nobody waited for the answer any more.
        """
        while not self._asked:
            data = await self._stream.receive()
            self._asked = not data
            if told := self._tell(h11.Data(bytes(data)) if data else h11.EndOfMessage()):
                return told
        await self._answered.wait()
        return b""

    async def send(self, data: Chunk) -> None:
        """Pass more of the answer on."""
        await self._take(bytes(data))

    async def send_eof(self) -> None:
        """The answer has ended; one that is not complete breaks the stream off.

        Raises:
            TransportError: it is not, or it was none.
        """
        if not self._answered.is_set():
            await self._take(b"")
        if not self._answered.is_set():
            raise TransportError("the answer of another service was cut off", peer=self.peer)

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def abort(self) -> None:
        """Cancel the stream."""
        self._stream.abort()

    def _tell(self, event: h11.Event) -> bytes:
        try:
            return self._http.send(event) or b""
        except h11.LocalProtocolError as error:
            raise TransportError(f"no HTTP/1.1: {error}", peer=self.peer) from error

    async def _take(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while not self._answered.is_set():
                event = self._http.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                    return
                await self._pass_on(event)
        except h11.RemoteProtocolError as error:
            raise TransportError(f"no answer in HTTP: {error}", peer=self.peer) from error

    async def _pass_on(self, event: object) -> None:
        match event:
            case h11.Response(status_code=status, headers=headers):
                kept = [(name, value) for name, value in headers if name not in _OF_CONNECTIONS]
                self._stream.answer([(b":status", str(status).encode()), *kept])
            case h11.Data(data=data):
                await self._stream.send(data)
            case h11.EndOfMessage():
                self._answered.set()
                await self._stream.send_eof()


def _told(request: Headers, *, has_body: bool) -> h11.Request:
    """A request in HTTP/1.1, for a connection of its own."""
    pseudo = {name: value for name, value in request if name.startswith(b":")}
    plain = [(name, value) for name, value in request if not name.startswith(b":")]
    host = pseudo.get(b":authority") or b"".join(value for name, value in plain if name == b"host")
    headers = [(b"Host", host)]
    headers += [one for one in plain if one[0] not in _OF_CONNECTIONS | {b"host", b"cookie"}]
    if cookies := [value for name, value in plain if name == b"cookie"]:
        headers.append((b"cookie", b"; ".join(cookies)))  # RFC 9113, section 8.2.3
    if has_body and not any(name == b"content-length" for name, _ in plain):
        headers.append((b"Transfer-Encoding", b"chunked"))
    headers.append((b"Connection", b"close"))
    target = pseudo.get(b":path", host)  # CONNECT has none
    return h11.Request(method=pseudo.get(b":method", b""), target=target, headers=headers)
