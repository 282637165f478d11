from __future__ import annotations

import asyncio
import json
import logging
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness.ports import free_port
from tests.unit.waiting import until

from blinktun import app
from blinktun.address import Address
from blinktun.app import reporting as module
from blinktun.app.reporting import Reporting, log_counters, snmp_logs
from blinktun.config.model import (
    BlinksocksServer,
    KcptunClient,
    KcptunServer,
    PortRange,
    PresetSpec,
    ReportSettings,
    ServerLink,
)
from blinktun.errors import TransportError
from blinktun.kcp import Driver

if TYPE_CHECKING:
    from pathlib import Path

    from blinktun.config.model import RoleConfig

HERE = Address("127.0.0.1", 0)
UDP = PortRange("127.0.0.1", 0, 0)
BLINKSOCKS = BlinksocksServer(ServerLink("tcp", HERE, "key", (PresetSpec("ss-base"),)))


def client(**reports: object) -> KcptunClient:
    return KcptunClient(HERE, UDP, reports=ReportSettings(**reports))  # type: ignore[arg-type]


def test_a_file_is_written_once_and_not_without_a_period() -> None:
    configs: list[RoleConfig] = [
        BLINKSOCKS,
        client(snmplog="a", snmpperiod=5),
        client(snmplog="a", snmpperiod=9),
        client(snmplog="b", snmpperiod=0),
        KcptunServer(UDP, HERE, reports=ReportSettings(snmplog="c")),
        client(),
    ]
    assert snmp_logs(configs) == {"a": 5, "c": 60}


def test_the_signal_leaves_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_counters({"bytes_sent": 572, "moves": 1})
    go, own = caplog.messages
    assert go.startswith("KCP SNMP:&{BytesSent:572 BytesReceived:0 ")
    assert own == "blinktun SNMP:&{Moves:1}"


async def test_the_endpoint_shows_the_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(module, "PPROF_PORT", port)
    config = client(pprof=True)
    role = app.make_role(config)
    reporting = Reporting([config, config], [role])
    await reporting.start()
    await role.start()
    values = json.loads(await asyncio.to_thread(fetch, port, "/debug/vars"))
    await role.stop()
    await reporting.stop()
    (shown,) = values["roles"]
    assert shown["listens"][0].startswith("127.0.0.1:")
    assert (shown["bytes_up"], shown["bytes_down"]) == (0, 0)
    assert (values["sessions"], values["relays"]) == (0, 0)
    assert "BytesSent" in values["snmp"]
    assert "Replays" in values["own"]
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(fetch, port, "/")


async def test_without_the_option_there_is_no_endpoint() -> None:
    reporting = Reporting([BLINKSOCKS, client()], [])
    await reporting.start()
    assert reporting._pprof is None
    await reporting.stop()


async def test_a_port_that_is_taken_keeps_the_process_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(module, "PPROF_PORT", port)
    with pytest.raises(TransportError, match=f"cannot listen on tcp 127.0.0.1:{port}"):
        await Reporting([client(pprof=True)], []).start()
    server.close()


async def test_the_file_is_written_while_the_roles_run(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    config = replace(client(), reports=ReportSettings(snmplog=str(path), snmpperiod=1))
    reporting = Reporting([config], [])
    await reporting.start()
    await until(path.exists)
    await reporting.stop()
    assert path.read_text().startswith("Unix,BytesSent,")


def fetch(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


class Sessions(dict[int, None]):
    """Counts how often it is asked whether there are any."""

    looks = 0

    def __bool__(self) -> bool:
        self.looks += 1
        return len(self) > 0


@pytest.mark.parametrize("sessions", [Sessions(), Sessions({1: None})])
async def test_a_log_of_level_debug_has_the_counters_now_and_then(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(module, "_FIGURES_EVERY", 0.01)
    monkeypatch.setattr(Driver.current(), "sessions", sessions)
    reporting = Reporting([BLINKSOCKS], [])
    await reporting.start()
    await until(lambda: sessions.looks > 2)
    await reporting.stop()
    assert ("KCP SNMP" in caplog.text) == (len(sessions) > 0)


async def test_a_log_of_level_info_has_no_counters(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reporting = Reporting([BLINKSOCKS], [])
    await reporting.start()
    assert not reporting._tasks
    await reporting.stop()
