"""Log lines look and go as those of the program that is replaced."""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from blinktun import logs
from blinktun.address import Address
from blinktun.config import BlinksocksServer, KcptunServer
from blinktun.config.model import LogSettings, PortRange, ServerLink
from blinktun.errors import ConfigError
from blinktun.logs import destinations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blinktun.config import RoleConfig


class _Logger:
    """The logger of a room; a test sees a line as soon as it was logged."""

    def log(self, level: int, text: str) -> None:
        logging.getLogger("blinktun.tunnel.test").log(level, text)
        for handler in logging.getLogger(logs.ROOT).handlers:
            handler.flush()

    def __getattr__(self, name: str) -> Callable[[str], None]:
        return partial(self.log, logging.getLevelNamesMapping()[name.upper()])


LOG = _Logger()
GO = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d hello\n"
NPM = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z - info: hello\n"


def go(path: Path | None = None, level: str = "info") -> RoleConfig:
    log = LogSettings(path=path, level=level)
    return KcptunServer(PortRange("", 1, 1), Address("h", 2), log=log)


def npm(path: Path | None = None, level: str = "info", max_days: int | None = None) -> RoleConfig:
    log = LogSettings(path=path, level=level, max_days=max_days)
    return BlinksocksServer(ServerLink("tcp", Address("h", 1), "k"), log=log)


def test_kcptun_writes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up([go()])
    LOG.info("hello")
    LOG.debug("not shown")
    captured = capsys.readouterr()
    assert re.fullmatch(GO, captured.err)
    assert captured.out == ""


def test_kcptun_appends_to_its_file_instead(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "k.log"
    path.write_text("before\n")
    logs.set_up([go(path), go(path)])
    LOG.info("hello")
    assert re.fullmatch("before\n" + GO, path.read_text())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o666), (0o027, 0o640)])
def test_the_umask_decides_who_reads_the_file_of_kcptun(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        logs.set_up([go(tmp_path / "k.log")])
    finally:
        os.umask(before)
    assert (tmp_path / "k.log").stat().st_mode & 0o777 == mode


def test_go_times_are_local(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.set_up([go(), go()])
    moment = dt.datetime(2026, 11, 22, 21, 39, 39).astimezone().timestamp()
    monkeypatch.setattr("time.time", lambda: moment)
    monkeypatch.setattr("time.time_ns", lambda: int(moment) * 10**9, raising=False)
    LOG.info("text")
    assert capsys.readouterr().err == "2026/11/22 21:39:39 text\n"


def test_go_lines_mark_what_deserves_a_look(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up([go()])
    LOG.info("plain")
    LOG.warning("look")
    LOG.error("broken")
    texts = [line.split(" ", 2)[2] for line in capsys.readouterr().err.splitlines()]
    assert texts == ["plain", "warning: look", "error: broken"]


def test_blinksocks_writes_to_standard_output_and_the_file_of_the_day(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    logs.set_up([npm(tmp_path / "deep" / "bs.log")])
    LOG.info("hello")
    captured = capsys.readouterr()
    assert re.fullmatch(NPM, captured.out)
    assert captured.err == ""
    (file,) = (tmp_path / "deep").iterdir()
    assert re.fullmatch(r"bs\.log\.\d{4}-\d\d-\d\d", file.name)
    assert re.fullmatch(NPM, file.read_text())


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (50, "error"),
        (40, "error"),
        (30, "warn"),
        (20, "info"),
        (15, "verbose"),
        (10, "debug"),
        (5, "silly"),
    ],
)
def test_blinksocks_names_its_levels(
    number: int, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up([npm(level="silly")])
    LOG.log(number, "text")
    assert f" - {name}: text\n" in capsys.readouterr().out


def test_levels_hide_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up([npm(level="warn")])
    LOG.info("hidden")
    LOG.warning("shown")
    assert capsys.readouterr().out.count("\n") == 1


def test_each_day_has_its_file_and_old_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = dt.date(2026, 1, 30)
    monkeypatch.setattr(destinations, "_today", lambda: day)
    for name in ("bs.log.2026-01-28", "bs.log.2026-01-29", "bs.log.x", "other.2020-01-01"):
        (tmp_path / name).write_text("")
    logs.set_up([npm(tmp_path / "bs.log", max_days=2)])
    LOG.info("one")
    assert (tmp_path / "bs.log.2026-01-28").exists()
    day = dt.date(2026, 1, 31)
    LOG.info("two")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "bs.log.2026-01-29",
        "bs.log.2026-01-30",
        "bs.log.2026-01-31",
        "bs.log.x",
        "other.2020-01-01",
    }
    assert "two" in (tmp_path / "bs.log.2026-01-31").read_text()
    assert "two" not in (tmp_path / "bs.log.2026-01-30").read_text()


def test_an_old_file_that_stays_does_not_stop_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = dt.date(2026, 1, 30)
    monkeypatch.setattr(destinations, "_today", lambda: day)
    (tmp_path / "bs.log.2020-01-01").mkdir()  # cannot be deleted as a file
    logs.set_up([npm(tmp_path / "bs.log", max_days=2)])
    day = dt.date(2026, 1, 31)
    LOG.info("two")
    assert "two" in (tmp_path / "bs.log.2026-01-31").read_text()


def test_roles_of_both_programs_share_one_console(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    logs.set_up([go(), npm(), go(tmp_path / "k.log")])
    LOG.info("hello")
    captured = capsys.readouterr()
    assert re.fullmatch(NPM, captured.out)
    assert captured.err == ""
    assert re.fullmatch(GO, (tmp_path / "k.log").read_text())


def test_setting_up_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up([npm()])
    logs.set_up([go()])
    LOG.info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(GO, captured.err)


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for config in (go(tmp_path), npm(tmp_path / "file" / "bs.log")):
        with pytest.raises(ConfigError, match="cannot be written"):
            logs.set_up([config])


def test_a_file_that_logrotate_moved_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "k.log"
    logs.set_up([go(path)])
    LOG.info("one")
    path.rename(tmp_path / "k.log.1")
    LOG.info("two")
    path.unlink()
    LOG.info("three")
    assert "one" in (tmp_path / "k.log.1").read_text()
    assert "two" not in (tmp_path / "k.log.1").read_text()
    assert path.read_text().endswith(" three\n")


def test_a_folder_that_is_gone_costs_lines_in_the_end_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    logs.set_up([go(folder / "k.log")])
    LOG.info("one")
    (folder / "k.log").unlink()
    folder.rmdir()
    LOG.info("two")  # goes to the file without a name
    folder.mkdir()
    LOG.info("three")
    assert (folder / "k.log").read_text().endswith(" three\n")


def test_a_fifo_without_a_reader_does_not_hold_up_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="cannot be written"):
        logs.set_up([go(tmp_path / "fifo")])
