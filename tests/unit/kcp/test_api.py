from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import ANY_PORT, SETTINGS, echo, open_descriptors, read_all
from tests.unit.waiting import PATIENCE, until

from blinktun import kcp
from blinktun.address import Address
from blinktun.errors import ConfigError, TransportError
from blinktun.kcp import api
from blinktun.net.resolve import Resolver

if TYPE_CHECKING:
    from blinktun.config.model import KcpSettings

ALL_ADDRESSES = ":0"


async def _ask(session: kcp.Session, data: bytes = b"hello") -> bytes:
    async with session.open_stream() as stream:
        await stream.write(data)
        stream.finish()
        return await read_all(stream)


@pytest.mark.parametrize("where", ["127.0.0.1:0", "[::1]:0", "localhost:0"])
async def test_a_server_answers_where_it_says(where: str) -> None:
    async with (
        await kcp.serve(echo, where, SETTINGS) as server,
        await kcp.connect(str(server.address), SETTINGS) as session,
    ):
        assert server.address.port != 0
        assert await _ask(session) == b"hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_a_port_alone_serves_both_families(host: str) -> None:
    async with await kcp.serve(echo, ALL_ADDRESSES, SETTINGS) as server:
        where = Address(host, server.address.port)
        async with await kcp.connect(where, SETTINGS) as session:
            assert await _ask(session) == b"hello"
            (far,) = server.sessions.values()
            assert Address.parse(far.peer).host == ("::1" if host == "::1" else "127.0.0.1")


async def test_a_link_local_address_keeps_its_scope() -> None:
    scope = socket.if_nametoindex("lo")
    for text in ("fe80::1%lo", f"fe80::1%{scope}"):
        assert await api.resolve(Address(text, 1)) == [f"fe80::1%{scope}"]
        async with await kcp.connect(Address(text, 1), SETTINGS) as session:
            assert session.peer == f"[fe80::1%{scope}]:1"
    assert api.udp_hosts(Address("fe80::1%lo", 1)) == [f"fe80::1%{scope}"]
    with pytest.raises(TransportError, match="cannot resolve"):
        await kcp.connect(Address("fe80::1%nowhere", 1), SETTINGS)


async def test_of_a_name_with_both_families_ipv4_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Names:
        async def resolve(self, _host: str, *, fresh: bool) -> list[str]:
            assert fresh
            return ["2001:db8::1", "192.0.2.1"]

    monkeypatch.setattr(Resolver, "shared", Names)
    where = Address("both.example", 1)
    assert await api.resolve(where) == ["192.0.2.1", "2001:db8::1"]
    for attempt, peer in enumerate(["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.1:1"]):
        async with await api.connect(where, SETTINGS, attempt=attempt) as session:
            assert session.peer == peer
            assert session.alternatives == 1


async def test_a_name_is_served_at_all_its_addresses() -> None:
    async with await kcp.serve(echo, "localhost:0", SETTINGS) as server:
        assert [where.host for where in server.addresses] == ["127.0.0.1", "::1"]
        for where in server.addresses:
            assert where.port == server.address.port
            async with await kcp.connect(where, SETTINGS) as session:
                assert await _ask(session) == b"hello"


@pytest.mark.parametrize(
    ("host", "option", "level"),
    [
        ("127.0.0.1", socket.IP_TOS, socket.IPPROTO_IP),
        ("::1", socket.IPV6_TCLASS, socket.IPPROTO_IPV6),
    ],
)
async def test_the_class_of_service_is_that_of_dscp(host: str, option: int, level: int) -> None:
    with _receiver(host) as receiver:
        ask = socket.IP_RECVTOS if level == socket.IPPROTO_IP else socket.IPV6_RECVTCLASS
        receiver.setsockopt(level, ask, 1)
        _, ancillary = await _first_datagram(receiver, replace(SETTINGS, dscp=46))
    assert [(item[0], item[1], item[2][0]) for item in ancillary] == [(level, option, 46 << 2)]


async def test_nothing_is_served_before_its_source_has_echoed_a_clock() -> None:
    settings = replace(SETTINGS, crypt="null", parityshard=0)
    with _receiver("127.0.0.1") as receiver:
        opening, _ = await _first_datagram(receiver, settings)
    sessions: list[kcp.Session] = []
    server = kcp.Server(ANY_PORT, settings, lambda *_: None)
    server.on_new_session = sessions.append
    sources = [_receiver("127.0.0.1") for _ in range(20)]
    for source in sources:
        source.sendto(opening, (server.address.host, server.address.port))
    for source in sources:
        answer = await asyncio.to_thread(source.recv, 2000)
        assert len(answer) <= 3 * len(opening)
        source.close()
    assert not sessions
    await server.aclose(0)


