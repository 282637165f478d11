"""Two ends of a KCP session in one process, without sockets, in virtual time.

One end asks, the other end answers with a megabyte, and the network between them loses one datagram
in ten. The program prints what both ends have counted::

    python examples/sans_io.py

The same seeds give the same figures on every run. docs/guide/library.md explains the calls.
"""

from __future__ import annotations

import heapq
import random
from itertools import count

from blinktun import KcpSettings, _core
from blinktun.kcp.core_config import core_config

SETTINGS = KcpSettings(key="both ends have it", crypt="aes-128-gcm", nodelay=1, interval=10)
DELAY = 0.025
"""Seconds that a datagram is under way."""
LOSS = 0.1
SHOWN = (
    "sent_packets", "received_packets", "sent_payload", "received_payload", "fast_retransmissions",
    "timeout_retransmissions", "repaired_packets", "min_rtt", "smux_version",
)  # fmt: skip


class Network:
    """Datagrams under way. They arrive in the order of their times."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._numbers = count()
        self._under_way: list[tuple[float, int, _core.Session, bytes]] = []

    def send(self, datagram: bytes, to: _core.Session, now: float) -> None:
        """Lose a datagram, or keep it until it arrives."""
        if self._chance.random() >= LOSS:
            heapq.heappush(self._under_way, (now + DELAY, next(self._numbers), to, datagram))

    def next_arrival(self) -> float | None:
        """The time at which `deliver` has something to do."""
        return self._under_way[0][0] if self._under_way else None

    def deliver(self, now: float) -> None:
        """Hand over what has arrived."""
        while self._under_way and self._under_way[0][0] <= now:
            _, _, to, datagram = heapq.heappop(self._under_way)
            to.receive_datagram(datagram, now)


class Answering:
    """The server's part: it reads the question to its end, then it writes the answer."""

    def __init__(self, session: _core.Session, answer: bytes) -> None:
        self._session = session
        self._unsent = answer

    def handle_events(self) -> None:
        """Handle what has happened."""
        while event := self._session.next_event():
            match event:
                case _core.StreamReadable(stream=stream):
                    self._session.read(stream, 65536)
                case _core.StreamFinished(stream=stream) | _core.StreamWritable(stream=stream):
                    # The question has ended, or there is room for more of the answer.
                    taken = self._session.write(stream, self._unsent)
                    self._unsent = self._unsent[taken:]
                    if not self._unsent:
                        self._session.finish(stream)


class Asking:
    """The client's part: it writes the question, then it reads the answer to its end."""

    def __init__(self, session: _core.Session, question: bytes) -> None:
        self._session = session
        self.answer = bytearray()
        self.is_over = False
        stream = session.open_stream()
        session.write(stream, question)
        session.finish(stream)

    def handle_events(self) -> None:
        """Handle what has happened."""
        while event := self._session.next_event():
            match event:
                case _core.StreamReadable(stream=stream):
                    self.answer += self._session.read(stream, 1 << 20)
                case _core.StreamFinished():
                    self.is_over = True
                case _core.StreamReset() | _core.SessionClosed():
                    raise SystemExit("the answer broke off")


def main() -> None:
    """Carry datagrams until the answer is there."""
    chance = random.Random(1)
    config = core_config(SETTINGS)
    # The seeds are known, so the key protects nothing here. On a real network, leave them out.
    client = _core.Session.client(config, chance.randbytes(32))
    server = _core.Session.server(config, chance.randbytes(32))
    answer = chance.randbytes(1 << 20)
    asking = Asking(client, b"a megabyte, please")
    answering = Answering(server, answer)
    network = Network(chance)
    now = 0.0

    while not asking.is_over:
        for sender, receiver in ((client, server), (server, client)):
            for datagram in sender.datagrams_to_send(now):
                network.send(datagram, receiver, now)
        asking.handle_events()
        answering.handle_events()
        times = (network.next_arrival(), client.next_timeout(), server.next_timeout())
        now = max(now, min(at for at in times if at is not None))
        network.deliver(now)
        client.handle_timeout(now)
        server.handle_timeout(now)

    if asking.answer != answer:
        raise SystemExit("the answer is not what was sent")
    print(f"{len(answer)} bytes arrived in {now:.3f} s of virtual time")
    print(f"{'':24} {'client':>10} {'server':>10}")
    for name in SHOWN:
        figures = (getattr(end.stats(), name) for end in (client, server))
        print(f"{name:24}", *(f"{figure:10}" for figure in figures))


if __name__ == "__main__":
    main()
