"""Records as lines of text, in the form of the program that is replaced."""

from __future__ import annotations

import datetime as dt
import logging

from blinktun.config.model import LOG_LEVELS

_CONTINUED = "    | "
"""What every further line of a record begins with, so that none looks like a record of its own."""


def printable(text: str) -> str:
    """Escape what is not printable.

    Peers choose part of what is logged: host names, paths, the words of errors. A line feed would
    let them write a whole line of their own, an escape sequence would command the reader's
    terminal, and a mark for right-to-left text would change the order of what is read.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class _LineFormatter(logging.Formatter):
    """Fields in front of a message; a traceback follows on lines that are marked as continued."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{self.prefix(record)}{printable(record.getMessage())}"
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            text += "".join(f"\n{_CONTINUED}{printable(line)}" for line in lines)
        return text

    def prefix(self, record: logging.LogRecord) -> str:
        """What stands in front of the message."""
        raise NotImplementedError


class GoFormatter(_LineFormatter):
    """``2026/11/22 21:39:39 text``, local time.

    The form has no level: what deserves a look begins with ``warning:`` or ``error:``.
    """

    def prefix(self, record: logging.LogRecord) -> str:
        """The time, and the level of what deserves a look."""
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"{self.formatTime(record, '%Y/%m/%d %H:%M:%S')} {level}"


class NpmFormatter(_LineFormatter):
    """``2026-01-01T00:00:00.000Z - info: text``, UTC."""

    def prefix(self, record: logging.LogRecord) -> str:
        """The time and the level."""
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return f"{time} - {_level_name(record.levelno)}: "


def _level_name(number: int) -> str:
    """The most severe of the npm names that the number reaches."""
    return next((name for name, least in LOG_LEVELS.items() if number >= least), "silly")
