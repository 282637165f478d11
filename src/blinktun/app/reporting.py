"""What the roles of one process report besides their log: ``snmplog``, ``pprof`` and SIGUSR1."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from blinktun.config.model import KcptunClient, KcptunServer
from blinktun.kcp import Driver
from blinktun.reports.counters import go_counters, own_counters, snmp_lines
from blinktun.reports.snmp_log import SnmpLog, keep_snmp_log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from blinktun.app.roles import Role
    from blinktun.config.model import RoleConfig
    from blinktun.reports.http_server import HttpServer

_log = logging.getLogger("blinktun")

_FIGURES_EVERY = 60.0
"""Seconds between the counters in a log of level debug."""
PPROF_PORT = 6060
"""Go's."""


class Reporting:
    """The reports of one process; its counters are those of all its roles, as in Go.

    Args:
        configs: Of the roles; a file or endpoint that several name is there once.
        roles: Whose facts `/debug/vars` shows.
    """

    def __init__(self, configs: Sequence[RoleConfig], roles: Sequence[Role]) -> None:
        self._logs = snmp_logs(configs)
        self._roles = roles
        self._pprof = _pprof(self._facts) if _wants_pprof(configs) else None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to report.

        Raises:
            TransportError: the port of ``pprof`` cannot be had.
        """
        if self._pprof:
            await self._pprof.start(PPROF_PORT)
            _log.info("pprof on http://%s/debug/pprof/", self._pprof.address)
        core, loop = Driver.current().core, asyncio.get_running_loop()
        for path, period in self._logs.items():
            keeping = keep_snmp_log(SnmpLog(path), period, core.stats)
            self._tasks.append(loop.create_task(keeping))
        if _log.isEnabledFor(logging.DEBUG):
            self._tasks.append(loop.create_task(_log_figures(core.stats)))

    async def stop(self) -> None:
        """Report no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pprof:
            await self._pprof.stop()

    def _facts(self) -> dict[str, object]:
        driver = Driver.current()
        stats = driver.core.stats()
        roles = [
            {
                "listens": [str(address) for address in role.addresses],
                "bytes_up": role.traffic[0],
                "bytes_down": role.traffic[1],
            }
            for role in self._roles
        ]
        return {
            "roles": roles,
            "sessions": len(driver.sessions),
            "relays": driver.relays,
            "snmp": go_counters(stats),
            "own": own_counters(stats),
        }


def log_counters(counters: Mapping[str, int]) -> None:
    """The lines that SIGUSR1 asks for."""
    for line in snmp_lines(counters):
        _log.info("%s", line)


async def _log_figures(stats: Callable[[], Mapping[str, int]]) -> None:
    """Write the counters of KCP once a minute, until cancelled; nothing if there is no session."""
    while True:
        await asyncio.sleep(_FIGURES_EVERY)
        if Driver.current().sessions:
            for line in snmp_lines(stats()):
                _log.debug("%s", line)


def snmp_logs(configs: Sequence[RoleConfig]) -> dict[str, int]:
    """The period of each ``snmplog`` that is to be written; the first who names a file decides."""
    logs: dict[str, int] = {}
    for config in configs:
        if isinstance(config, KcptunClient | KcptunServer) and config.reports.snmplog:
            logs.setdefault(config.reports.snmplog, config.reports.snmpperiod)
    return {path: period for path, period in logs.items() if period}


def _pprof(facts: Callable[[], Mapping[str, object]]) -> HttpServer:
    # Profilers and a parser of HTTP are a megabyte that few processes need.
    from blinktun.reports.http_server import HttpServer
    from blinktun.reports.profile import Profiles

    return HttpServer(Profiles(facts).answer)


def _wants_pprof(configs: Sequence[RoleConfig]) -> bool:
    return any(
        config.reports.pprof
        for config in configs
        if isinstance(config, KcptunClient | KcptunServer)
    )
