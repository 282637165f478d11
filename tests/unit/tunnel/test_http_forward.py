"""Requests through a client and a server on loopback, with origins of every kind."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.web import Origins, connected, get, http, ok, plain, raw
from tests.unit.waiting import until

from blinktun.config.model import Credentials, Inbound
from blinktun.testing.loopback import echo, read_all, read_exactly, serving, tunnel
from blinktun.transports.tcp import TcpDialer

if TYPE_CHECKING:
    from blinktun.transports.base import Stream

LONG = random.Random(1).randbytes(5_000_000)


# --- one connection, many requests ---


async def test_requests_share_a_connection_to_their_origin() -> None:
    one, two = Origins(plain), Origins(plain)
    async with (
        serving(one.serve) as a,
        serving(two.serve) as b,
        tunnel(Inbound.HTTP) as there,
        connected(there.entry) as client,
    ):
        for number in range(3):
            assert await client.ask(a, f"/{number}?q") == (200, b"/%d?q " % number)
        assert await client.ask(a, "/post", b"body") == (200, b"/post body")
        assert one.connections == 1
        assert await client.ask(b, "/other") == (200, b"/other ")
        assert await client.ask(a, "/back") == (200, b"/back ")
        assert (one.connections, two.connections) == (2, 1)


async def test_pipelined_requests_are_answered_in_order() -> None:
    origins = Origins(plain)
    async with serving(origins.serve) as target, tunnel(Inbound.HTTP) as there:
        post = get(target, "/b", "Content-Length: 3", method="POST") + b"abc"
        requests = get(target, "/a") + post + get(target, "/c", "Connection: close")
        received = await raw(there.entry, requests + b"ignored")
        assert received == (
            ok(b"/a ") + ok(b"/b abc")
            + ok(b"/c ").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )  # fmt: skip
        assert origins.connections == 1


async def test_an_application_that_ends_its_direction_still_gets_its_answers() -> None:
    async def slow(stream: Stream, target: str, body: bytes) -> bool:
        await asyncio.sleep(0.02)
        return await plain(stream, target, body)

    async with serving(Origins(slow).serve) as target, tunnel(Inbound.HTTP) as there:
        stream = await TcpDialer().connect(there.entry)
        await stream.send(get(target, "/a") + get(target, "/b"))
        await stream.send_eof()
        assert await read_all(stream) == ok(b"/a ") + ok(b"/b ")
        await stream.aclose()


async def test_an_application_of_http_1_0() -> None:
    async def chunked(stream: Stream, target: str, body: bytes) -> bool:
        head = http("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")
        await stream.send(head + b"5\r\nhello\r\n0\r\n\r\n")
        return True

    async with serving(Origins(chunked).serve) as target, tunnel(Inbound.HTTP) as there:
        received = await raw(there.entry, http(f"GET http://{target}/ HTTP/1.0"))
        assert received == http("HTTP/1.1 200 OK", "Connection: close") + b"hello"


async def test_an_origin_that_closes_between_requests_is_connected_to_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    async def once(stream: Stream, target: str, body: bytes) -> bool:
        await plain(stream, target, body)
        return False

    origins = Origins(once)
    async with (
        serving(origins.serve) as target,
        tunnel(Inbound.HTTP) as there,
        connected(there.entry) as client,
    ):
        for number in (1, 2, 3):
            assert (await client.ask(target, f"/{number}"))[0] == 200
            await until(lambda: caplog.text.count(f"-> {target}: ") == 2 * number)  # noqa: B023
        assert (await client.ask(target, "/d", b"body"))[0] == 200
        assert origins.connections == 4


async def test_a_request_that_meets_a_closing_origin_is_sent_again_if_that_is_safe() -> None:
    async def answer(stream: Stream, target: str, body: bytes) -> bool:
        if target == "/gone" and origins.connections == 1:
            return False
        return await plain(stream, target, body)

    origins = Origins(answer)
    async with (
        serving(origins.serve) as target,
        tunnel(Inbound.HTTP) as there,
        connected(there.entry) as client,
    ):
        assert (await client.ask(target, "/"))[0] == 200
        assert await client.ask(target, "/gone") == (200, b"/gone ")
        assert origins.connections == 2
        origins.connections = 0
        assert (await client.ask("127.0.0.1:1", "/"))[0] != 200
        assert (await client.ask(target, "/"))[0] == 200
        assert (await client.ask(target, "/gone", b"order"))[0] == 502
        assert (await client.ask(target, "/"))[0] == 200


async def test_what_an_idle_origin_says_is_not_the_next_response(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    async def answer(stream: Stream, target: str, body: bytes) -> bool:
        await plain(stream, target, body)
        if origins.connections == 1:
            await asyncio.sleep(0.02)
            await stream.send(ok(b"forged"))
        return True

    origins = Origins(answer)
    async with (
        serving(origins.serve) as target,
        tunnel(Inbound.HTTP) as there,
        connected(there.entry) as client,
    ):
        assert await client.ask(target, "/a") == (200, b"/a ")
        await until(lambda: f"-> {target}: " in caplog.text)
        assert await client.ask(target, "/b") == (200, b"/b ")
        assert origins.connections == 2


# --- bodies ---


@pytest.mark.parametrize("chunked", [False, True])
async def test_long_bodies_both_ways(chunked: bool) -> None:
    async def back(stream: Stream, target: str, body: bytes) -> bool:
        if not chunked:
            await stream.send(ok(body))
            return True
        await stream.send(http("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"))
        for at in range(0, len(body), 10_000):
            piece = body[at : at + 10_000]
            await stream.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        await stream.send(b"0\r\n\r\n")
        return True

    async with (
        serving(Origins(back).serve) as target,
        tunnel(Inbound.HTTP) as there,
        connected(there.entry) as client,
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
        await stream.send(http("HTTP/1.1 200 OK", f"Content-Length: {len(LONG)}"))
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
        head = get(target, "/", f"Content-Length: {len(LONG)}", method="POST")

        async def send() -> None:
            for at in range(0, len(LONG), 100_000):
                await stream.send(LONG[at : at + 100_000])

        await stream.send(head)
        sending = asyncio.create_task(send())
        want = len(http("HTTP/1.1 200 OK", f"Content-Length: {len(LONG)}")) + len(LONG)
        received = await read_exactly(stream, want)
        assert received.endswith(LONG)
        await sending
        stream.abort()


async def test_tiny_chunks_both_ways_do_not_hold_up_others() -> None:
    size = 50_000
    tiny = b"1\r\nx\r\n" * size + b"0\r\n\r\n"

    async def back(stream: Stream, target: str, body: bytes) -> bool:
        assert body == b"x" * size
        await stream.send(http("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + tiny)
        return True

    async with (
        serving(Origins(back).serve) as target,
        tunnel(Inbound.HTTP) as there,
        connected(there.entry) as client,
    ):
        head = get(target, "/", "Transfer-Encoding: chunked", method="PUT")
        await client.stream.send(head + tiny + get(target, "/next"))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += await client.stream.receive()
        assert received.count(b"x") == size


async def test_continue_is_waited_for() -> None:
    async def cautious(stream: Stream) -> None:
        head = bytes(await stream.receive())
        assert b"Expect: 100-continue" in head
        await stream.send(http("HTTP/1.1 100 Continue"))
        await stream.send(ok(bytes(await stream.receive())))
        await read_all(stream)
        await stream.aclose()

    async with serving(cautious) as target, tunnel(Inbound.HTTP) as there:
        stream = await TcpDialer().connect(there.entry)
        expects = ("Content-Length: 4", "Expect: 100-continue")
        await stream.send(get(target, "/", *expects, method="PUT"))
        assert await stream.receive() == http("HTTP/1.1 100 Continue")
        await stream.send(b"body")
        assert await stream.receive() == ok(b"body")
        await stream.aclose()


async def test_an_early_answer_passes_an_unfinished_upload() -> None:
    async def refuse(stream: Stream) -> None:
        await stream.receive()
        await stream.send(http("HTTP/1.1 413 Too Much", "Content-Length: 0", "Connection: close"))
        await read_all(stream)
        await stream.aclose()

    async with serving(refuse) as target, tunnel(Inbound.HTTP) as there:
        head = get(target, "/", "Content-Length: 999999999", method="PUT")
        received = await raw(there.entry, head + bytes(100_000))
        assert received.startswith(b"HTTP/1.1 413 Too Much\r\n")
        assert b"Connection: close" in received


# --- other ways ---


async def test_an_upgrade_becomes_a_tunnel() -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")

    async def switch(stream: Stream) -> None:
        head = bytes(await stream.receive())
        assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head
        await stream.send(http("HTTP/1.1 101 Switching Protocols", *upgrade) + b"first")
        await echo(stream)

    async with serving(switch) as target, tunnel(Inbound.HTTP) as there:
        stream = await TcpDialer().connect(there.entry)
        await stream.send(get(target, "/", *upgrade))
        answer = http("HTTP/1.1 101 Switching Protocols", *upgrade) + b"first"
        assert await read_exactly(stream, len(answer)) == answer
        await stream.send(b"GET is only bytes now\r\n\r\n")
        assert await stream.receive() == b"GET is only bytes now\r\n\r\n"
        await stream.send_eof()
        assert await stream.receive() == b""
        await stream.aclose()


async def test_much_may_come_right_behind_a_switch() -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    answer = http("HTTP/1.1 101 Switching Protocols", *upgrade) + bytes(300_000)

    async def switch(stream: Stream) -> None:
        await stream.receive()
        await stream.send(answer)
        await stream.aclose()

    async with serving(switch) as target, tunnel(Inbound.HTTP) as there:
        stream = await TcpDialer().connect(there.entry)
        await stream.send(get(target, "/", *upgrade))
        await stream.send_eof()
        assert await read_all(stream) == answer
        await stream.aclose()


async def test_connect_behind_other_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with (
        serving(Origins(plain).serve) as web,
        serving(echo) as target,
        tunnel(Inbound.HTTP) as there,
    ):
        stream = await TcpDialer().connect(there.entry)
        connect = http(f"CONNECT {target} HTTP/1.1", f"Host: {target}")
        await stream.send(get(web, "/a") + connect + b"early")
        wanted = ok(b"/a ") + b"HTTP/1.1 200 Connection Established\r\n\r\nearly"
        assert await read_exactly(stream, len(wanted)) == wanted
        await stream.send_eof()
        assert await stream.receive() == b""
        await stream.aclose()
        await until(lambda: caplog.text.count(f"-> {target}: ") == 2)
    ours = [line.getMessage() for line in caplog.records if f"-> {web}: " in line.getMessage()]
    assert len(ours) == 2  # the client's line and the server's
    assert any(f"-> {target}: 5 bytes up, 5 bytes down" in r.getMessage() for r in caplog.records)


async def test_credentials_are_asked_for_and_go_no_further() -> None:
    origins = Origins(plain)
    credentials = Credentials("u", "p")
    async with (
        serving(origins.serve) as target,
        tunnel(Inbound.HTTP, credentials=credentials) as there,
        connected(there.entry) as client,
    ):
        login = "Proxy-Authorization: Basic dTpw"
        assert (await client.ask(target, "/a"))[0] == 407
        assert (await client.ask(target, "/a", b"body"))[0] == 407
        assert await client.ask(target, "/b", b"", login) == (200, b"/b ")
        assert (await client.ask(target, "/c"))[0] == 407
        assert origins.heads == [b"host content-length"]
