from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import time
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.reports.counters import COLUMNS
from blinktun.reports.snmp_log import SnmpLog, Ticks, keep_snmp_log

if TYPE_CHECKING:
    from pathlib import Path

HEADER = ",".join(COLUMNS)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_new_and_an_empty_file_get_the_header(tmp_path: Path) -> None:
    for path in (tmp_path / "new", tmp_path / "old"):
        (tmp_path / "old").touch()
        log = SnmpLog(str(path))
        log.append({"bytes_sent": 5})
        log.append({"bytes_sent": 6})
        header, first, second = lines(path)
        assert header == HEADER
        assert [line.split(",")[1] for line in (first, second)] == ["5", "6"]
        now = time.time()
        assert 0 <= now - int(first.split(",")[0]) < 5


def test_a_file_that_another_build_began_keeps_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("Unix,BytesReceived,BytesSent,FECShortShards\n1,2,3,4\n")
    SnmpLog(str(path)).append({"bytes_sent": 5, "bytes_received": 6})
    assert lines(path)[-1].split(",")[1:] == ["6", "5", "0"]


@pytest.mark.parametrize("content", ["not a header\n", "Unix without an end", "\n", "\x00\xff\n"])
def test_a_file_without_header_gets_all_columns(content: str, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content.encode("latin-1"))
    SnmpLog(str(path)).append({})
    added = path.read_bytes().removeprefix(content.encode("latin-1")).decode()
    assert len(added.split(",")) == len(COLUMNS)


def test_the_name_is_a_pattern_and_the_directory_is_not() -> None:
    moment = dt.datetime(2024, 7, 5, 9, 3, 8, tzinfo=dt.UTC)
    assert SnmpLog("2006/01/s-20060102.csv").file_at(moment) == "2006/01/s-20240705.csv"
    assert SnmpLog("a-1.csv").file_at(moment) == "a-7.csv"
    assert SnmpLog("./../x//a-1").file_at(moment) == "./../x/a-7"


def test_the_mode_is_what_the_umask_leaves_of_0666(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        SnmpLog(str(tmp_path / "s")).append({})
    finally:
        os.umask(before)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o640


def test_a_failure_is_said_once_until_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    log = SnmpLog(str(folder / "s"))
    for _ in range(3):
        log.append({})
    (message,) = caplog.messages
    assert message == f"snmplog {folder / 's'}: No such file or directory; tried again each period"
    folder.mkdir()
    log.append({})
    assert len(lines(folder / "s")) == 2
    (folder / "s").unlink()
    folder.rmdir()
    log.append({})
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("path", ["a\0b", "/", "", "x" * 300])
def test_no_path_raises(path: str, caplog: pytest.LogCaptureFixture) -> None:
    SnmpLog(path).append({})
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_pipe_that_nobody_reads_holds_up_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    SnmpLog(str(tmp_path / "pipe")).append({})


async def test_lines_come_until_cancelled(tmp_path: Path) -> None:
    values = iter(range(100))
    log = SnmpLog(str(tmp_path / "s"))
    began = time.monotonic()
    task = asyncio.create_task(keep_snmp_log(log, 1, lambda: {"bytes_sent": next(values)}))
    await until((tmp_path / "s").exists)
    assert time.monotonic() - began >= 0.99  # timers may be early by their resolution
    await until(lambda: len(lines(tmp_path / "s")) >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [line.split(",")[1] for line in lines(tmp_path / "s")[1:3]] == ["0", "1"]


def test_ticks_keep_to_their_grid_and_leave_out_what_was_missed() -> None:
    ticks = Ticks(10, now=100.0)
    assert ticks.wait(100.0) == 10
    assert ticks.wait(109.5) == 10.5  # woken too early: no second line for the same moment
    assert ticks.wait(120.2) == pytest.approx(9.8)
    assert ticks.wait(165.0) == 5
