from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket

import pytest
from tests.unit.kcp.support import descriptors, open_descriptors
from tests.unit.net.support import closed_port, deaf_port, listening, name_server
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.config.model import Dns
from blinktun.errors import AccessDenied, TransportError
from blinktun.net import dial as room
from blinktun.net.accept import TcpListener
from blinktun.net.dial import begin_dial, connect_socket, dial, reset
from blinktun.net.name_servers import NotFoundError
from blinktun.net.resolve import Resolver


class Names(Resolver):
    """Knows every name by the same addresses."""

    def __init__(self, *ips: str) -> None:
        super().__init__()
        self.ips = list(ips)
        self.asked = 0
        self.forgotten: list[str] = []

    async def resolve(self, host: str, *, fresh: bool = False) -> list[str]:
        self.asked += 1
        return self.ips

    def forget(self, host: str) -> None:
        self.forgotten.append(host)


async def test_a_refused_dial_is_named() -> None:
    with closed_port() as where:
        with pytest.raises(TransportError) as caught:
            await dial(where, Resolver(), connect_socket)
        assert caught.value.peer == str(where)
        assert "refused" in caught.value.reason.lower()


async def test_a_dial_without_an_answer_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "DIAL_TIMEOUT", 0.05)
    with deaf_port() as where, pytest.raises(TransportError, match=f"{where}: timed out"):
        await dial(where, Resolver(), connect_socket)


@pytest.mark.parametrize("host", ["nobody.invalid", "x" * 300])
async def test_a_name_that_does_not_resolve_is_named(host: str) -> None:
    with pytest.raises(TransportError) as caught:
        await dial(Address(host, 1), Resolver(), connect_socket)
    assert caught.value.peer == f"{host}:1"
    assert caught.value.reason


async def test_a_cancelled_dial_closes_its_socket() -> None:
    with deaf_port() as where:
        before = open_descriptors()
        dialling = asyncio.create_task(dial(where, Resolver(), connect_socket))
        await until(lambda: descriptors() > before)
        dialling.cancel()
        await asyncio.wait([dialling])
        assert dialling.cancelled()
        assert descriptors() == before


async def test_begin_dial_names_what_cannot_begin() -> None:
    with pytest.raises(TransportError) as caught:
        begin_dial(Address("255.255.255.255", 1))
    assert caught.value.peer == "255.255.255.255:1"


async def test_a_scope_that_does_not_exist_is_named() -> None:
    where = Address("fe80::1%nowhere", 1)
    with pytest.raises(TransportError, match="fe80::1%nowhere"):
        begin_dial(where)
    with pytest.raises(TransportError, match="fe80::1%nowhere"):
        await dial(where, Resolver(), connect_socket)
    with pytest.raises(TransportError, match=r"cannot listen on tcp .fe80::1%nowhere.:1: "):
        TcpListener(where, socket.socket.close)


async def test_reset_is_seen_as_a_reset() -> None:
    with listening() as (listener, accepted):
        near = begin_dial(listener.address)
        reset(await accepted.get())
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(near, 1)
        near.close()
        reset(near)


async def test_every_address_of_a_name_is_tried() -> None:
    names = Names("127.0.0.2", "127.0.0.1")  # nobody listens at the first
    with listening() as (listener, accepted):
        near = await dial(Address("many.example", listener.address.port), names, connect_socket)
        (await accepted.get()).close()
        near.close()


async def test_an_address_that_does_not_answer_is_looked_up_again_the_next_time() -> None:
    names = Names("127.0.0.1")
    with closed_port() as where, pytest.raises(TransportError):
        await dial(Address("moved.example", where.port), names, connect_socket)
    assert names.forgotten == ["moved.example"]


async def test_only_permitted_addresses_are_tried() -> None:
    names = Names("127.0.0.2", "127.0.0.1")
    tried: list[tuple[str, str]] = []

    def permits(name: Address, ip: str) -> bool:
        tried.append((name.host, ip))
        return ip == "127.0.0.1"

    with listening() as (listener, accepted):
        where = Address("name.example", listener.address.port)
        near = await dial(where, names, connect_socket, permits)
        (await accepted.get()).close()
        near.close()
        assert tried == [("name.example", "127.0.0.2"), ("name.example", "127.0.0.1")]
        with pytest.raises(AccessDenied, match=r"name\.example leads to addresses"):
            await dial(where, names, connect_socket, lambda _name, _ip: False)


async def test_a_name_without_an_address_is_not_asked_for_by_every_dial() -> None:
    lookups: list[str] = []

    class Failing(Resolver):
        async def _lookup(self, host: str, *, fresh: bool) -> list[str]:
            lookups.append(host)
            raise NotFoundError("there is no such name")

    resolver = Failing()
    for _ in range(3):
        with pytest.raises(TransportError, match="does not resolve"):
            await dial(Address("gone.example", 1), resolver, connect_socket)
    assert lookups == ["gone.example"]


async def test_a_name_is_looked_up_by_the_resolver() -> None:
    async with name_server() as (_, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        with listening() as (listener, accepted):
            near = await dial(
                Address("here.example", listener.address.port), resolver, connect_socket
            )
            (await accepted.get()).close()
            near.close()


async def test_a_dial_leaves_the_reserve_of_descriptors_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with listening() as (listener, _):
        with socket.socket() as probe:
            number = probe.fileno()
        monkeypatch.setattr(resource, "getrlimit", lambda _: (number, number))
        with pytest.raises(TransportError) as caught:
            await dial(listener.address, Resolver(), connect_socket)
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.EMFILE
        with pytest.raises(TransportError, match="too many open files"):
            begin_dial(listener.address)


async def test_the_steps_of_a_dial_are_written_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with listening() as (listener, _accepted):
        where = listener.address
        (await dial(where, Resolver(), connect_socket)).close()
    assert f"{where}: its addresses (127.0.0.1) were found after 0.0" in caplog.text