def _receiver(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(PATIENCE)
    return made


async def _first_datagram(
    receiver: socket.socket, settings: KcpSettings
) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """What a client sends first to ``receiver``, with the ancillary data."""
    session = await kcp.connect(Address(*receiver.getsockname()[:2]), settings)
    await session.open_stream().write(b"hello")
    data, ancillary, _, _ = await asyncio.to_thread(receiver.recvmsg, 2000, 100)
    await session.aclose(0)
    return data, ancillary


async def test_settings_have_defaults() -> None:
    async with (
        await kcp.serve(echo, ANY_PORT) as server,
        await kcp.connect(server.address) as session,
    ):
        assert await _ask(session) == b"hello"


@pytest.mark.parametrize("revision", ["A", "M", "B"])
@pytest.mark.parametrize("smuxver", [1, 2])
async def test_permutation_pads_are_undone_at_the_other_end(smuxver: int, revision: str) -> None:
    # A mere echo would not do: both directions take the same pads, so a wrong end undoes its error.
    async def shout(stream: kcp.Stream) -> None:
        while data := await stream.read():
            await stream.write(data.upper())

    settings = replace(SETTINGS, smuxver=smuxver, qpp=True, qpp_revision=revision)
    async with (
        await kcp.serve(shout, ANY_PORT, settings) as server,
        await kcp.connect(server.address, settings) as session,
    ):
        words = [word * 33_333 for word in (b"one", b"two", b"six")]
        answers = await asyncio.gather(*(_ask(session, word) for word in words))
        assert answers == [word.upper() for word in words]


async def test_other_pads_give_other_bytes() -> None:
    async def greet(stream: kcp.Stream) -> None:
        await stream.write(b"hello")

    near = replace(SETTINGS, qpp=True)
    far = replace(near, qpp_revision="A")
    async with (
        await kcp.serve(greet, ANY_PORT, far) as server,
        await kcp.connect(server.address, near) as session,
    ):
        answer = await _ask(session)
        assert len(answer) == 5
        assert answer != b"hello"


async def test_names_that_do_not_resolve_are_named() -> None:
    with pytest.raises(TransportError, match="cannot resolve") as caught:
        await kcp.connect("nobody.invalid:1", SETTINGS)
    assert caught.value.peer == "nobody.invalid:1"
    with pytest.raises(TransportError, match="cannot resolve"):
        await kcp.connect("." * 300 + ":1", SETTINGS)


async def test_a_port_in_use_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        where = Address(*taken.getsockname())
        with pytest.raises(TransportError, match=f"cannot listen on udp {where}: .*in use"):
            await kcp.serve(echo, where, SETTINGS)


@pytest.mark.parametrize("where", ["192.0.2.1:0", "nobody.invalid:0"])
async def test_an_address_of_another_machine_cannot_be_served(where: str) -> None:
    with pytest.raises(TransportError, match=f"cannot listen on udp {where}: "):
        await kcp.serve(echo, where, SETTINGS)


@pytest.mark.parametrize("where", ["", "no port", "1.2.3.4:99999", "::1:80"])
async def test_what_is_no_address_is_a_value_error(where: str) -> None:
    with pytest.raises(ValueError, match=r"port|bracket"):
        await kcp.connect(where, SETTINGS)
    with pytest.raises(ValueError, match=r"port|bracket"):
        await kcp.serve(echo, where, SETTINGS)


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, mtu=60),
        replace(SETTINGS, mtu=9000),
        replace(SETTINGS, sndwnd=0),
        replace(SETTINGS, datashard=200, parityshard=100),
        replace(SETTINGS, crypt="rot13"),
        replace(SETTINGS, smuxver=3),
    ],
)
async def test_settings_that_cannot_work_are_refused(settings: KcpSettings) -> None:
    before = open_descriptors()
    with pytest.raises(ConfigError) as caught:
        await kcp.connect(ANY_PORT, settings)
    with pytest.raises(ConfigError):
        await kcp.serve(echo, ANY_PORT, settings)
    assert settings.key not in str(caught.value)
    assert open_descriptors() <= before + 2  # the reactor itself


