"""Requests that go wrong between an application and its origin: who is told what."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.applications import Watching
from tests.unit.tunnel.web import Origins, connected, get, http, plain, raw
from tests.unit.waiting import until

from blinktun.config.model import BlinksocksClient, Inbound, PresetSpec, ServerLink
from blinktun.errors import TransportError
from blinktun.testing.loopback import ANY_PORT, echo, read_all, serving, tunnel
from blinktun.transports.tcp import TcpDialer
from blinktun.tunnel.blinksocks_client import BlinksocksClientRole

if TYPE_CHECKING:
    from blinktun.transports.base import Stream


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Content-Length: 90000", "X: y"])
@pytest.mark.parametrize("reset", [False, True])
async def test_half_a_response_does_not_look_whole(framing: str, reset: bool) -> None:
    async def stop(stream: Stream) -> None:
        await stream.receive()
        await stream.send(http("HTTP/1.1 200 OK", framing) + b"5\r\nhello\r\n")
        await asyncio.sleep(0.02)
        if reset:
            stream.abort()
        else:
            await stream.aclose()

    async with serving(stop) as target, tunnel(Inbound.HTTP) as there:
        if framing.startswith("X") and not reset:
            answer = await raw(there.entry, get(target, "/", "Connection: close"))
            assert answer.endswith(b"a\r\n5\r\nhello\r\n\r\n0\r\n\r\n")
            return
        with pytest.raises(TransportError):
            await raw(there.entry, get(target))


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
        serving(Origins(plain).serve) as good,
        tunnel(Inbound.HTTP) as there,
        connected(there.entry) as client,
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
    async with connected(role.addresses[0]) as client:
        for _ in range(2):
            assert (await client.ask("a", "/", b"body"))[0] == 502
    await role.stop()


async def test_malformed_chunks_are_answered_and_end_the_connection() -> None:
    async with serving(Origins(plain).serve) as target, tunnel(Inbound.HTTP) as there:
        head = get(target, "/", "Transfer-Encoding: chunked", method="POST")
        received = await raw(there.entry, head + b"nonsense\r\n")
        assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"Connection: close" in received


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("whole", [False, True])
async def test_an_application_that_leaves_is_not_waited_for(reset: bool, whole: bool) -> None:
    watching = Watching()
    async with serving(watching.serve) as target, tunnel(Inbound.HTTP, idle=0.5) as there:
        stream = await TcpDialer().connect(there.entry)
        await stream.send(get(target, "/", f"Content-Length: {2 - whole}", method="PUT") + b"a")
        await until(lambda: watching.heard.endswith(b"\r\n\r\na"))
        if reset:
            stream.abort()
        else:
            await stream.send_eof()
        # A whole request may still be answered, until it is too late for that.
        assert await watching.seen == "a reset"
        stream.abort()


async def test_an_origin_that_never_answers_is_given_up() -> None:
    async with (
        serving(read_forever) as target,
        tunnel(Inbound.HTTP, idle=0.1) as there,
        connected(there.entry) as client,
    ):
        assert (await client.ask(target))[0] == 504


async def test_an_origin_that_stops_is_a_reset() -> None:
    async def stop(stream: Stream) -> None:
        await stream.receive()
        await stream.send(http("HTTP/1.1 200 OK", "Content-Length: 5") + b"hell")
        await read_forever(stream)

    async with serving(stop) as target, tunnel(Inbound.HTTP, idle=0.1) as there:
        with pytest.raises(TransportError):
            await raw(there.entry, get(target))


async def test_an_idle_application_is_closed_cleanly() -> None:
    async with (
        serving(Origins(plain).serve) as target,
        tunnel(Inbound.HTTP, idle=0.1) as there,
        connected(there.entry) as client,
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
