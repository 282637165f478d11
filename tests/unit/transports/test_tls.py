from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.transports.ends import Accepted, certificate, connected, link_over, listening

from blinktun.address import Address
from blinktun.config.model import ServerLink, Tls
from blinktun.errors import ConfigError, TransportError
from blinktun.net.resolve import Resolver
from blinktun.testing.certificates import self_signed
from blinktun.testing.duplex import DuplexStream
from blinktun.testing.loopback import read_all
from blinktun.transports import tls as tls_module
from blinktun.transports import upgrade
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.tls import TlsStream
from blinktun.transports.tls_context import client_context, server_context

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from blinktun.transports.base import Listener


async def test_names_are_sent_and_addresses_are_not() -> None:
    seen: list[str | None] = []
    shown = server_context(certificate())
    shown.sni_callback = lambda _connection, name, _context: seen.append(name)
    for host in ("localhost", "127.0.0.1"):
        await _shake_hands(shown, client_context(certificate()), host)
    assert seen == ["localhost", None]


@pytest.mark.parametrize(
    ("hosts", "cn", "asked"),
    [
        (("example.com",), "example.com", "localhost"),
        (("example.com",), "localhost", "localhost"),  # with names, the CN does not count
        ((), "example.com", "localhost"),
        (("localhost",), "127.0.0.1", "127.0.0.1"),  # an address wants an entry of its own
    ],
)
async def test_a_certificate_for_somebody_else(
    hosts: tuple[str, ...], cn: str, asked: str, tmp_path: Path
) -> None:
    made = self_signed(tmp_path, *hosts, cn=cn)
    link = ServerLink("tls", Address("127.0.0.1", 0), "key", tls=made)
    async with listening(link) as (listener, accepted):
        with pytest.raises(TransportError, match="mismatch"):
            await _dial(link, listener, asked)
        assert not accepted.waiting


async def test_the_common_name_of_a_certificate_without_names(tmp_path: Path) -> None:
    made = self_signed(tmp_path, cn="localhost")
    await _shake_hands(server_context(made), client_context(made), "localhost")


async def test_another_certificate_is_not_trusted(tmp_path: Path) -> None:
    link = link_over("tls")
    other = self_signed(tmp_path, "localhost")
    async with listening(link) as (listener, accepted):
        for trusted in (other, Tls()):
            asking = ServerLink("tls", link.address, "key", tls=trusted)
            with pytest.raises(TransportError, match="self-signed certificate"):
                await _dial(asking, listener, "localhost")
        assert not accepted.waiting


async def test_a_wire_that_just_ends_was_cut_off() -> None:
    async with connected("tls") as (near, far):
        assert isinstance(far, TlsStream)
        await far.send(b"half of the answer")
        await far._wire.send_eof()
        assert await near.receive() == b"half of the answer"
        with pytest.raises(TransportError, match="cut off"):
            await near.receive()


async def test_what_came_before_our_own_end_is_not_lost() -> None:
    near, far = await _shake_hands(server_context(certificate()), client_context(certificate()))
    await far.send(b"already on its way")
    await near.send_eof()
    await far.send(b", and more")
    await far.aclose()
    assert await read_all(near) == b"already on its way, and more"
    await near.aclose()


async def test_records_that_are_none() -> None:
    async with connected("tls") as (near, far):
        assert isinstance(far, TlsStream)
        await far.send(b"good")
        await far._wire.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        assert await near.receive() == b"good"
        for _ in range(2):
            with pytest.raises(TransportError, match="TLS: "):
                await near.receive()


async def test_sending_behind_the_end() -> None:
    async with connected("tls") as (near, _far):
        await near.send_eof()
        with pytest.raises(TransportError, match="TLS: "):
            await near.send(b"x")


async def test_a_peer_that_wants_too_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    near, _ = await _shake_hands(server_context(certificate()), client_context(certificate()))
    monkeypatch.setattr(tls_module, "_ANSWERS", -1)
    with pytest.raises(TransportError, match="too many answers"):
        await near.receive()


@pytest.mark.parametrize(
    ("words", "alert"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\x17\x03\x03\x00\x05hello", b"\x15\x03\x03\x00\x02\x02\n"),
        (b"", b""),
    ],
)
async def test_who_does_not_speak_tls_hears_openssl(words: bytes, alert: bytes) -> None:
    refused = Accepted()
    async with listening(link_over("tls"), refused) as (listener, accepted):
        prober = await TcpDialer().connect(listener.addresses[0])
        await prober.send(words)
        await prober.send_eof()
        assert (await read_all(prober))[: len(alert) or 1] == alert
        prober.abort()
        assert not accepted.waiting
        assert not refused.waiting


async def test_a_server_that_does_not_speak_tls() -> None:
    async with listening(link_over("tcp")) as (listener, accepted):
        dialling = asyncio.create_task(_dial(link_over("tls"), listener, "localhost"))
        await (await accepted.next()).send(b"SSH-2.0-whatever\r\n")
        with pytest.raises(TransportError, match="TLS: "):
            await dialling


async def test_aclose_gives_up_on_a_wire_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upgrade, "_FLUSH_TIMEOUT", 0.05)
    near, _ = await _shake_hands(server_context(certificate()), client_context(certificate()))
    assert isinstance(near._wire, DuplexStream)
    near._wire.limit = 0
    async with asyncio.timeout(5):
        await near.aclose()
    assert near._wire._broken


async def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    link = ServerLink("tls", Address("127.0.0.1", 0), "key", tls=Tls(broken, broken))
    with pytest.raises(ConfigError, match="tls_cert"):
        await tls_module.listen(link, Accepted())
    link = ServerLink("tls", Address("h", 1), "key", tls=Tls(broken, self_signed=True))
    with pytest.raises(ConfigError, match=r"server\.tls_cert"):
        tls_module.dialer(link, Resolver())


async def _dial(link: ServerLink, listener: Listener, host: str) -> None:
    address = Address(host, listener.addresses[0].port)
    stream = await tls_module.dialer(link, Resolver()).connect(address)
    stream.abort()


async def _shake_hands(
    shown: ssl.SSLContext, trusted: ssl.SSLContext, host: str = "localhost"
) -> tuple[TlsStream, TlsStream]:
    one, other = DuplexStream.pair()
    near = TlsStream(one, trusted, server_name=host)
    far = TlsStream(other, shown)
    await asyncio.gather(near.handshake(), far.handshake())
    return near, far
