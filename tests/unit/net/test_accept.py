from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from tests.unit.net.support import listening
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net import accept
from blinktun.net.accept import TcpListener
from blinktun.net.dial import begin_dial, connect_socket, dial
from blinktun.net.listen import listen_tcp
from blinktun.net.resolve import Resolver


@pytest.fixture(autouse=True)
def complaints_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "_complained", None)


async def _connect(host: str, port: int) -> socket.socket:
    return await dial(Address(host, port), Resolver(), connect_socket)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_what_is_dialled_is_accepted(host: str) -> None:
    with listening(Address(host, 0)) as (listener, accepted):
        near = await _connect(listener.address.host, listener.address.port)
        far = await accepted.get()
        assert near.gettimeout() == 0
        far.sendall(b"hello")
        assert await asyncio.get_running_loop().sock_recv(near, 10) == b"hello"
        near.close()
        far.close()


@pytest.mark.parametrize("everywhere", ["", "::"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", ""])
async def test_a_port_alone_takes_both_families(host: str, everywhere: str) -> None:
    with listening(Address(everywhere, 0)) as (listener, accepted):
        near = await _connect(host, listener.address.port)
        (await accepted.get()).close()
        near.close()


async def test_many_connections_at_once_are_all_taken() -> None:
    with listening() as (listener, accepted):
        near = [begin_dial(listener.address) for _ in range(150)]
        for _ in near:
            (await accepted.get()).close()
        for connection in near:
            connection.close()


async def test_an_address_in_use_is_named() -> None:
    with listening() as (listener, _):
        where = listener.address
        with pytest.raises(TransportError, match=f"cannot listen on tcp {where}: .*in use"):
            TcpListener(where, socket.socket.close)
        with pytest.raises(TransportError, match=f"cannot listen on tcp :{where.port}: .*in use"):
            TcpListener(Address("", where.port), socket.socket.close)
    with pytest.raises(TransportError, match=r"cannot listen on tcp nobody\.invalid:1: "):
        TcpListener(Address("nobody.invalid", 1), socket.socket.close)


class OutOfDescriptors(socket.socket):
    """Refuses to accept for a while."""

    left = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_accepting_pauses_without_descriptors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accept, "_PAUSE", 0.02)
    plain = listen_tcp

    def listen(address: Address) -> list[socket.socket]:
        return [OutOfDescriptors(fileno=bound.detach()) for bound in plain(address)]

    monkeypatch.setattr(accept, "listen_tcp", listen)
    with listening() as (listener, accepted):
        near = await _connect("127.0.0.1", listener.address.port)
        (await accepted.get()).close()
        near.close()
    assert [message.partition(";")[0] for message in caplog.messages] == [
        "new connections wait: Too many open files"
    ]


async def test_connections_wait_while_only_the_reserve_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accept, "_PAUSE", 0.01)
    room = False
    looks = 0

    def has_room(_descriptor: int) -> bool:
        nonlocal looks
        looks += 1
        return room

    monkeypatch.setattr(accept, "has_room", has_room)
    with listening(Address("localhost", 0)) as (listener, accepted):
        near = begin_dial(listener.address)
        await until(lambda: looks >= 3)
        assert accepted.empty()
        room = True
        (await accepted.get()).close()
        near.close()


async def test_a_listener_may_close_while_it_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "_PAUSE", 0.01)
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: reported.append(told))
    with listening() as (listener, _):
        listener._pause(OSError(errno.EMFILE, "Too many open files"))
    await asyncio.sleep(0.02)  # its timer would fail now
    assert not reported


async def test_a_name_is_listened_on_at_all_its_addresses() -> None:
    with listening(Address("localhost", 0)) as (listener, accepted):
        assert {where.host for where in listener.addresses} == {"127.0.0.1", "::1"}
        port = listener.address.port
        assert str(listener) == f"127.0.0.1:{port} and [::1]:{port}"
        for where in listener.addresses:
            near = await dial(where, Resolver(), connect_socket)
            (await accepted.get()).close()
            near.close()


async def test_ipv4_peers_have_ipv4_addresses() -> None:
    with listening(Address("::", 0)) as (listener, accepted):
        near = await _connect("127.0.0.1", listener.address.port)
        with await accepted.get() as far:
            assert far.getpeername()[0] == "127.0.0.1"
        near.close()
