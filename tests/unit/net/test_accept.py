from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import descriptors, open_descriptors
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net import accept
from blinktun.net.accept import TcpListener, begin_dial, dial, reset

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Address("127.0.0.1", 0)


@contextmanager
def listening(
    address: Address = HERE,
) -> Iterator[tuple[TcpListener, asyncio.Queue[socket.socket]]]:
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    listener = TcpListener(address, accepted.put_nowait)
    try:
        yield listener, accepted
    finally:
        listener.close()
        while not accepted.empty():
            accepted.get_nowait().close()


@contextmanager
def closed_port() -> Iterator[Address]:
    """A port that nobody listens on, and nobody else takes."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield Address(*taken.getsockname())


@contextmanager
def deaf_port() -> Iterator[Address]:
    """A port whose queue is full: it neither accepts nor refuses."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        where = Address(*deaf.getsockname())
        waiting = [begin_dial(where) for _ in range(4)]
        try:
            yield where
        finally:
            for connection in waiting:
                connection.close()


async def _connect(host: str, port: int) -> socket.socket:
    return await dial(Address(host, port))


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
    plain = accept._listen

    def listen(address: Address) -> socket.socket:
        return OutOfDescriptors(fileno=plain(address).detach())

    monkeypatch.setattr(accept, "_listen", listen)
    with listening() as (listener, accepted):
        began = asyncio.get_running_loop().time()
        near = await _connect("127.0.0.1", listener.address.port)
        (await accepted.get()).close()
        near.close()
        assert asyncio.get_running_loop().time() - began >= 0.04
    assert caplog.messages == ["cannot accept: Too many open files"] * 2


async def test_a_listener_may_close_while_it_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "_PAUSE", 0.01)
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: reported.append(told))
    with listening() as (listener, _):
        listener._pause(OSError(errno.EMFILE, "Too many open files"))
    await asyncio.sleep(0.02)  # its timer would fail now
    assert not reported


async def test_a_refused_dial_is_named() -> None:
    with closed_port() as where:
        with pytest.raises(TransportError) as caught:
            await dial(where)
        assert caught.value.peer == str(where)
        assert "refused" in caught.value.reason.lower()


async def test_a_dial_without_an_answer_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "DIAL_TIMEOUT", 0.05)
    with deaf_port() as where, pytest.raises(TransportError, match=f"{where}: timed out"):
        await dial(where)


@pytest.mark.parametrize("host", ["nobody.invalid", "x" * 300])
async def test_a_name_that_does_not_resolve_is_named(host: str) -> None:
    with pytest.raises(TransportError) as caught:
        await dial(Address(host, 1))
    assert caught.value.peer == f"{host}:1"
    assert caught.value.reason


async def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as closed, listening() as (listener, accepted):

        async def candidates(_address: Address) -> list[tuple[int, tuple[str, int]]]:
            family = socket.AF_INET
            return [(family, (where.host, where.port)) for where in (closed, listener.address)]

        monkeypatch.setattr(accept, "_candidates", candidates)
        near = await dial(Address("many.example", 1))
        (await accepted.get()).close()
        near.close()


async def test_a_cancelled_dial_closes_its_socket() -> None:
    with deaf_port() as where:
        before = open_descriptors()
        dialling = asyncio.create_task(dial(where))
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
        await dial(where)
    with pytest.raises(TransportError, match=r"cannot listen on tcp .fe80::1%nowhere.:1: "):
        TcpListener(where, socket.socket.close)


async def test_reset_is_seen_as_a_reset() -> None:
    with listening() as (listener, accepted):
        near = await _connect("127.0.0.1", listener.address.port)
        reset(await accepted.get())
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(near, 1)
        near.close()
        reset(near)
