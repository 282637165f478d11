"""The kernel's queues of a socket: whether they are as long as the configuration asks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blinktun.kcp.driver import Driver

_log = logging.getLogger("blinktun.kcp")


def check_buffer(driver: Driver, socket: int, asked: int) -> None:
    """Warn, once an event loop, if the system limits its sockets to fewer bytes than ``asked``."""
    granted = driver.core.socket_buffer(socket)
    if granted >= asked or driver.buffer_is_reported:
        return
    driver.buffer_is_reported = True
    _log.warning(
        "sockbuf: asked %s, granted %s, so bursts lose datagrams: "
        "sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d, or set sockbuf to %d",
        size_text(asked), size_text(granted), asked, asked, granted,
    )  # fmt: skip


def size_text(size: int) -> str:
    """A number of bytes as people say it."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"
