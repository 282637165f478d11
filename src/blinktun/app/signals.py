"""The signals that end a program."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

_log = logging.getLogger("blinktun")


def watch_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set, and SIGHUP if it means that the terminal is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        ends = hangup_ends()
        loop.add_signal_handler(signal.SIGHUP, stop.set if ends else ignore_hangup)
    return stop


def hangup_ends() -> bool:
    """Whether SIGHUP means the end: a program of a terminal gets it when that is closed.

    A service has no terminal, and gets it from scripts that rotate logs.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def ignore_hangup() -> None:
    """Say why nothing happens."""
    _log.info("SIGHUP is ignored: a log file that was moved is opened again by itself")
