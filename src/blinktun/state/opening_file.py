"""The file of openings: records of 12 bytes behind a line of text, appended by all who share it.

Who appends holds a shared lock, who replaces the file an exclusive one, each for some microseconds;
nobody waits longer than 10 ms for it. An append goes to the end, so the order in the file is the
same to all: of two processes that see the same opening at once, the one whose record comes first
has it.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from blinktun._core import OPENING_RECORD, OPENINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blinktun._core import OpeningMemory

_HEAD = b"blinktun openings 1".ljust(2 * OPENING_RECORD - 1) + b"\n"
_MAX_SIZE = len(_HEAD) + 2 * OPENINGS * OPENING_RECORD
"""24 MiB; then the file is replaced by one with the latest half."""
_TRIES, _BETWEEN_TRIES = 50, 0.0002
"""A process that stands still with the lock costs others 10 ms; then they go on without it."""
_START_PATIENCE = 1.0
"""Seconds for which a start waits for a process that is replacing the file."""


class BusyError(Exception):
    """Another process holds the file."""


class OpeningFile:
    """The file behind a memory.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path, memory: OpeningMemory) -> None:
        self.path = path
        self._memory = memory
        self._descriptor = -1
        self._read_to = 0  # all before is in the memory
        self._pending = b""  # records that a busy file did not take

    def open(self) -> int:
        """Make the file if there is none, and load it.

        Returns:
            How many records are damaged, a last one that is cut off not counted.

        Raises:
            OSError: it cannot be made, read or written.
            ValueError: it is a file of something else.
        """
        deadline = time.monotonic() + _START_PATIENCE
        while True:
            try:
                return self._open_once()[1]
            except BusyError:
                if time.monotonic() > deadline:
                    raise TimeoutError("another process holds the file") from None
                time.sleep(0.01)

    @property
    def is_behind(self) -> bool:
        """Whether something has not been written."""
        return bool(self._pending or self._memory.unsaved)

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def append(self) -> frozenset[int]:
        """Write what the memory has not saved; returns what others had written before it.

        Raises:
            BusyError: another process is replacing the file; the next call writes it.
            OSError: it cannot be written.
            ValueError: it is a file of something else.
        """
        self._pending += self._memory.take_unsaved()
        others = b""
        while self._descriptor < 0 or os.fstat(self._descriptor).st_nlink == 0:
            others = self._reopen()
        if not self._put(fcntl.LOCK_SH) and not self._put(fcntl.LOCK_EX):
            return self.append()
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        records, self._pending = self._pending, b""
        others += self._read(end - len(records))
        self._read_to = end
        if end >= _MAX_SIZE:
            with suppress(BusyError):  # the next call tries again
                self.rewrite()
        return frozenset(_fingerprints(records)).intersection(_fingerprints(others))

    def drop(self) -> int:
        """Give up what has not been written; returns how many openings those are."""
        dropped = len(self._pending + self._memory.take_unsaved()) // OPENING_RECORD
        self._pending = b""
        return dropped

    def rewrite(self) -> None:
        """Replace the file by one that holds what the memory does.

        Raises:
            BusyError: another process holds the file; nothing has changed.
            OSError: the new file cannot be written.
        """
        self._pending += self._memory.take_unsaved()
        if self._descriptor < 0 or os.fstat(self._descriptor).st_nlink == 0:
            self._reopen()
        with self._lock(fcntl.LOCK_EX):
            if os.fstat(self._descriptor).st_nlink == 0:
                raise BusyError("another process has just replaced the file")
            self._replace()
        self._pending = b""

    def _put(self, lock: int) -> bool:
        """Append the pending records, unless the file is replaced or ends inside a record.

        Such an end is left by a killed process or a full disk, and filled up. With a shared lock it
        may also be another process's write, as a file grows within one: then nothing is written.
        """
        with self._lock(lock):
            state = os.fstat(self._descriptor)
            torn = -state.st_size % OPENING_RECORD
            if state.st_nlink == 0 or (torn and lock == fcntl.LOCK_SH):
                return False
            self._write(self._descriptor, bytes(torn) + self._pending)
            return True

    def _reopen(self) -> bytes:
        """Open what another process, or its owner, has put in the place of the file."""
        self.close()
        return self._open_once()[0]

    def _open_once(self) -> tuple[bytes, int]:
        """Open and load; returns the records, and how many of them are damaged."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        if self._descriptor < 0:
            self._descriptor = self._descriptor_of(flags)
        with self._lock(fcntl.LOCK_EX):
            if os.fstat(self._descriptor).st_nlink == 0:
                self.close()
                raise BusyError("another process has just replaced the file")
            head = os.pread(self._descriptor, len(_HEAD), 0)
            if not _HEAD.startswith(head):
                self.close()
                raise ValueError(f"{self.path.name} is a file of something else: remove it")
            self._read_to = len(_HEAD)
            size = os.fstat(self._descriptor).st_size
            whole = size - size % OPENING_RECORD
            records = self._bytes(whole)
            damaged = self._memory.load(records)[1]
            self._read_to = whole
            if len(head) < len(_HEAD) or size != whole or damaged or size >= _MAX_SIZE:
                self._replace()
            return records, damaged

    def _descriptor_of(self, flags: int) -> int:
        try:
            return os.open(self.path, flags, 0o600)
        except OSError:
            with suppress(OSError):  # what can only be read is still good to know
                known = self.path.read_bytes()
                if known.startswith(_HEAD):
                    self._memory.load(known[len(_HEAD) :])
            raise

    def _replace(self) -> None:
        """Write a new file, and put it in the place of the old one, whose lock is held."""
        self._read(os.fstat(self._descriptor).st_size)
        new = self.path.with_suffix(".new")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(new, flags, 0o600)
        try:
            self._write(descriptor, _HEAD + self._memory.take_all())
            new.replace(self.path)
        except BaseException:
            os.close(descriptor)
            raise
        old, self._descriptor = self._descriptor, descriptor
        self._read_to = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.close(old)

    def _read(self, end: int) -> bytes:
        """Take what others have written before ``end``."""
        records = self._bytes(end)
        if records:
            self._memory.load(records)
        self._read_to = max(end, self._read_to)
        return records

    def _bytes(self, end: int) -> bytes:
        if end <= self._read_to:
            return b""
        return os.pread(self._descriptor, end - self._read_to, self._read_to)

    @staticmethod
    def _write(descriptor: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    @contextmanager
    def _lock(self, kind: int) -> Iterator[None]:
        descriptor = self._descriptor
        for _ in range(_TRIES):
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_BETWEEN_TRIES)
        else:
            raise BusyError("another process holds the file")
        try:
            yield
        finally:
            if self._descriptor == descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_UN)


def _fingerprints(records: bytes) -> Iterator[int]:
    for start in range(0, len(records), OPENING_RECORD):
        yield int.from_bytes(records[start : start + 8], "little")
