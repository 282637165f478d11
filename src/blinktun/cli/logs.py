"""Where log lines go and what they look like: each program's own way.

kcptun writes as Go's logger does, ``2026/11/22 21:39:39 text`` in local time, to standard error or
to the file of ``log`` instead; as that form has no level, what deserves a look begins with
``warning:`` or ``error:``. blinksocks writes ``2026-01-01T00:00:00.000Z - info: text`` to
standard output and, with ``log_path``, to a file of each day as well. Several roles in one process
share their destinations.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import sys
from typing import TYPE_CHECKING, TextIO

from blinktun.config.explain import Origin, shown
from blinktun.config.model import LOG_LEVELS, BlinksocksClient, BlinksocksServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from blinktun.config.model import RoleConfig
    from blinktun.errors import ConfigError

ROOT = "blinktun"
"""The logger above all of ours."""


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


def _handlers(configs: Sequence[RoleConfig]) -> Iterator[logging.Handler]:
    """One handler for each destination, however many roles share it; one of them the console."""
    npm = [c.log for c in configs if isinstance(c, BlinksocksClient | BlinksocksServer)]
    go = [c.log for c in configs if not isinstance(c, BlinksocksClient | BlinksocksServer)]
    if npm:
        yield _formatted(logging.StreamHandler(sys.stdout), _NpmFormatter())
    elif not go or any(log.path is None for log in go):
        yield _formatted(logging.StreamHandler(sys.stderr), _GoFormatter())
    for path in dict.fromkeys(log.path for log in go if log.path):
        yield _formatted(_file_handler(path), _GoFormatter())
    for path, days in {log.path: log.max_days for log in npm if log.path}.items():
        yield _formatted(_daily_handler(path, days), _NpmFormatter())


def _formatted(handler: logging.Handler, formatter: logging.Formatter) -> logging.Handler:
    handler.setFormatter(formatter)
    return handler


def _file_handler(path: Path) -> logging.Handler:
    try:
        return logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise _cannot_write("log", path, error) from None


def _daily_handler(stem: Path, max_days: int | None) -> logging.Handler:
    try:
        return _DailyFileHandler(stem, max_days)
    except OSError as error:
        raise _cannot_write("log_path", stem, error) from None


def _cannot_write(key: str, path: Path, error: OSError) -> ConfigError:
    origin = Origin("", key, shown(str(path)))
    fix = "name a file that can be written, or leave it out"
    return origin.error(f"cannot be written: {error.strerror or error}", fix=fix)


class _GoFormatter(logging.Formatter):
    """``2026/11/22 21:39:39 text``, local time."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(mark)s%(message)s", "%Y/%m/%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        notable = record.levelno >= logging.WARNING
        record.mark = f"{record.levelname.lower()}: " if notable else ""
        return super().format(record)


class _NpmFormatter(logging.Formatter):
    """``2026-01-01T00:00:00.000Z - info: text``, UTC."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s - %(level)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        record.level = _level_name(record.levelno)
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, ARG002
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _DailyFileHandler(logging.StreamHandler[TextIO]):
    """Appends to ``<stem>.<YYYY-MM-DD>``, a new file each local day; deletes those too old.

    Args:
        stem: Path without the day; its directory is made.
        max_days: Age in days above which a file of this stem is deleted; None: never.

    Raises:
        OSError: the first file cannot be written.
    """

    def __init__(self, stem: Path, max_days: int | None) -> None:
        self._stem = stem
        self._max_days = max_days
        self._day = _today()
        super().__init__(self._open())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._turn_page()
        except OSError:
            self.handleError(record)  # and go on with the file of yesterday
        super().emit(record)

    def close(self) -> None:
        self.stream.close()
        super().close()

    def _turn_page(self) -> None:
        if (today := _today()) == self._day:
            return
        self._day = today
        old = self.setStream(self._open())
        if old is not None:
            old.close()

    def _open(self) -> TextIO:
        self._stem.parent.mkdir(parents=True, exist_ok=True)
        self._delete_old()
        return self._stem.with_name(f"{self._stem.name}.{self._day}").open("a", encoding="utf-8")

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


def _level_name(number: int) -> str:
    """The most severe of the npm names that the number reaches."""
    return next((name for name, least in LOG_LEVELS.items() if number >= least), "silly")


def _today() -> dt.date:
    return dt.datetime.now().astimezone().date()


def _day_of(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None
