"""A script that reads counters out of files cannot tell who wrote them: a Go program or ours."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import os
import re
import signal
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import kcptun_client, kcptun_server
from tests.interop.harness.traffic import direct

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun, Options
    from tests.interop.harness.processes import Program
    from tests.interop.harness.target import Target

SIZE = 1_000_000
PATTERN = "snmp-1-20060102-Jan-Mon-MST.csv"
BASIC: Options = {
    "crypt": "aes", "mode": "fast", "nocomp": True, "smuxver": 1, "snmpperiod": 1
}  # fmt: skip
"""The mode has parity, which is counted."""
PLACES_2021 = {
    "Unix": 0,
    "BytesSent": 1,
    "BytesReceived": 2,
    "InPkts": 10,
    "OutPkts": 11,
    "InSegs": 12,
    "OutSegs": 13,
    "InBytes": 14,
    "OutBytes": 15,
    "RepeatSegs": 20,
}
NAMES_2021 = {
    *("MaxConn", "ActiveOpens", "PassiveOpens", "CurrEstab", "InErrs", "InCsumErrors"),
    *("KCPInErrors", "RetransSegs", "FastRetransSegs", "EarlyRetransSegs", "LostSegs"),
    *("FECParityShards", "FECErrs", "FECRecovered", "FECShortShards"),
    *PLACES_2021,
}


def by_name(path: Path) -> list[dict[str, int]]:
    with path.open(newline="") as file:
        return [{name: int(value) for name, value in row.items()} for row in csv.DictReader(file)]


def by_place(path: Path) -> list[list[int]]:
    _header, *lines = path.read_text().splitlines()
    return [[int(value) for value in line.split(",")] for line in lines]


def options(folder: Path, name: str) -> Options:
    (folder / name).mkdir()
    return BASIC | {"snmplog": str(folder / name / PATTERN)}


async def written(folder: Path, after: float) -> Path:
    """The one file in ``folder``, once it has a line that is younger than ``after``."""
    async with asyncio.timeout(10):
        while True:
            files = list(folder.iterdir())
            if files and (rows := by_place(files[0])) and rows[-1][0] > after:
                (file,) = files
                return file
            await asyncio.sleep(0.05)


def now() -> float:
    return dt.datetime.now(dt.UTC).timestamp()


@pytest.mark.parametrize(
    ("near", "far"),
    [("ours", "theirs"), ("theirs", "ours"), ("ours", "modern"), ("modern", "ours")],
)
async def test_both_write_what_the_same_script_reads(
    near: Kcptun, far: Kcptun, target: Target, tmp_path: Path
) -> None:
    server = kcptun_server(far, tmp_path, target=target.port, options=options(tmp_path, "far"))
    client = kcptun_client(near, tmp_path, server=server.port, options=options(tmp_path, "near"))
    async with server, client:
        await traffic.echo(direct(client.port), SIZE)
        finished = now()
        files = [await written(tmp_path / end, finished) for end in ("near", "far")]
    (name,) = {file.name for file in files}
    assert re.fullmatch(r"snmp-\d+-\d{8}-[A-Z][a-z]{2}-[A-Z][a-z]{2}-\w+\.csv", name)
    ends = zip((near, far), files, ("ActiveOpens", "PassiveOpens"), strict=True)
    for impl, file, opened in ends:
        rows = by_name(file)
        assert set(rows[-1]) >= NAMES_2021 - ({"FECShortShards"} if impl == "modern" else set())
        check(rows[-1], opened)
        for row, places in zip(rows, by_place(file), strict=True):
            assert {name: places[place] for name, place in PLACES_2021.items()} == {
                name: row[name] for name in PLACES_2021
            }
        times = [row["Unix"] for row in rows]
        assert times == sorted(times)
    if "modern" in {near, far}:
        shorter, longer = sorted((list(by_name(file)[0]) for file in files), key=len)
        assert longer == [*shorter, "FECShortShards"]


def check(last: dict[str, int], opened: str) -> None:
    """What must hold at an end after one echo of `SIZE` bytes."""
    assert SIZE <= last["BytesSent"] < 2 * SIZE
    assert SIZE <= last["BytesReceived"] < 2 * SIZE
    assert last["InBytes"] >= SIZE
    assert last["OutBytes"] >= SIZE
    assert last["OutSegs"] >= SIZE // 1350
    assert last["InPkts"] >= SIZE // 1350
    assert last["FECParityShards"] > 0
    assert last[opened] == last["MaxConn"] == last["CurrEstab"] == 1
    assert last["InErrs"] == last["InCsumErrors"] == last["KCPInErrors"] == last["FECErrs"] == 0
    assert abs(last["Unix"] - now()) < 20


@pytest.mark.parametrize("first", ["theirs", "modern"])
async def test_a_file_that_go_began_goes_on_with_its_columns(
    first: Kcptun, target: Target, tmp_path: Path
) -> None:
    log = options(tmp_path, "far")
    server = kcptun_server(first, tmp_path, target=target.port, options=log)
    async with server:
        file = await written(tmp_path / "far", now())
    header = file.read_text().partition("\n")[0]
    server = kcptun_server("ours", tmp_path, target=target.port, options=log)
    client = kcptun_client("ours", tmp_path, server=server.port, options=BASIC)
    async with server, client:
        await traffic.echo(direct(client.port), SIZE)
        assert await written(tmp_path / "far", now()) == file
    assert file.read_text().count("Unix") == 1
    assert file.read_text().startswith(header)
    rows = by_name(file)
    assert SIZE <= rows[-1]["BytesSent"] < 2 * SIZE
    assert {len(places) for places in by_place(file)} == {len(header.split(","))}


async def test_the_workers_of_a_server_are_one_file(target: Target, tmp_path: Path) -> None:
    log = options(tmp_path, "far")
    server = kcptun_server("ours", tmp_path, target=target.port, options=log | {"workers": 2})
    client = kcptun_client("ours", tmp_path, server=server.port, options=BASIC | {"conn": 8})
    async with server, client:
        await asyncio.gather(*(traffic.echo(direct(client.port), SIZE // 8) for _ in range(8)))
        file = await written(tmp_path / "far", now())
    last = by_name(file)[-1]
    assert last["PassiveOpens"] == last["CurrEstab"] == 8
    assert SIZE <= last["BytesReceived"] < 2 * SIZE


@pytest.mark.parametrize("far", ["theirs", "modern"])
async def test_the_signal_says_the_same_of_both(
    far: Kcptun, target: Target, tmp_path: Path
) -> None:
    server = kcptun_server(far, tmp_path, target=target.port, options=BASIC)
    client = kcptun_client("ours", tmp_path, server=server.port, options=BASIC)
    async with server, client:
        await traffic.echo(direct(client.port), SIZE)
        theirs, ours = await said(server), await said(client)
    assert list(theirs)[:20] == list(ours)[:20]
    assert set(theirs) - {"FECShortShards"} <= set(ours)
    assert far == "theirs" or list(theirs) == list(ours)
    for counters in (theirs, ours):
        assert SIZE <= counters["BytesSent"] < 2 * SIZE
    assert "blinktun SNMP:&{" in client.log


async def said(program: Program) -> dict[str, int]:
    """What SIGUSR1 makes a program say, in Go's form."""
    os.kill(program.pid, signal.SIGUSR1)
    await program.wait_for_log("FECShortShards:" if "theirs" in program.name else "OOBPackets:")
    (text,) = re.findall(r"^\d{4}/.*KCP SNMP:&\{(.*)\}$", program.log, re.MULTILINE)
    return {name: int(value) for name, value in (pair.split(":") for pair in text.split(" "))}
