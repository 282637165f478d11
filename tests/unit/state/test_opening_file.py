"""The file of openings: torn, damaged, foreign, shared, replaced."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.unit.state.remembering import HEAD, KEY, RECORD, Clock, add, file_in, reopened

from blinktun._core import OPENINGS, OpeningMemory
from blinktun.state.opening_file import OpeningFile
from blinktun.state.openings import Openings

if TYPE_CHECKING:
    from pathlib import Path


def test_a_killed_process_has_saved_what_it_took(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from blinktun.state.openings import Openings\n"
        "openings = Openings(sys.argv[1], 'test', b'secret')\n"
        "for number in range(1000): openings.is_new(number.to_bytes(16, 'big'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert add(reopened(tmp_path), 1001) == 1


@pytest.mark.parametrize("cut", range(1, RECORD))
def test_a_torn_last_record_costs_itself_alone(tmp_path: Path, cut: int) -> None:
    add(reopened(tmp_path), 10)
    path = file_in(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    again = reopened(tmp_path)
    assert add(again, 9) == 0
    assert add(again, 1, start=9) == 1
    assert add(reopened(tmp_path), 10) == 0


def test_half_a_record_of_another_process_does_not_shift_the_next(tmp_path: Path) -> None:
    openings = reopened(tmp_path)
    add(openings, 5)
    with file_in(tmp_path).open("ab") as file:
        file.write(b"half")
    add(openings, 5, start=5)
    assert add(reopened(tmp_path), 10) == 0


def test_damaged_records_are_named_and_the_others_hold(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(reopened(tmp_path), 10)
    path = file_in(tmp_path)
    data = bytearray(path.read_bytes())
    data[HEAD + 3 * RECORD] ^= 1
    path.write_bytes(data + bytes(4 * RECORD))
    with caplog.at_level(logging.WARNING):
        again = reopened(tmp_path)
    assert "5 damaged records" in caplog.text
    assert add(again, 10) == 1
    caplog.clear()
    reopened(tmp_path)
    assert not caplog.records, "it was written again"


@pytest.mark.parametrize("content", [b"x", b"# a page of mine\n" * 10, bytes(100)])
def test_a_file_of_something_else_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    reopened(tmp_path)
    path = file_in(tmp_path)
    path.write_bytes(content)
    openings = reopened(tmp_path)
    assert (add(openings, 10), add(openings, 10)) == (10, 0)
    assert path.read_bytes() == content
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "file of something else" in caplog.text
    assert openings.lost == 10


@pytest.mark.parametrize("size", [0, 1, HEAD - 1])
def test_a_file_that_was_just_begun_is_begun_again(tmp_path: Path, size: int) -> None:
    reopened(tmp_path)
    os.truncate(file_in(tmp_path), size)
    add(reopened(tmp_path), 10)
    assert add(reopened(tmp_path), 10) == 0


def test_two_processes_share_what_they_know(tmp_path: Path) -> None:
    one, other = reopened(tmp_path), reopened(tmp_path)
    assert add(one, 50) == 50
    assert add(other, 100) == 50
    assert add(one, 100) == 0
    assert file_in(tmp_path).stat().st_size >= HEAD + 100 * RECORD


def test_of_many_processes_exactly_one_takes_each_opening(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from blinktun.state.openings import Openings\n"
        "openings = Openings(sys.argv[1], 'test', b'secret')\n"
        "print(sum(openings.is_new(n.to_bytes(16, 'big')) for n in range(3000)))\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(4)]
    taken = [int(process.communicate(timeout=120)[0]) for process in running]
    assert sum(taken) == 3000, taken
    assert add(reopened(tmp_path), 3000) == 0


def test_the_file_has_a_bound_and_others_follow_when_it_is_replaced(tmp_path: Path) -> None:
    one, other = reopened(tmp_path), reopened(tmp_path)
    add(other, 1)
    for number in range(2 * OPENINGS - 100):
        one.memory.insert(number + (1 << 40))
        if one.memory.unsaved >= 50_000:
            one.save()
    one.save()
    assert add(one, 200, start=1000) == 200
    largest = HEAD + 2 * OPENINGS * RECORD
    assert file_in(tmp_path).stat().st_size < largest
    assert add(other, 200, start=1000) == 0
    assert add(other, 1, start=5000) == 1
    assert add(one, 1, start=5000) == 0
    again = reopened(tmp_path)
    assert add(again, 200, start=1000) == 0
    assert len(again.memory) == OPENINGS


def test_what_others_wrote_into_a_new_file_outlives_the_next_replacement(tmp_path: Path) -> None:
    first, second = (OpeningFile(tmp_path / "shared", OpeningMemory()) for _ in range(2))
    first.open()
    second.open()
    first.rewrite()  # `second` still has the old file open
    first._memory.insert(1)
    first.append()
    second._memory.insert(2)
    second.rewrite()
    memory = OpeningMemory()
    OpeningFile(tmp_path / "shared", memory).open()
    assert 1 in memory
    assert 2 in memory


def test_a_file_that_was_removed_is_written_again(tmp_path: Path) -> None:
    openings = reopened(tmp_path)
    add(openings, 10)
    file_in(tmp_path).unlink()
    add(openings, 1, start=10)
    assert add(reopened(tmp_path), 11) == 0


def test_a_write_in_progress_is_not_taken_for_a_torn_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openings = reopened(tmp_path)
    add(openings, 10)
    locks = [0]
    lock, stat = fcntl.flock, os.fstat

    def note(descriptor: int, kind: int) -> None:
        lock(descriptor, kind)
        locks.append(kind)

    def halfway(descriptor: int) -> os.stat_result:
        """What is seen beside a write of another process, which an exclusive lock shuts out."""
        state = stat(descriptor)
        half = RECORD // 2 if locks[-1] & fcntl.LOCK_SH else 0
        return os.stat_result((*state[:6], state.st_size + half, *state[7:10]))

    monkeypatch.setattr(fcntl, "flock", note)
    monkeypatch.setattr(os, "fstat", halfway)
    assert add(openings, 1, start=10) == 1
    assert file_in(tmp_path).stat().st_size == HEAD + 11 * RECORD
    assert add(reopened(tmp_path), 11) == 0


def test_what_can_only_be_read_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(reopened(tmp_path), 10)
    real = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    assert add(reopened(tmp_path), 11) == 1


def test_a_process_that_stands_with_the_lock_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    openings = Openings(str(tmp_path), "test", KEY, clock=clock)
    with file_in(tmp_path).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert (add(openings, 10), add(openings, 10)) == (10, 0)
        clock.now += 2
        add(openings, 1, start=10)
        assert not caplog.records
    add(openings, 1, start=11)
    assert openings.lost == 0
    assert add(reopened(tmp_path), 12) == 0
