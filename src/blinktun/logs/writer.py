"""Lines on their way to a console or file: queued here, written by a thread.

A write blocks while the reader of a pipe has stopped or a disk is busy, and fails while a disk is
full. Neither may hold up the event loop, so each destination has a thread of its own. The queue is
bounded: what does not fit is dropped and counted, and a line says so as soon as the
destination takes lines again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import weakref
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_QUEUED = 1 << 20
"""Characters that wait for one destination."""
_SPAN, _EAGER = 1.0, 50
"""The first 50 writes of a second are made at once. After that lines are gathered, because waking
the thread costs more than a line."""
_GATHERING = 0.02
"""Seconds for which lines are gathered then."""
_LAST_WORDS = 1.0
"""Seconds that the queue gets to empty at the end of the process."""


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> None:
        """Write all of them.

        Raises:
            OSError: they were not written, or only a part of them.
        """

    def close(self) -> None:
        """Write no more."""


class LineWriter:
    """Writes lines in their order; ``offer`` never waits.

    Args:
        sink: Where they go.
        report: Turns the number of dropped lines and a reason into a line.
    """

    def __init__(self, sink: Sink, report: Callable[[int, str], str]) -> None:
        self._sink = sink
        self._report = report
        self.dropped = 0
        """Lines that were lost, since the start of the process."""
        self._unreported = 0
        self._reason = ""
        self.reset()
        _writers.add(self)

    def reset(self) -> None:
        """Queue nothing and have no thread: at first, and in a forked process."""
        self._changed = threading.Condition(threading.Lock())
        self._lines: list[str] = []
        self._size = 0
        self._is_writing = False
        self._hurries = False
        self._ends = False
        self._thread: threading.Thread | None = None

    def offer(self, line: str) -> None:
        """Queue a line, or drop it if the queue is full."""
        with self._changed:
            if self._size + len(line) > MAX_QUEUED:
                self._drop(1, "the lines could not be written as fast as they came")
                return
            self._lines.append(line)
            self._size += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            elif not self._is_writing:
                self._changed.notify()

    def flush(self, seconds: float = _LAST_WORDS) -> None:
        """Wait until everything is written, for a bounded time."""
        until = time.monotonic() + seconds
        with self._changed:
            self._hurries = bool(self._lines) or self._is_writing
            self._changed.notify_all()
            while (self._lines or self._is_writing) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def pause(self) -> None:
        """End the thread, after it has written what is queued; the next line starts another one."""
        thread = self._thread
        if thread is None:
            return
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        thread.join(_LAST_WORDS)
        with self._changed:
            self._ends = False

    def close(self) -> None:
        """Write what is queued, within a bounded time, and close the sink unless it is stuck."""
        self.flush()
        self.pause()
        if self._thread is None:
            self._sink.close()

    def _drop(self, count: int, reason: str) -> None:
        self.dropped += count
        self._unreported += count
        self._reason = reason

    def _run(self) -> None:
        # Signals are for the main thread, which may block them and wait for one.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        began, writes = time.monotonic(), 0
        while True:
            with self._changed:
                if not self._lines:
                    self._is_writing = self._hurries = False
                    self._changed.notify_all()
                while not self._lines:
                    if self._ends:
                        self._thread = None  # a line that comes from now on starts another one
                        return
                    self._changed.wait()
                lines, self._lines = self._lines, []
                self._size = 0
                self._is_writing = True
            self._write(lines)
            writes += 1
            if time.monotonic() - began > _SPAN:
                began, writes = time.monotonic(), 0
            elif writes > _EAGER:
                with self._changed:
                    self._changed.wait_for(lambda: self._hurries or self._ends, _GATHERING)

    def _write(self, lines: list[str]) -> None:
        with self._changed:
            lost, reason = self._unreported, self._reason
            self._unreported = 0
        if lost:
            lines.insert(0, self._report(lost, reason))
        try:
            self._sink.write("".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            with self._changed:
                self._drop(len(lines) - bool(lost), error.strerror or str(error))
                self._unreported += lost


class QueuedHandler(logging.Handler):
    """Formats records and leaves the rest to a writer."""

    def __init__(self, sink: Sink, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.writer = LineWriter(sink, self._report)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        self.writer.offer(line)

    def flush(self) -> None:
        """Wait until everything is written, for a bounded time."""
        self.writer.flush()

    def close(self) -> None:
        """Write what is queued, and let go of the destination."""
        self.writer.close()
        super().close()

    def _report(self, lost: int, reason: str) -> str:
        text = f"{lost} log lines were dropped: {reason}"
        return self.format(logging.LogRecord("blinktun", logging.WARNING, "", 0, text, None, None))


_writers: weakref.WeakSet[LineWriter] = weakref.WeakSet()


def _before_fork() -> None:
    """A thread does not survive in a forked process, and may hold a lock at that moment."""
    for writer in list(_writers):
        writer.pause()


def _after_fork() -> None:
    for writer in list(_writers):
        writer.reset()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
