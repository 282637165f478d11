"""Names as the C library finds them, for what only it knows and for addresses to listen on.

``getaddrinfo`` cannot be stopped, and waits as long as it likes. So each call has a thread of its
own, of which there is a bounded number and for which the process does not wait at its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_NSSWITCH = Path("/etc/nsswitch.conf")
_HOSTS_LINE = re.compile(r"^\s*hosts\s*:([^#\n]*)", re.MULTILINE)
_LOCAL_SOURCES = frozenset({"resolve", "myhostname", "mymachines"})
"""What systemd adds to DNS: names without a dot, of this machine and its containers."""
_MAX_THREADS = 32
_free = threading.BoundedSemaphore(_MAX_THREADS)


def is_multicast_name(host: str) -> bool:
    """Whether a name is asked for in the local network (RFC 6762), and the system does that."""
    is_local = host.rstrip(".").lower().endswith(".local")
    return is_local and any(source.startswith("mdns") for source in _sources())


def knows_more(host: str) -> bool:
    """Whether the C library may find a name that is neither in a hosts file nor in DNS."""
    named = {source for source in _sources() if not source.startswith("mdns")} - {"files", "dns"}
    return bool(named - _LOCAL_SOURCES) or (bool(named) and "." not in host.rstrip("."))


async def ask_system(host: str) -> list[str]:
    """The IP addresses of a host.

    Raises:
        OSError: there is none, or too many names are being looked up this way.
        ValueError: the host cannot be a name.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(found: list[str] | Exception) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(_settle, answer, found)

    _start(host, tell)
    return await answer


def ask_system_now(host: str, within: float) -> list[str]:
    """The same for a caller without an event loop, or before it serves anyone.

    Raises:
        OSError: there is none, or no answer in time.
        ValueError: the host cannot be a name.
    """
    told = threading.Event()
    answers: list[list[str] | Exception] = []

    def tell(found: list[str] | Exception) -> None:
        answers.append(found)
        told.set()

    _start(host, tell)
    if not told.wait(within):
        raise TimeoutError(f"no answer within {within:g} s")
    answer = answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def _start(host: str, tell: Callable[[list[str] | Exception], None]) -> None:
    if not _free.acquire(blocking=False):
        raise OSError("too many names are being looked up")
    try:
        threading.Thread(target=_run, args=(host, tell), name="names", daemon=True).start()
    except RuntimeError as error:  # the system has no thread for us
        _free.release()
        raise OSError("no thread to look the name up") from error


def _run(host: str, tell: Callable[[list[str] | Exception], None]) -> None:
    try:
        found: list[str] | Exception = _getaddrinfo(host)
    except (OSError, ValueError) as error:
        found = error
    finally:
        _free.release()
    tell(found)


def _getaddrinfo(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_text(entry[4]) for entry in found))


def ip_text(name: tuple[object, ...]) -> str:
    """The IP address of a socket name, with the number of its scope if it has one."""
    host, _port, _flow, scope = (*name, 0, 0)[:4]
    text = host.decode("ascii") if isinstance(host, bytes) else str(host)
    ip = text.partition("%")[0]
    return f"{ip}%{scope}" if scope else ip


def _sources() -> list[str]:
    """Where the C library looks names up, in its order."""
    try:
        text = _NSSWITCH.read_text("utf-8", "replace")
    except OSError:
        return ["files", "dns"]
    line = _HOSTS_LINE.search(text)
    return re.sub(r"\[[^]]*]", " ", line[1]).split() if line else ["files", "dns"]


def _settle(answer: asyncio.Future[list[str]], found: list[str] | Exception) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)
