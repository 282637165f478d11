"""UDP through the kcptun roles: a name server, a web page over QUIC, and Go programs beside it."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import dns.message
import dns.rrset
import pytest
from tests.interop.harness import peers, traffic
from tests.interop.harness.boxes import kcptun_client, kcptun_pair, kcptun_server
from tests.interop.harness.quic import load_page, page_server
from tests.interop.harness.target import Target

from blinktun.address import Address
from blinktun.net.udp import UdpSocket
from blinktun.testing.loopback import answering

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun, Options

UDP: Options = {"crypt": "aes-128-gcm", "udp": True}
OTHERS: list[Kcptun] = ["theirs", "modern"]


async def dig(port: int) -> bytes:
    """What dig gets from a name server at this port."""
    process = await asyncio.create_subprocess_exec(
        peers.system("dig"),
        *("@127.0.0.1", "-p", str(port), "+short", "+tries=3", "+time=2", "example.com"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return output.strip()


async def test_dig_asks_a_name_server(tmp_path: Path) -> None:
    def answer(data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        name = query.question[0].name
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.53"))
        return response.to_wire()

    async with (
        answering(answer) as target,
        kcptun_pair("ours", "ours", target.port, tmp_path, UDP) as near,
    ):
        assert await asyncio.gather(*(dig(near.port) for _ in range(5))) == [b"192.0.2.53"] * 5


@pytest.mark.parametrize("options", [UDP, UDP | {"udpclass": "protected"}])
async def test_a_page_over_quic(options: Options, tmp_path: Path) -> None:
    page = random.Random(3).randbytes(1_000_000)
    async with page_server(tmp_path, page) as target:
        far_options = {name: value for name, value in options.items() if name != "udpclass"}
        far = kcptun_server("ours", tmp_path, target=target, options=far_options)
        near = kcptun_client("ours", tmp_path, server=far.port, options=options)
        async with far, near:
            assert await load_page(near.port) == page


@pytest.mark.parametrize("other", OTHERS)
async def test_a_server_of_go_gets_tcp_and_nothing_else(other: Kcptun, tmp_path: Path) -> None:
    options: Options = {"crypt": "aes", "smuxver": 2}
    async with Target() as target:
        far = kcptun_server(other, tmp_path, target=target.port, options=options)
        near = kcptun_client("ours", tmp_path, server=far.port, options=options | {"udp": True})
        async with far, near:
            application = UdpSocket.unbound("127.0.0.1", lambda _data, _source: None)
            application.send(b"nobody takes this", Address("127.0.0.1", near.port))
            await traffic.echo(traffic.direct(near.port), 1_000_000)
            await near.wait_for_log("takes no datagrams: it needs blinktun's kcptun-server", 15)
            await traffic.echo(traffic.direct(near.port), 1_000_000)
            application.close()


@pytest.mark.parametrize("other", OTHERS)
async def test_a_client_of_go_does_not_notice_a_server_with_udp(
    other: Kcptun, tmp_path: Path
) -> None:
    options: Options = {"crypt": "aes", "smuxver": 2}
    async with Target() as target:
        far = kcptun_server("ours", tmp_path, target=target.port, options=options | {"udp": True})
        near = kcptun_client(other, tmp_path, server=far.port, options=options)
        async with far, near:
            await traffic.echo(traffic.direct(near.port), 1_000_000)
