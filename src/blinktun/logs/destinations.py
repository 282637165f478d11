"""Where log lines go: each program's own way.

kcptun writes to standard error, or to the file of ``log`` instead; blinksocks writes to standard
output and, with ``log_path``, to a file of each day as well. Several roles in one process share
their destinations. A file that was moved or deleted, as by logrotate, is opened again by itself.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import sys
from typing import TYPE_CHECKING, TextIO

from blinktun.config.explain import Origin, shown
from blinktun.config.model import LOG_LEVELS, BlinksocksClient, BlinksocksServer
from blinktun.logs.lines import GoFormatter, NpmFormatter
from blinktun.logs.writer import QueuedHandler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from blinktun.config.model import RoleConfig
    from blinktun.errors import ConfigError

ROOT = "blinktun"
"""The logger above all of ours."""
_CONSOLE = "console"
"""The name of the handler for standard output or standard error."""


def set_up(configs: Sequence[RoleConfig]) -> None:
    """Send the log where the configurations say, in place of where it went before.

    Raises:
        ConfigError: a log file cannot be written.
    """
    handlers = list(_handlers(configs))
    logger = logging.getLogger(ROOT)
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(min((LOG_LEVELS[config.log.level] for config in configs), default=20))
    logger.propagate = False


def is_on_console() -> bool:
    """Whether log lines reach standard output or standard error, as far as is known here."""
    handlers = logging.getLogger(ROOT).handlers
    return not handlers or any(handler.name == _CONSOLE for handler in handlers)


def _handlers(configs: Sequence[RoleConfig]) -> Iterator[logging.Handler]:
    """One handler for each destination, however many roles share it; one of them the console."""
    npm = [c.log for c in configs if isinstance(c, BlinksocksClient | BlinksocksServer)]
    go = [c.log for c in configs if not isinstance(c, BlinksocksClient | BlinksocksServer)]
    if npm:
        yield _on_console(sys.stdout, NpmFormatter())
    elif not go or any(log.path is None for log in go):
        yield _on_console(sys.stderr, GoFormatter())
    for path in dict.fromkeys(log.path for log in go if log.path):
        yield QueuedHandler(_opened("log", path, _File(path)), GoFormatter())
    for path, days in {log.path: log.max_days for log in npm if log.path}.items():
        yield QueuedHandler(_opened("log_path", path, _DailyFile(path, days)), NpmFormatter())


def _on_console(stream: TextIO, formatter: logging.Formatter) -> logging.Handler:
    handler = QueuedHandler(_Console(stream), formatter)
    handler.set_name(_CONSOLE)
    return handler


def _opened(key: str, path: Path, file: _File) -> _File:
    try:
        file.open()
    except OSError as error:
        raise _cannot_write(key, path, error) from None
    return file


def _cannot_write(key: str, path: Path, error: OSError) -> ConfigError:
    origin = Origin("", key, shown(str(path)))
    fix = "name a file that can be written, or leave it out"
    return origin.error(f"cannot be written: {error.strerror or error}", fix=fix)


class _Console:
    """Standard output or standard error.

    Bytes go to the descriptor: the interpreter flushes its own buffers at the end of the process,
    and would wait there for a reader that has stopped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._descriptor: int | None = None
        with contextlib.suppress(OSError, ValueError):  # replaced by an object without descriptor
            self._descriptor = os.dup(stream.fileno())

    def write(self, data: bytes) -> None:
        if self._descriptor is None:
            self._stream.write(data.decode())
        else:
            _write_all(self._descriptor, data)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class _File:
    """A file that is appended to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._is_torn = False

    def open(self) -> None:
        """Open the file, which is made if need be.

        Raises:
            OSError: it cannot be.
        """
        # To open a FIFO without a reader would block; writing to it may, for a thread does that.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o666)  # less what the umask takes away
        os.set_blocking(descriptor, True)
        self.close()
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        if not self._is_current():
            # What was open goes on being written if there is no other.
            with contextlib.suppress(OSError):
                self.open()
        try:
            _write_all(self._descriptor, b"\n" + data if self._is_torn else data)
        except OSError:
            self._is_torn = True
            raise
        self._is_torn = False

    def close(self) -> None:
        self._descriptor, old = -1, self._descriptor
        if old >= 0:
            os.close(old)

    def _is_current(self) -> bool:
        """Whether the file that is open is the one that has the name."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False


class _DailyFile(_File):
    """A new file each local day, ``<stem>.<YYYY-MM-DD>``; deletes those too old.

    Args:
        stem: Path without the day; its directory is made.
        max_days: Age in days above which a file of this stem is deleted; None: never.
    """

    def __init__(self, stem: Path, max_days: int | None) -> None:
        self._stem = stem
        self._max_days = max_days
        self._day = dt.date.min
        super().__init__(stem)

    def open(self) -> None:
        self._day = _today()
        self._path = self._stem.with_name(f"{self._stem.name}.{self._day}")
        self._stem.parent.mkdir(parents=True, exist_ok=True)
        self._delete_old()
        super().open()

    def _is_current(self) -> bool:
        return self._day == _today() and super()._is_current()

    def _delete_old(self) -> None:
        if self._max_days is None:
            return
        oldest = self._day - dt.timedelta(days=self._max_days)
        prefix = f"{self._stem.name}."
        for path in self._stem.parent.iterdir():
            day = _day_of(path.name.removeprefix(prefix)) if path.name.startswith(prefix) else None
            if day is not None and day < oldest:
                with contextlib.suppress(OSError):  # it costs room, but not the new file
                    path.unlink()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _today() -> dt.date:
    return dt.datetime.now().astimezone().date()


def _day_of(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
