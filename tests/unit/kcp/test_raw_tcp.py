"""The kernel's part, with a core that only writes down what it is told."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, cast

import pytest
from tests.unit.kcp.support import SETTINGS, tcp_pair
from tests.unit.kcp.test_firewall import Tables
from tests.unit.waiting import until

from blinktun.errors import TransportError
from blinktun.kcp import raw_tcp
from blinktun.kcp.core_config import core_config
from blinktun.kcp.firewall import Fence, Rule
from blinktun.kcp.raw_tcp import Carrier, TcpPort, check_rights, dial_tcp

if TYPE_CHECKING:
    from blinktun._core import Config
    from blinktun.kcp.driver import Driver

CONFIG = core_config(SETTINGS)


class Core:
    """The core's side of what is tested here."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.admitted: list[tuple[str, str, int]] = []
        self.idle: list[tuple[str, int]] = []
        self.closed: list[int] = []

    @property
    def core(self) -> Core:
        return self

    def listen_tcp(self, _host: str, _port: int, _config: Config) -> int:
        if self.refuses:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return 7

    def dial_tcp(
        self, local: tuple[str, int], _host: str, _port: int, _config: Config
    ) -> tuple[int, int]:
        return self.listen_tcp(*local, _config), 1

    def admit(self, _endpoint: int, local: str, host: str, port: int) -> bool:
        self.admitted.append((local, host, port))
        return True

    def expire_peers(self, _endpoint: int, idle: float) -> list[tuple[str, int]]:
        assert idle == raw_tcp.IDLE
        return self.idle

    def close_endpoint(self, endpoint: int) -> None:
        self.closed.append(endpoint)


def driver(core: Core) -> Driver:
    return cast("Driver", core)


async def test_a_carrier_is_silent_and_throws_away() -> None:
    tables = Tables()
    app, ours = tcp_pair()
    carrier = Carrier(ours, Fence(Rule(4, 1), tables))
    assert ours.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 1
    for _ in range(100):  # 6.5 MB: more than the kernel keeps for one who does not read
        with app.dup() as sender:
            await asyncio.get_running_loop().sock_sendall(sender, bytes(65536))
    carrier.close()
    carrier.close()
    assert tables.standing == []
    assert ours.fileno() == -1
    app.close()


async def test_a_carrier_survives_the_end_of_its_connection() -> None:
    app, ours = tcp_pair()
    carrier = Carrier(ours)
    app.close()
    await asyncio.sleep(0.05)
    assert ours.fileno() >= 0
    carrier.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0"])
async def test_a_port_admits_whom_the_kernel_accepted(host: str) -> None:
    tables, core = Tables(), Core()
    port = TcpPort(driver(core), host, 0, CONFIG, tables)
    rule = Rule(6 if ":" in host else 4, port.port, "" if host == "0.0.0.0" else host)
    assert tables.standing == [[rule.tool, *rule.words]]
    peer = "::1" if ":" in host else "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((peer, port.port))
    port.listen()
    with socket.create_connection((peer, port.port)) as app:
        await until(lambda: port.connections == 1)
        assert core.admitted == [(peer, peer, app.getsockname()[1])]
        core.idle = [app.getsockname()[:2]]
        port._forget_idle()
        assert port.connections == 0
    port.close()
    port.close()
    assert tables.standing == []
    assert set(core.closed) == {7}


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_tcp, "MAX_CONNECTIONS", 1)
    core = Core()
    port = TcpPort(driver(core), "127.0.0.1", 0, CONFIG, Tables())
    port.listen()
    with (
        socket.create_connection(("127.0.0.1", port.port)),
        socket.create_connection(("127.0.0.1", port.port)) as second,
    ):
        second.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(second, 1) == b""
        assert port.connections == len(core.admitted) == 1
    port.close()


async def test_a_missing_right_leaves_nothing_behind() -> None:
    tables = Tables()
    with pytest.raises(TransportError, match=r"cannot listen on tcp .*CAP_NET_RAW is missing: run"):
        TcpPort(driver(Core(refuses=True)), "127.0.0.1", 0, CONFIG, tables)
    with pytest.raises(TransportError, match="CAP_NET_RAW is missing"):
        await dial_tcp(driver(Core(refuses=True)), "127.0.0.1", 9, CONFIG, tables)
    assert tables.asked == []


async def test_a_firewall_that_refuses_leaves_nothing_behind() -> None:
    tables, core = Tables(refusal="no such table"), Core()
    with pytest.raises(TransportError, match="iptables: no such table"):
        TcpPort(driver(core), "127.0.0.1", 0, CONFIG, tables)
    with pytest.raises(TransportError, match="iptables: no such table"):
        await dial_tcp(driver(core), "127.0.0.1", 9, CONFIG, tables)
    assert core.closed == [7, 7]


async def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(TransportError, match=f"tcp 127.0.0.1:{number}: Address already in"):
            TcpPort(driver(Core()), "127.0.0.1", number, CONFIG, Tables())


async def test_dialling_stands_behind_a_fence_of_its_own() -> None:
    tables, core = Tables(), Core()
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        key, carrier = await dial_tcp(driver(core), "127.0.0.1", number, CONFIG, tables)
        accepted, peer = server.accept()
    assert key == (7, 1)
    rule = Rule(4, peer[1], "127.0.0.1", ("127.0.0.1", number))
    assert tables.standing == [["iptables", *rule.words]]
    carrier.close()
    accepted.close()
    assert tables.standing == []


async def test_nobody_at_the_port_leaves_nothing_behind() -> None:
    tables, core = Tables(), Core()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        number = unused.getsockname()[1]
        with pytest.raises(TransportError, match=f"127.0.0.1:{number}: Connection refused"):
            await dial_tcp(driver(core), "127.0.0.1", number, CONFIG, tables)
    assert (tables.standing, core.closed) == ([], [7])


def test_rights_are_tried_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    class Raw:
        def __init__(self, *_: object) -> None:
            pass

        def close(self) -> None:
            pass

    monkeypatch.setattr("socket.socket", Raw)
    for host, tool in [("example.com", "iptables"), ("::1", "ip6tables")]:
        tables = Tables()
        check_rights(host, tables)
        assert (tables.asked, tables.standing) == (["-C", "-I", "-D"], []), tool


def test_a_lacking_right_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("socket.socket", refuse)
    with pytest.raises(TransportError, match="setcap cap_net_raw,cap_net_admin"):
        check_rights("127.0.0.1", Tables())