# --- handlers -----------------------------------------------------------------------------------


async def test_what_a_handler_leaves_is_closed_cleanly() -> None:
    async def greet(stream: kcp.Stream) -> None:
        await stream.write(b"welcome")

    async with (
        await kcp.serve(greet, ANY_PORT, SETTINGS) as server,
        await kcp.connect(server.address, SETTINGS) as session,
        session.open_stream() as stream,
    ):
        assert await read_all(stream) == b"welcome"


async def test_a_handler_that_fails_breaks_only_its_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(stream: kcp.Stream) -> None:
        if await stream.read() == b"fail":
            raise ZeroDivisionError
        raise TransportError("its own target broke")

    async with (
        await kcp.serve(fail, ANY_PORT, SETTINGS) as server,
        await kcp.connect(server.address, SETTINGS) as session,
    ):
        for question in (b"fail", b"break"):
            stream = session.open_stream()
            await stream.write(question)
            with pytest.raises(TransportError, match="reset by the other end"):
                await stream.read()
    bugs = [record for record in caplog.records if record.exc_info]
    assert [record.message for record in bugs] == ["a stream's handler failed"]


# --- the end of a server ------------------------------------------------------------------------


async def test_the_end_of_a_server_cancels_handlers_and_tells_clients() -> None:
    cancelled = asyncio.Event()
    started = asyncio.Event()

    async def hang(stream: kcp.Stream) -> None:
        started.set()
        try:
            await stream.read()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server = await kcp.serve(hang, ANY_PORT, SETTINGS)
    async with await kcp.connect(server.address, SETTINGS) as session:
        stream = session.open_stream()
        await started.wait()
        (far,) = server.sessions.values()
        await server.aclose()
        assert cancelled.is_set()
        assert far.reason == "closed here"
        assert not server.sessions
        with pytest.raises(TransportError, match="reset by the other end"):
            await stream.read()
        await server.aclose()


async def test_a_closed_server_frees_its_port() -> None:
    server = await kcp.serve(echo, ANY_PORT, SETTINGS)
    where = server.address
    await server.aclose()
    async with await kcp.serve(echo, where, SETTINGS) as second:
        assert second.address == where
        await server.aclose()  # again: not its successor's
        async with await kcp.connect(where, SETTINGS) as session:
            assert await _ask(session) == b"hello"


async def test_a_handler_may_close_its_server() -> None:
    closed = asyncio.Event()

    async def last(stream: kcp.Stream) -> None:
        await server.aclose(within=0)
        closed.set()

    server = await kcp.serve(last, ANY_PORT, SETTINGS)
    async with await kcp.connect(server.address, SETTINGS) as session:
        stream = session.open_stream()
        async with asyncio.timeout(PATIENCE):
            await closed.wait()
        stream.abort()
        session.close()


async def test_a_closing_server_takes_no_more_streams() -> None:
    streams: list[kcp.Stream] = []

    async def keep(stream: kcp.Stream) -> None:
        streams.append(stream)
        await stream.read()

    server = await kcp.serve(keep, ANY_PORT, SETTINGS)
    async with await kcp.connect(server.address, SETTINGS) as session:
        await session.open_stream().write(b"x")
        await until(lambda: streams)
        closing = asyncio.create_task(server.aclose())
        await until(lambda: server._closing)
        late = session.open_stream()
        await closing
        assert len(streams) == 1
        late.abort()


async def test_a_closing_server_takes_no_more_flows() -> None:
    flows: list[kcp.Flow] = []
    release = asyncio.Event()

    async def keep(flow: kcp.Flow) -> None:
        flows.append(flow)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await release.wait()

    server = await kcp.serve(echo, ANY_PORT, SETTINGS, datagrams=keep)
    async with await kcp.connect(server.address, SETTINGS) as session:
        first = session.open_flow()
        await first.send(b"x")
        await until(lambda: flows)
        closing = asyncio.create_task(server.aclose())
        await until(lambda: server._closing)
        late = session.open_flow()
        await late.send(b"y")
        try:
            with pytest.raises(TransportError, match="the flow has ended"):
                await asyncio.wait_for(late.receive(), PATIENCE)
        finally:
            release.set()
            await closing
        assert len(flows) == 1
