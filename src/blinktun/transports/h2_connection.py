"""One HTTP/2 connection and its streams (RFC 9113; blinksocks wire, section 6.2)."""

from __future__ import annotations

import asyncio
import contextlib
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from blinktun.errors import TransportError
from blinktun.transports.h2_budget import FrameBudget
from blinktun.transports.h2_frames import FrameHeaders
from blinktun.transports.h2_stream import H2Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blinktun.effects import Chunk
    from blinktun.transports.base import OnStream, Stream
    from blinktun.transports.h2_page import Headers

_STREAM_WINDOW = 1 << 20
"""Received bytes of one stream that may wait for its reader."""
_WINDOW = 4 << 20
"""The same for all streams of a connection."""
_MAX_FRAME = 1 << 18
"""What a peer may put into one frame, and what is sent before others get their turn."""
_MAX_STREAMS = 256
_OUTGOING = 1 << 18
"""Bytes that wait for the wire from which on ``send`` waits."""
_MAX_OUTGOING = 4 << 20
"""The same with what HTTP/2 answers by itself; a peer that causes more is dropped."""
_SLICE = 65536
"""Bytes that are parsed at once."""
_IDLE = 10.0
"""Seconds that a connection lives without a stream: before its first, and behind its last."""
_BODY_WAIT = 10.0
"""Seconds for the first byte behind a request; then it is handed over without any."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FAREWELL = 1.0
"""Seconds that a peer has to take our last word, if the connection ends in spite of it."""

_Setting = h2.settings.SettingCodes


class H2Connection:
    """Streams over ``wire``; it is closed behind the last of them.

    Args:
        wire: Carries the frames; nobody else may use it.
        on_stream: Server: gets every stream that the client opens. None: we are the client.
    """

    def __init__(self, wire: Stream, on_stream: OnStream | None = None) -> None:
        self._wire = wire
        self._on_stream = on_stream
        self._is_client: Final = on_stream is None
        self._h2 = _new_h2(is_client=self._is_client)
        self._frames = FrameHeaders(_MAX_FRAME, preface=b"" if self._is_client else _PREFACE)
        self._budget = FrameBudget()
        self._streams: dict[int, H2Stream] = {}
        self._silent: dict[int, asyncio.TimerHandle] = {}  # requests that have sent no body yet
        self._outgoing = bytearray()
        self._work = asyncio.Event()  # there is something to write
        self._changed = asyncio.Event()  # a window has opened, or the wire has taken something
        self._flushed = asyncio.Event()  # everything is written, or nothing ever will be
        self._limit = asyncio.timeout(None)
        self._finishing = False
        self._deaf = False
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW - 65535)
        self._pass_on()

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def peer(self) -> str:
        """The peer on the wire."""
        return self._wire.peer

    @property
    def idle(self) -> float:
        """Seconds since a byte came or went."""
        return self._wire.idle

    async def run(self) -> None:
        """Serve until the wire ends; whoever cancels this also aborts the connection."""
        writer = asyncio.get_running_loop().create_task(self._write())
        try:
            self._lose(await self._read_to_end())
            if self._finishing:
                await asyncio.wait({writer}, timeout=_FAREWELL)
        finally:
            self._lose(TransportError("the connection is closed", peer=self.peer))
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        if self._outgoing:
            self._wire.abort()
        await self._wire.aclose()

    def finish(self) -> None:
        """Take no more streams: say so, and wait a little for the peer to end the wire.

        Closing it at once could lose what is still on its way: the peer's next word, if only about
        its window, would be answered with a reset.
        """
        if not self._finishing:
            self._say_goodbye(h2.errors.ErrorCodes.NO_ERROR)
            self._set_limit()

    def open(self, path: str, authority: str) -> H2Stream:
        """Client: open a stream.

        Raises:
            TransportError: the connection is over.
        """
        number = self._h2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":path", path),
            (":scheme", "https"),
            (":authority", authority),
        ]
        with self._ours():
            self._h2.send_headers(number, headers)
        return self._add(number)

    def abort(self) -> None:
        """Break the wire off."""
        self._wire.abort()

    # --- for the streams ------------------------------------------------------------------

    async def send(self, stream: H2Stream, data: Chunk) -> None:
        """Send as the peer's windows and the wire allow."""
        view = memoryview(data)
        while True:
            stream.check()
            if len(self._outgoing) < _OUTGOING:
                with self._ours():
                    view = self._send_some(stream, view)
            if not view and len(self._outgoing) < _OUTGOING:
                return
            self._changed.clear()
            await self._changed.wait()

    def answer(self, stream: H2Stream, headers: Headers) -> None:
        """Server: begin an answer with these headers."""
        with self._ours():
            self._send_answer(stream, headers)

    def end(self, stream: H2Stream) -> None:
        """End our direction of a stream."""
        with self._ours():
            self._answer(stream)
            self._h2.end_stream(stream.number)

    def consumed(self, stream: H2Stream, size: int) -> None:
        """A reader has taken bytes: the peer may send as many."""
        with contextlib.suppress(TransportError), self._ours():
            self._h2.acknowledge_received_data(size, stream.number)

    async def forget(self, stream: H2Stream) -> None:
        """A stream is over; what it has sent is flushed if it was the last one."""
        if self._streams.pop(stream.number, None) is None:
            return
        self._count_end(stream)
        if not stream.ended:
            self._reset(stream, h2.errors.ErrorCodes.NO_ERROR)
        if not self._streams:
            self.finish()
            await self._flushed.wait()

    def break_off(self, stream: H2Stream) -> None:
        """A stream is over, and its peer shall know that it did not end well."""
        if self._streams.pop(stream.number, None) is None:
            return
        self._count_end(stream)
        if self._streams:
            self._reset(stream, h2.errors.ErrorCodes.CANCEL)
        else:
            self._wire.abort()

    def _count_end(self, stream: H2Stream) -> None:
        """Server: a stream is done with; too many that failed end the connection."""
        if self._is_client:
            return
        try:
            self._budget.on_stream_end(served=stream.answered or stream.ended)
        except h2.exceptions.ProtocolError as error:
            self._say_goodbye(error.error_code)

    def _send_some(self, stream: H2Stream, view: memoryview) -> memoryview:
        window = self._h2.local_flow_control_window(stream.number)
        size = min(len(view), window, _MAX_FRAME)
        if size > 0:
            self._answer(stream)
        frame = self._h2.max_outbound_frame_size
        self._budget.earn(-(-max(size, 0) // frame))
        for start in range(0, size, frame):
            self._h2.send_data(stream.number, view[start : min(start + frame, size)])
        return view[max(size, 0) :]

    def _answer(self, stream: H2Stream) -> None:
        """A server's headers go out with its first data, as upstream's."""
        if not self._is_client and not stream.answered:
            date = formatdate(usegmt=True).encode()
            self._send_answer(stream, [(b":status", b"200"), (b"date", date)])

    def _send_answer(self, stream: H2Stream, headers: Headers) -> None:
        stream.answered = True
        self._h2.send_headers(stream.number, headers)

    def _reset(self, stream: H2Stream, code: h2.errors.ErrorCodes) -> None:
        with contextlib.suppress(TransportError), self._ours():
            self._h2.reset_stream(stream.number, code)

    @contextlib.contextmanager
    def _ours(self) -> Iterator[None]:
        """Something we do: what it makes is written; what cannot be done is a lost connection."""
        try:
            yield
        except h2.exceptions.ProtocolError as error:
            raise TransportError(f"HTTP/2: {_text(error)}", peer=self.peer) from error
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        if made := self._h2.data_to_send():
            self._outgoing += made
            self._work.set()

    # --- the wire ---------------------------------------------------------------------------

    async def _read_to_end(self) -> TransportError:
        """Serve the wire; returns why it is over, which the peer is told if it is its fault."""
        try:
            await self._read()
        except TransportError as error:
            return error
        except h2.exceptions.ProtocolError as error:
            self._say_goodbye(error.error_code)
            return TransportError(f"broke HTTP/2: {_text(error)}", peer=self.peer)
        except TimeoutError:
            self.finish()
        return TransportError("the connection is closed", peer=self.peer)

    async def _read(self) -> None:
        async with self._limit:
            self._set_limit()
            while data := await self._wire.receive():
                for start in range(0, len(data), _SLICE):
                    if not self._deaf:
                        self._take(memoryview(data)[start : start + _SLICE])
                    if len(self._outgoing) > _MAX_OUTGOING:
                        raise TransportError("does not read our answers", peer=self.peer)
                    if start + _SLICE < len(data):
                        await asyncio.sleep(0)
        error = TransportError("cut off: TLS has ended, HTTP/2 has not", peer=self.peer)
        for stream in self._streams.values():
            stream.on_goaway(error)
        self._streams.clear()
        self._finishing = True
        self._work.set()

    def _take(self, data: memoryview) -> None:
        try:
            self._spend(self._frames.check(data))
            for event in self._h2.receive_data(data):
                self._take_event(event)
        finally:
            self._pass_on()
            self._changed.set()

    def _take_event(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=number, headers=headers):
                self._add(number, headers)
                later = asyncio.get_running_loop().call_later
                self._silent[number] = later(_BODY_WAIT, self._announce, number)
            case h2.events.ConnectionTerminated():
                self._deaf = True  # the library takes no frames behind this one
                error = TransportError("the peer ends the connection", peer=self.peer)
                for stream in self._streams.values():
                    stream.on_goaway(error)
            case h2.events.DataReceived(stream_id=number, flow_controlled_length=size):
                if not event.data:
                    self._spend(1)
                if found := self._streams.get(number):
                    if event.data:
                        self._announce(number)
                    found.on_data(event.data or b"", size or 0)
                else:
                    self._h2.acknowledge_received_data(size or 0, number)
            case _:
                if found := self._streams.get(getattr(event, "stream_id", None) or 0):
                    self._take_word(found, event)

    def _take_word(self, stream: H2Stream, event: h2.events.Event) -> None:
        """Something else about a stream that we know."""
        match event:
            case h2.events.ResponseReceived(headers=headers):
                status = dict(headers).get(b":status", b"").decode(errors="replace")
                if status != "200":
                    stream.on_lost(TransportError(f"answered {status}", peer=self.peer))
            case h2.events.StreamEnded():
                self._announce(stream.number)
                stream.on_end()
            case h2.events.StreamReset(error_code=code):
                if self._is_silent(stream.number):
                    del self._streams[stream.number]
                    self._set_limit()
                    self._budget.on_stream_end(served=False)
                stream.on_reset(int(code or 0))

    async def _write(self) -> None:
        try:
            while not (self._finishing and not self._outgoing):
                await self._work.wait()
                self._work.clear()
                data, self._outgoing = self._outgoing, bytearray()
                await self._wire.send(data)
                self._changed.set()
            await self._wire.send_eof()
        except TransportError:
            pass  # the reader hears of it too
        finally:
            self._flushed.set()

    def _add(self, number: int, request: Headers = ()) -> H2Stream:
        stream = self._streams[number] = H2Stream(self, number, request)
        self._set_limit()
        return stream

    def _say_goodbye(self, code: h2.errors.ErrorCodes) -> None:
        """GOAWAY, unless the library has said it."""
        self._finishing = self._deaf = True
        if self._h2.state_machine.state is not h2.connection.ConnectionState.CLOSED:
            with contextlib.suppress(TransportError), self._ours():
                self._h2.close_connection(code)
        self._work.set()

    def _set_limit(self) -> None:
        clock = asyncio.get_running_loop().time
        with contextlib.suppress(RuntimeError):  # not yet reading, or no more
            self._limit.reschedule(None if self._streams else clock() + _IDLE)

    def _spend(self, frames: int) -> None:
        self._budget.spend(frames, asyncio.get_running_loop().time())

    def _announce(self, number: int) -> None:
        """Hand a request over, once it has sent something or has had its time."""
        if self._is_silent(number) and self._on_stream is not None:
            self._on_stream(self._streams[number])

    def _is_silent(self, number: int) -> bool:
        """Whether a request was not handed over so far; from now on it is taken care of."""
        timer = self._silent.pop(number, None)
        if timer:
            timer.cancel()
        return timer is not None

    def _lose(self, error: TransportError) -> None:
        for number in list(self._silent):
            self._is_silent(number)
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.on_lost(error)
        self._changed.set()
        self._flushed.set()


def _new_h2(*, is_client: bool) -> h2.connection.H2Connection:
    made = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=is_client, header_encoding=None)
    )
    values = {
        _Setting.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
        _Setting.MAX_FRAME_SIZE: _MAX_FRAME,
        _Setting.MAX_CONCURRENT_STREAMS: _MAX_STREAMS,
        _Setting.MAX_HEADER_LIST_SIZE: made.DEFAULT_MAX_HEADER_LIST_SIZE,
    }
    if is_client:
        values[_Setting.ENABLE_PUSH] = 0
    made.local_settings = h2.settings.Settings(client=is_client, initial_values=values)
    made.max_inbound_frame_size = _MAX_FRAME
    return made


def _text(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".").lower()
