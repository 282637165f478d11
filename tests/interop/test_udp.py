"""Datagrams through our blinksocks, Node's and shadowsocks-libev, and a name server behind them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
import pytest
from tests.interop.harness import peers
from tests.interop.harness.boxes import Blinksocks, Link, Presets, bs_pair
from tests.interop.harness.together import all_of

from blinktun.address import Address
from blinktun.net.udp import UdpSocket
from blinktun.testing.loopback import Datagrams, answering

if TYPE_CHECKING:
    from pathlib import Path

BASE = {"name": "ss-base"}
STREAMS = ["aes-256-ctr", "aes-128-cfb", "camellia-192-cfb", "rc4-md5", "chacha20-ietf"]
AEADS = ["aes-128-gcm", "aes-256-gcm", "chacha20-ietf-poly1305", "xchacha20-ietf-poly1305"]


def _lists() -> list[Presets]:
    streams: list[Presets] = [
        [BASE, {"name": "ss-stream-cipher", "params": {"method": method}}] for method in STREAMS
    ]
    return streams + [
        [BASE, {"name": "ss-aead-cipher", "params": {"method": method}}] for method in AEADS
    ]


SSR: list[Presets] = [
    [BASE, {"name": name}, {"name": "ss-stream-cipher", "params": {"method": method}}]
    for name in (
        *("ssr-auth-aes128-md5", "ssr-auth-aes128-sha1"),
        *("ssr-auth-chain-a", "ssr-auth-chain-b"),
    )
    for method in ("none", "aes-128-ctr")
]
"""What libev has not."""

_TRIES = 5
"""How often to ask: datagrams may be lost, also on loopback."""

PAIRS: list[tuple[Blinksocks, Blinksocks]] = [
    ("ours", "ours"),
    ("ours", "3.3.0"),
    ("3.3.0", "ours"),
    ("ours", "libev"),
    ("libev", "ours"),
]


@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_datagrams_and_their_answers(
    client: Blinksocks, server: Blinksocks, tmp_path: Path
) -> None:
    async def check(presets: Presets) -> None:
        async with (
            bs_pair(client, server, tmp_path, Link(presets)) as near,
            answering(bytes.upper) as target,
        ):
            app = await _associate(near.port)
            # libev relays no empty datagrams.
            sizes = (1, 100, 1300) if "libev" in {client, server} else (0, 1, 100, 1300)
            for size in sizes:
                for _ in range(_TRIES):
                    answered = await _is_answered(app, target, b"x" * size)
                    if server == "3.3.0":  # which relays but the first datagram of each source
                        app.close()
                        app = await _associate(near.port)
                    if answered:
                        break
                assert answered, f"no answer to {size} bytes"
            app.close()

    await all_of(check, _lists() if "libev" in {client, server} else _lists() + SSR)


@pytest.mark.parametrize("transport", ["tcp", "kcp"])
async def test_dig_asks_a_name_server(transport: str, tmp_path: Path) -> None:
    def answer(data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        name = query.question[0].name
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.53"))
        return response.to_wire()

    async with (
        bs_pair("ours", "ours", tmp_path, Link(_lists()[-1], transport=transport)) as near,
        answering(answer) as target,
    ):
        app = await _associate(near.port)
        entry = _forward(app, target)
        dig = await asyncio.create_subprocess_exec(
            peers.system("dig"),
            *("@127.0.0.1", "-p", str(entry.address.port), "+short", "+tries=1", "example.com"),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(dig.communicate(), 30)
        assert output.strip() == b"192.0.2.53"
        entry.close()
        app.close()


async def _associate(proxy: int) -> Datagrams:
    return await Datagrams.associate(Address("127.0.0.1", proxy))


async def _is_answered(app: Datagrams, target: Address, payload: bytes) -> bool:
    app.send(target, payload)
    try:
        source, answer = await app.receive(within=3)
    except TimeoutError:
        return False
    assert source.port == target.port
    assert answer == payload.upper()
    return True


def _forward(app: Datagrams, target: Address) -> UdpSocket:
    """A port from which every datagram goes to the target, for programs that know no SOCKS."""

    async def carry(data: bytes, back: Address) -> None:
        app.send(target, data)
        _, answer = await app.receive()
        entry.send(answer, back)

    tasks: set[asyncio.Task[None]] = set()

    def receive(data: bytes, source: Address) -> None:
        tasks.add(asyncio.get_running_loop().create_task(carry(data, source)))

    entry = UdpSocket.listen(Address("127.0.0.1", 0), receive)[0]
    return entry
