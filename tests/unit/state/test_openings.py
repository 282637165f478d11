"""What is remembered of openings, whatever happens to the process and the disk."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

from tests.unit.state.remembering import HEAD, KEY, RECORD, Clock, add, file_in, reopened, tokens

from blinktun.state.openings import Openings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_token_is_new_once_and_not_after_a_restart(tmp_path: Path) -> None:
    openings = reopened(tmp_path)
    assert add(openings, 100) == 100
    assert add(openings, 100) == 0
    openings.close()
    again = reopened(tmp_path)
    assert add(again, 101) == 1
    assert file_in(tmp_path).stat().st_size == HEAD + 101 * RECORD


def test_off_means_memory_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    openings = Openings("off", "test", KEY)
    assert (add(openings, 10), add(openings, 10)) == (10, 0)
    assert not list(tmp_path.iterdir())


def test_only_its_user_can_read_and_nothing_tells_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    with_key = Openings(str(folder), "test", KEY)
    add(with_key, 3)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    elsewhere = tmp_path / "other"
    add(Openings(str(elsewhere), "test", KEY), 3)
    assert file_in(folder).name != file_in(elsewhere).name
    assert file_in(folder).read_bytes()[HEAD:] != file_in(elsewhere).read_bytes()[HEAD:]


def test_another_key_or_kind_of_server_has_a_file_of_its_own(tmp_path: Path) -> None:
    assert add(reopened(tmp_path), 5) == 5
    assert add(Openings(str(tmp_path), "test", b"other"), 5) == 5
    assert add(Openings(str(tmp_path), "another", KEY), 5) == 5
    assert len(list(tmp_path.glob("*.openings"))) == 3


def test_a_full_disk_is_one_warning_and_nothing_is_lost_once_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    openings = Openings(str(tmp_path), "test", KEY, clock=clock)
    add(openings, 10)
    with monkeypatch.context() as full:
        full.setattr(os, "write", _refusing(errno.ENOSPC))
        for start in range(10, 60, 10):
            clock.now += 10
            assert add(openings, 10, start) == 10
            assert add(openings, 10, start) == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text
    assert openings.lost == 50
    clock.now += 10
    with caplog.at_level(logging.INFO):
        add(openings, 1, start=60)
    assert "saved again" in caplog.text
    assert add(reopened(tmp_path), 61) == 0


def test_while_it_cannot_write_it_tries_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, tries = Clock(), []
    openings = Openings(str(tmp_path), "test", KEY, clock=clock)

    def refuse(descriptor: int, data: bytes) -> int:
        tries.append(len(data))
        raise OSError(errno.EROFS, "Read-only file system", descriptor)

    monkeypatch.setattr(os, "write", refuse)
    for token in tokens(1000):
        openings.is_new(token)
        clock.now += 0.002
    assert 1 <= len(tries) <= 3


def test_a_folder_that_cannot_be_made_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    openings = reopened(tmp_path / "file" / "state")
    assert (add(openings, 10), add(openings, 10)) == (10, 0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "statedir" in caplog.text


def _refusing(number: int) -> object:
    def refuse(descriptor: int, data: bytes) -> int:
        del data
        raise OSError(number, os.strerror(number), descriptor)

    return refuse
