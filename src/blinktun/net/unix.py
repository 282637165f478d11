"""UNIX stream sockets for relays: listened on by path, dialled by path.

``@name`` is Linux's abstract namespace, as in Go: a socket without a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

from blinktun.errors import TransportError
from blinktun.net.accept import Acceptor
from blinktun.net.dial import DIAL_TIMEOUT
from blinktun.net.limits import keep_reserve
from blinktun.net.listen import BACKLOG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BUSY_PAUSE = 0.02
"""Seconds between attempts while a listener's queue is full; the kernel does not say when that
has changed."""


class UnixListener(Acceptor):
    """Accepts connections at a path, and removes its file at the end.

    The file of a process that is gone is replaced; the access rights are what the umask leaves.

    Raises:
        TransportError: the path cannot be bound, or somebody listens there.
    """

    def __init__(self, path: Path, on_connection: Callable[[socket.socket], None]) -> None:
        bound = _listen(path)
        self._path = path
        self._file = None if _is_abstract(path) else _identity(path)
        super().__init__([bound], on_connection)

    def close(self) -> None:
        """Accept no more, and remove the file unless it has become somebody else's."""
        with contextlib.suppress(OSError):
            if self._file and self._file == _identity(self._path):
                self._path.unlink()
        super().close()


async def dial_unix(path: Path) -> socket.socket:
    """A connected, non-blocking UNIX stream socket.

    Raises:
        TransportError: nothing listens there, or it does not accept within 10 s.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        keep_reserve(made)
        async with asyncio.timeout(DIAL_TIMEOUT):
            while not _has_connected(made, path):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(_BUSY_PAUSE)
    except OSError as error:  # TimeoutError is one, without a number
        made.close()
        reason = error.strerror or "it does not accept: timed out"
        raise TransportError(reason, peer=str(path)) from error
    except BaseException:
        made.close()
        raise
    return made


def _has_connected(made: socket.socket, path: Path) -> bool:
    """Try to connect; False if the listener's queue is full."""
    try:
        made.connect(_name(path))
    except BlockingIOError:
        return False
    return True


def _listen(path: Path) -> socket.socket:
    try:
        try:
            return _bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or _is_abstract(path):
                raise
        _remove_stale(path)
        return _bind(path)
    except OSError as error:
        raise TransportError(f"cannot listen on UNIX socket {path}: {error.strerror}") from error


def _bind(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(_name(path))
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _remove_stale(path: Path) -> None:
    """Remove a socket file that nobody listens on.

    Raises:
        OSError: somebody does, or it is no socket.
    """
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise OSError(errno.EEXIST, "the file is there already, and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(_name(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # alive, and busy
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _is_abstract(path: Path) -> bool:
    return str(path).startswith("@")


def _name(path: Path) -> bytes:
    name = os.fsencode(path)
    return b"\0" + name[1:] if _is_abstract(path) else name
