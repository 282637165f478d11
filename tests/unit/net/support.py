"""What tests of sockets need: listeners of several kinds, and a name server."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, cast

import dns.flags
import dns.message
import dns.rrset

from blinktun.address import Address
from blinktun.net.accept import TcpListener
from blinktun.net.dial import begin_dial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HERE = Address("127.0.0.1", 0)

RECORDS = {
    ("both.example.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("both.example.", "AAAA"): ["2001:db8::1"],
    ("four.example.", "A"): ["192.0.2.4"],
    ("here.example.", "A"): ["127.0.0.1"],
}


class NameServer(asyncio.DatagramProtocol):
    """A name server, whose zone ``silent`` is dead."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.records = dict(RECORDS)
        self.ttl = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), question.to_text().split()[-1]
        self.asked.append(f"{kind} {name}")
        if name.endswith("silent."):
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if records := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(name, self.ttl, "IN", kind, *records))
        elif name not in {known for known, _ in self.records}:
            answer.set_rcode(3)  # type: ignore[arg-type]  # NXDOMAIN
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def name_server() -> AsyncIterator[tuple[NameServer, int]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    try:
        yield server, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


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
