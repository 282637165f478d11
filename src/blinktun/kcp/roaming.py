"""What dialled sessions do when this machine gets another network, or has slept.

Their sockets have no address of their own, so datagrams leave by whatever network there is. But
what was learned of the old one is wrong, the server must hear of the new address, and what waited
for an answer need not go on waiting.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from blinktun.net.changes import NetworkWatch, source_address

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("blinktun.kcp")

_ANYWHERE = ("192.0.2.1", "2001:db8::1")
"""Addresses of nobody (RFC 5737, RFC 3849): how one gets there, one gets anywhere."""


class Traveller(Protocol):
    """A session that was dialled."""

    @property
    def host(self) -> str:
        """The IP address of its server."""

    def on_network(self) -> None:
        """Another network leads there."""

    def on_resume(self, slept: float) -> None:
        """The machine has slept for so many seconds."""


class Roaming:
    """The dialled sessions of one event loop.

    There is a watch while there is a session, or somebody who waits for a network.
    """

    def __init__(self) -> None:
        self._from: dict[Traveller, str | None] = {}
        self._waiting: set[Callable[[], object]] = set()
        self._ways: list[str | None] = []
        self._watch: NetworkWatch | None = None

    def add(self, session: Traveller) -> None:
        """Tell a session from now on."""
        self._from[session] = source_address(session.host)
        self._update()

    def remove(self, session: Traveller) -> None:
        """Tell it no more."""
        self._from.pop(session, None)
        self._update()

    def wait(self, on_change: Callable[[], object]) -> None:
        """Tell ``on_change`` when there is another way to anywhere, until `forget`."""
        if not self._waiting:
            self._ways = _ways()
        self._waiting.add(on_change)
        self._update()

    def forget(self, on_change: Callable[[], object]) -> None:
        """Tell it no more."""
        self._waiting.discard(on_change)
        self._update()

    def close(self) -> None:
        """Tell nobody any more."""
        self._from.clear()
        self._waiting.clear()
        self._update()

    def _update(self) -> None:
        is_needed = bool(self._from or self._waiting)
        if is_needed and self._watch is None:
            self._watch = NetworkWatch(self._on_change, self._on_resume)
        elif self._watch is not None and not is_needed:
            self._watch.close()
            self._watch = None

    def _on_change(self) -> None:
        now = {host: source_address(host) for host in {session.host for session in self._from}}
        for session, before in tuple(self._from.items()):
            source = now.get(session.host)
            if session in self._from and source != before:
                self._from[session] = source
                _log.info("%s is reached from %s now", session.host, source or "nowhere")
                if source is not None:
                    session.on_network()
        if self._waiting and (ways := _ways()) != self._ways:
            self._ways = ways
            for on_change in tuple(self._waiting):
                on_change()

    def _on_resume(self, slept: float) -> None:
        _log.info("resumed after %.0f s", slept)
        for session in tuple(self._from):
            session.on_resume(slept)


def _ways() -> list[str | None]:
    return [source_address(host) for host in _ANYWHERE]
