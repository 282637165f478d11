"""Requests through a client and a server on loopback, with origins of every kind."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import h11
import pytest

from blinktun.config.model import BlinksocksClient, Credentials, Inbound, PresetSpec, ServerLink
from blinktun.errors import TransportError
from blinktun.testing.loopback import ANY_PORT, echo, read_all, read_exactly, serving, tunnel
from blinktun.transports.tcp import TcpDialer, TcpStream
from blinktun.tunnel.blinksocks_client import BlinksocksClientRole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from blinktun.address import Address
    from blinktun.transports.base import Stream

LONG = random.Random(1).randbytes(5_000_000)


def _http(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode()


def _get(target: Address, path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return _http(f"{method} http://{target}{path} HTTP/1.1", f"Host: {target}", *headers)


def _ok(body: bytes, *headers: str) -> bytes:
    return _http("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers) + body


class Client:
    """An application that speaks HTTP on one connection, by h11."""

    def __init__(self, stream: TcpStream) -> None:
        self.stream = stream
        self._parser = h11.Connection(h11.CLIENT)

    async def ask(
        self, target: Address | str, path: str = "/", body: bytes = b"", *headers: str
    ) -> tuple[int, bytes]:
        """Send a request; returns status and body of the response."""
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in headers)]
        await self.send(
            h11.Request(
                method="POST" if body else "GET",
                target=f"http://{target}{path}",
                headers=[("Host", "h"), ("Content-Length", str(len(body))), *fields],
            ),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        return await self.answer()

    async def send(self, *events: h11.Event) -> None:
        for event in events:
            await self.stream.send(self._parser.send(event) or b"")

    async def answer(self) -> tuple[int, bytes]:
        status, body = 0, b""
        while not isinstance(event := self._parser.next_event(), h11.EndOfMessage):
            match event:
                case h11.Response():
                    status = event.status_code
                case h11.Data():
                    body += event.data
                case h11.NEED_DATA:
                    self._parser.receive_data(bytes(await self.stream.receive()))
        if self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        return status, body


class Origins:
    """A server that counts its connections and lets a function answer each request."""

    def __init__(self, answer: Callable[[Stream, str, bytes], Awaitable[bool]]) -> None:
        self.connections = 0
        self.heads: list[bytes] = []
        self._answer = answer

    async def serve(self, stream: Stream) -> None:
        self.connections += 1
        try:
            await self._requests(stream)
        except TransportError:
            stream.abort()

    async def _requests(self, stream: Stream) -> None:
        parser = h11.Connection(h11.SERVER)
        while True:
            head, body = None, b""
            while not isinstance(event := parser.next_event(), h11.EndOfMessage):
                match event:
                    case h11.Request():
                        head = event
                    case h11.Data():
                        body += event.data
                    case h11.ConnectionClosed():
                        return await stream.aclose()
                    case h11.NEED_DATA:
                        parser.receive_data(bytes(await stream.receive()))
            assert head is not None
            self.heads.append(b" ".join(name for name, _ in head.headers))
            if not await self._answer(stream, head.target.decode(), body):
                return await stream.aclose()
            rest, parser = parser.trailing_data[0], h11.Connection(h11.SERVER)
            if rest:
                parser.receive_data(rest)


async def _plain(stream: Stream, target: str, body: bytes) -> bool:
    """Tell what was asked for."""
    await stream.send(_ok(target.encode() + b" " + body))
    return True


async def _raw(entry: Address, data: bytes) -> bytes:
    """Send, and read to the end."""
    stream = await TcpDialer().connect(entry)
    await stream.send(data)
    received = await read_all(stream)
    await stream.aclose()
    return received


@asynccontextmanager
async def _client(entry: Address) -> AsyncIterator[Client]:
    stream = await TcpDialer().connect(entry)
    try:
        yield Client(stream)
    finally:
        stream.abort()


# --- one connection, many requests ---


async def test_requests_share_a_connection_to_their_origin() -> None:
    one, two = Origins(_plain), Origins(_plain)
    async with (
        serving(one.serve) as a,
        serving(two.serve) as b,
        tunnel(Inbound.HTTP) as there,
        _client(there.entry) as client,
    ):
        for number in range(3):
            assert await client.ask(a, f"/{number}?q") == (200, b"/%d?q " % number)
        assert await client.ask(a, "/post", b"body") == (200, b"/post body")
        assert one.connections == 1
        assert await client.ask(b, "/other") == (200, b"/other ")
        assert await client.ask(a, "/back") == (200, b"/back ")
        assert (one.connections, two.connections) == (2, 1)


async def test_pipelined_requests_are_answered_in_order() -> None:
    origins = Origins(_plain)
    async with serving(origins.serve) as target, tunnel(Inbound.HTTP) as there:
        post = _get(target, "/b", "Content-Length: 3", method="POST") + b"abc"
        requests = _get(target, "/a") + post + _get(target, "/c", "Connection: close")
        received = await _raw(there.entry, requests + b"ignored")
        assert received == (
            _ok(b"/a ") + _ok(b"/b abc")
            + _ok(b"/c ").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )  # fmt: skip
        assert origins.connections == 1


async def test_an_application_that_ends_its_direction_still_gets_its_answers() -> None:
    async def slow(stream: Stream, target: str, body: bytes) -> bool:
        await asyncio.sleep(0.02)
        return await _plain(stream, target, body)

    async with serving(Origins(slow).serve) as target, tunnel(Inbound.HTTP) as there:
        stream = await TcpDialer().connect(there.entry)
        await stream.send(_get(target, "/a") + _get(target, "/b"))
        await stream.send_eof()
        assert await read_all(stream) == _ok(b"/a ") + _ok(b"/b ")
        await stream.aclose()


async def test_an_application_of_http_1_0() -> None:
    async def chunked(stream: Stream, target: str, body: bytes) -> bool:
        head = _http("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
        await stream.send(head + b"5\r\nhello\r\n0\r\n\r\n")
        return True

    async with serving(Origins(chunked).serve) as target, tunnel(Inbound.HTTP) as there:
        received = await _raw(there.entry, _http(f"GET http://{target}/ HTTP/1.0"))
        assert received == _http("HTTP/1.1 200 OK", "Connection: close") + b"hello"


async def test_an_origin_that_closes_between_requests_is_connected_to_again() -> None:
    async def once(stream: Stream, target: str, body: bytes) -> bool:
        await _plain(stream, target, body)
        return False

    origins = Origins(once)
    async with (
        serving(origins.serve) as target,
        tunnel(Inbound.HTTP) as there,
        _client(there.entry) as client,
    ):
        for path in ("/a", "/b", "/c"):
            assert (await client.ask(target, path))[0] == 200
            await asyncio.sleep(0.05)
        assert (await client.ask(target, "/d", b"body"))[0] == 200
        assert origins.connections == 4


async def test_a_request_that_meets_a_closing_origin_is_sent_again_if_that_is_safe() -> None:
    async def answer(stream: Stream, target: str, body: bytes) -> bool:
        if target == "/gone" and origins.connections == 1:
            return False
        return await _plain(stream, target, body)

    origins = Origins(answer)
    async with (
        serving(origins.serve) as target,
        tunnel(Inbound.HTTP) as there,
        _client(there.entry) as client,
    ):
        assert (await client.ask(target, "/"))[0] == 200
        assert await client.ask(target, "/gone") == (200, b"/gone ")
        assert origins.connections == 2
        origins.connections = 0
        assert (await client.ask("127.0.0.1:1", "/"))[0] != 200
        assert (await client.ask(target, "/"))[0] == 200
        assert (await client.ask(target, "/gone", b"order"))[0] == 502
        assert (await client.ask(target, "/"))[0] == 200


async def test_what_an_idle_origin_says_is_not_the_next_response() -> None:
    async def answer(stream: Stream, target: str, body: bytes) -> bool:
        await _plain(stream, target, body)
        if origins.connections == 1:
            await asyncio.sleep(0.02)
            await stream.send(_ok(b"forged"))
        return True

    origins = Origins(answer)
    async with (
        serving(origins.serve) as target,
        tunnel(Inbound.HTTP) as there,
        _client(there.entry) as client,
    ):
        assert await client.ask(target, "/a") == (200, b"/a ")
        await asyncio.sleep(0.1)
        assert await client.ask(target, "/b") == (200, b"/b ")
        assert origins.connections == 2


# --- bodies ---


@pytest.mark.parametrize("chunked", [False, True])
async def test_long_bodies_both_ways(chunked: bool) -> None:
    async def back(stream: Stream, target: str, body: bytes) -> bool:
        if not chunked:
            await stream.send(_ok(body))
            return True
        await stream.send(_http("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"))
        for at in range(0, len(body), 10_000):
            piece = body[at : at + 10_000]
            await stream.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        await stream.send(b"0\r\n\r\n")
        return True

    async with (
        serving(Origins(back).serve) as target,
        tunnel(Inbound.HTTP) as there,
        _client(there.entry) as client,
    ):
        for _ in range(2):
            status, body = await client.ask(target, "/", LONG)
            assert status == 200
            assert hashlib.sha256(body).digest() == hashlib.sha256(LONG).digest()


async def test_both_directions_at_once() -> None:
    async def mirror(stream: Stream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive()
        await stream.send(_http("HTTP/1.1 200 OK", f"Content-Length: {len(LONG)}"))
        left = len(LONG)
        piece = data.partition(b"\r\n\r\n")[2]
        while left:
            await stream.send(piece)
            left -= len(piece)
            piece = bytes(await stream.receive()) if left else b""
        await read_all(stream)
        await stream.aclose()

    async with serving(mirror) as target, tunnel(Inbound.HTTP) as there:
        stream = await TcpDialer().connect(there.entry)
        head = _get(target, "/", f"Content-Length: {len(LONG)}", method="POST")

        async def send() -> None:
            for at in range(0, len(LONG), 100_000):
                await stream.send(LONG[at : at + 100_000])

        await stream.send(head)
        sending = asyncio.create_task(send())
        want = len(_http("HTTP/1.1 200 OK", f"Content-Length: {len(LONG)}")) + len(LONG)
        received = await read_exactly(stream, want)
        assert received.endswith(LONG)
        await sending
        stream.abort()


async def test_tiny_chunks_both_ways_do_not_hold_up_others() -> None:
    size = 50_000
    tiny = b"1\r\nx\r\n" * size + b"0\r\n\r\n"

    async def back(stream: Stream, target: str, body: bytes) -> bool:
        assert body == b"x" * size
        await stream.send(_http("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + tiny)
        return True

    async with (
        serving(Origins(back).serve) as target,
        tunnel(Inbound.HTTP) as there,
        _client(there.entry) as client,
    ):
        head = _get(target, "/", "Transfer-Encoding: chunked", method="PUT")
        await client.stream.send(head + tiny + _get(target, "/next"))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += await client.stream.receive()
        assert received.count(b"x") == size


async def test_continue_is_waited_for() -> None:
    async def cautious(stream: Stream) -> None:
        head = bytes(await stream.receive())
        assert b"Expect: 100-continue" in head
        await stream.send(_http("HTTP/1.1 100 Continue"))
        await stream.send(_ok(bytes(await stream.receive())))
        await read_all(stream)
        await stream.aclose()

    async with serving(cautious) as target, tunnel(Inbound.HTTP) as there:
        stream = await TcpDialer().connect(there.entry)
        expects = ("Content-Length: 4", "Expect: 100-continue")
        await stream.send(_get(target, "/", *expects, method="PUT"))
        assert await stream.receive() == _http("HTTP/1.1 100 Continue")
        await stream.send(b"body")
        assert await stream.receive() == _ok(b"body")
        await stream.aclose()


async def test_an_early_answer_passes_an_unfinished_upload() -> None:
    async def refuse(stream: Stream) -> None:
        await stream.receive()
        await stream.send(_http("HTTP/1.1 413 Too Much", "Content-Length: 0", "Connection: close"))
        await read_all(stream)
        await stream.aclose()

    async with serving(refuse) as target, tunnel(Inbound.HTTP) as there:
        head = _get(target, "/", "Content-Length: 999999999", method="PUT")
        received = await _raw(there.entry, head + bytes(100_000))
        assert received.startswith(b"HTTP/1.1 413 Too Much\r\n")
        assert b"Connection: close" in received


# --- what breaks ---


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 90000", "X: y"])
@pytest.mark.parametrize("reset", [False, True])
async def test_half_a_response_does_not_look_whole(framing: str, reset: bool) -> None:
    async def stop(stream: Stream) -> None:
        await stream.receive()
        await stream.send(_http("HTTP/1.1 200 OK", framing) + b"5\r\nhello\r\n")
        await asyncio.sleep(0.02)
        if reset:
            stream.abort()
        else:
            await stream.aclose()

    async with serving(stop) as target, tunnel(Inbound.HTTP) as there:
        if framing.startswith("X") and not reset:
            answer = await _raw(there.entry, _get(target, "/", "Connection: close"))
            assert answer.endswith(b"a\r\n5\r\nhello\r\n\r\n0\r\n\r\n")
            return
        with pytest.raises(TransportError):
            await _raw(there.entry, _get(target))


async def test_origins_that_fail_are_told_about_and_the_next_request_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    async def nonsense(stream: Stream) -> None:
        await stream.receive()
        await stream.send(b"220 smtp ready\r\n\r\n")
        await read_all(stream)
        await stream.aclose()

    async with (
        serving(nonsense) as bad,
        serving(Origins(_plain).serve) as good,
        tunnel(Inbound.HTTP) as there,
        _client(there.entry) as client,
    ):
        illegal = b"the origin's response is malformed: illegal status line\n"
        assert await client.ask(bad) == (502, illegal)
        broken = b"no answer from the origin: the connection broke\n"
        assert await client.ask("127.0.0.1:1") == (502, broken)
        assert await client.ask("nowhere", "/")  # a name that does not resolve
        assert await client.ask(good, "/a") == (200, b"/a ")
        assert (await client.ask("", "/a"))[0] == 400
        assert await client.ask(good, "/b") == (200, b"/b ")
    line = next(record.getMessage() for record in caplog.records if str(bad) in record.getMessage())
    assert line.endswith("malformed: illegal status line")


async def test_a_server_that_is_down() -> None:
    async with serving(echo) as nobody:
        pass
    link = ServerLink("tcp", nobody, "secret", (PresetSpec("ss-base"),))
    role = BlinksocksClientRole(BlinksocksClient(Inbound.HTTP, ANY_PORT, link))
    await role.start()
    async with _client(role.addresses[0]) as client:
        for _ in range(2):
            assert (await client.ask("a", "/", b"body"))[0] == 502
    await role.stop()


async def test_malformed_chunks_are_answered_and_end_the_connection() -> None:
    async with serving(Origins(_plain).serve) as target, tunnel(Inbound.HTTP) as there:
        head = _get(target, "/", "Transfer-Encoding: chunked", method="POST")
        received = await _raw(there.entry, head + b"nonsense\r\n")
        assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"Connection: close" in received


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("whole", [False, True])
async def test_an_application_that_leaves_is_not_waited_for(reset: bool, whole: bool) -> None:
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def watch(stream: Stream) -> None:
        try:
            await read_all(stream)
            seen.set_result("a clean end")
        except TransportError:
            seen.set_result("a reset")

    async with serving(watch) as target, tunnel(Inbound.HTTP, idle=0.5) as there:
        stream = await TcpDialer().connect(there.entry)
        await stream.send(_get(target, "/", f"Content-Length: {2 - whole}", method="PUT") + b"a")
        await asyncio.sleep(0.05)
        if reset:
            stream.abort()
        else:
            await stream.send_eof()
        # A whole request may still be answered, until it is too late for that.
        assert await seen == "a reset"
        stream.abort()


async def test_an_origin_that_never_answers_is_given_up() -> None:
    async with (
        serving(read_forever) as target,
        tunnel(Inbound.HTTP, idle=0.1) as there,
        _client(there.entry) as client,
    ):
        assert (await client.ask(target))[0] == 504


async def test_an_origin_that_stops_is_a_reset() -> None:
    async def stop(stream: Stream) -> None:
        await stream.receive()
        await stream.send(_http("HTTP/1.1 200 OK", "Content-Length: 5") + b"hell")
        await read_forever(stream)

    async with serving(stop) as target, tunnel(Inbound.HTTP, idle=0.1) as there:
        with pytest.raises(TransportError):
            await _raw(there.entry, _get(target))


async def test_an_idle_application_is_closed_cleanly() -> None:
    async with (
        serving(Origins(_plain).serve) as target,
        tunnel(Inbound.HTTP, idle=0.1) as there,
        _client(there.entry) as client,
    ):
        assert (await client.ask(target))[0] == 200
        assert await client.stream.receive() == b""


async def read_forever(stream: Stream) -> None:
    try:
        await read_all(stream)
    except TransportError:
        stream.abort()
    else:
        await stream.aclose()


# --- other ways ---


async def test_an_upgrade_becomes_a_tunnel() -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")

    async def switch(stream: Stream) -> None:
        head = bytes(await stream.receive())
        assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head
        await stream.send(_http("HTTP/1.1 101 Switching Protocols", *upgrade) + b"first")
        await echo(stream)

    async with serving(switch) as target, tunnel(Inbound.HTTP) as there:
        stream = await TcpDialer().connect(there.entry)
        await stream.send(_get(target, "/", *upgrade))
        answer = _http("HTTP/1.1 101 Switching Protocols", *upgrade) + b"first"
        assert await read_exactly(stream, len(answer)) == answer
        await stream.send(b"GET is only bytes now\r\n\r\n")
        assert await stream.receive() == b"GET is only bytes now\r\n\r\n"
        await stream.send_eof()
        assert await stream.receive() == b""
        await stream.aclose()


async def test_connect_behind_other_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with (
        serving(Origins(_plain).serve) as web,
        serving(echo) as target,
        tunnel(Inbound.HTTP) as there,
    ):
        stream = await TcpDialer().connect(there.entry)
        connect = _http(f"CONNECT {target} HTTP/1.1", f"Host: {target}")
        await stream.send(_get(web, "/a") + connect + b"early")
        wanted = _ok(b"/a ") + b"HTTP/1.1 200 Connection Established\r\n\r\nearly"
        assert await read_exactly(stream, len(wanted)) == wanted
        await stream.send_eof()
        assert await stream.receive() == b""
        await stream.aclose()
        await asyncio.sleep(0.05)
    ours = [line.getMessage() for line in caplog.records if f"-> {web}: " in line.getMessage()]
    assert len(ours) == 2  # the client's line and the server's
    assert any(f"-> {target}: 5 bytes up, 5 bytes down" in r.getMessage() for r in caplog.records)


async def test_credentials_are_asked_for_and_go_no_further() -> None:
    origins = Origins(_plain)
    credentials = Credentials("u", "p")
    async with (
        serving(origins.serve) as target,
        tunnel(Inbound.HTTP, credentials=credentials) as there,
        _client(there.entry) as client,
    ):
        login = "Proxy-Authorization: Basic dTpw"
        assert (await client.ask(target, "/a"))[0] == 407
        assert (await client.ask(target, "/a", b"body"))[0] == 407
        assert await client.ask(target, "/b", b"", login) == (200, b"/b ")
        assert (await client.ask(target, "/c"))[0] == 407
        assert origins.heads == [b"host content-length"]
