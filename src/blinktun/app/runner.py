"""Run roles until a signal ends them."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from typing import TYPE_CHECKING

from blinktun.app.core_dumps import forbid_core_dumps
from blinktun.app.descriptors import need_descriptors, want_descriptors
from blinktun.app.fusion import make_roles
from blinktun.app.memory import keep_freed_memory, session_memory
from blinktun.app.reporting import Reporting, log_counters
from blinktun.app.roles import start_all, stop_all
from blinktun.app.signals import watch_signals
from blinktun.app.workers import Worker, supervise
from blinktun.config.explain import Origin
from blinktun.config.model import KcptunServer
from blinktun.errors import TransportError
from blinktun.kcp import Driver
from blinktun.logs.destinations import is_on_console

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any

    from blinktun.app.roles import Role
    from blinktun.config.model import RoleConfig

_log = logging.getLogger("blinktun")

LAST_WORDS = 1.0
"""Seconds of ``grace`` that are kept for telling peers: the ends of sessions, of HTTP/2."""
START_FAILED = 1
"""Exit status when an address cannot be bound."""


def run(configs: Sequence[RoleConfig], *, grace: float | None = None) -> int:
    """Run roles until SIGTERM or SIGINT; returns the exit status.

    Args:
        configs: What to run.
        grace: Seconds that stopping may take; None: what the configurations say.

    Raises:
        ConfigError: a configuration cannot be used. Nothing listens then.
    """
    if grace is None:
        grace = max(config.grace for config in configs)
    for config in configs:
        for warning in config.warnings:
            _log.warning("%s: %s", config.source, warning)
    want_descriptors()
    forbid_core_dumps()
    keep_freed_memory()
    need_descriptors([config for config in configs if isinstance(config, KcptunServer)])
    for config in configs:
        if isinstance(config, KcptunServer) and config.workers > 1:
            if len(configs) > 1:
                problem, fix = "need a process of their own", "run this file by itself"
                raise Origin(config.source, "workers").error(problem, fix=fix)
            return _run_workers(config, grace)
    roles = make_roles(configs)
    memory = session_memory(configs)
    return run_in_loop(_serve(roles, Reporting(configs, roles), (grace, memory), configs))


def _run_workers(config: KcptunServer, grace: float) -> int:
    from blinktun.tunnel.kcptun_server import KcptunServerRole

    KcptunServerRole(config)  # what it objects to, it objects to before anything listens

    memory = session_memory([config]) // config.workers

    def work(worker: Worker) -> int:
        roles = [KcptunServerRole(config, worker.bound)]
        # The supervisor reports for all workers.
        return run_in_loop(_serve(roles, Reporting([], roles), (grace, memory), worker=worker))

    try:
        return supervise(config, work)
    except TransportError as error:
        _report_failed_start(TransportError(str(error), peer=f"{config.source}: listen"))
        return START_FAILED


def _report_failed_start(error: TransportError) -> None:
    """Log it; and where the log goes to files alone, say it to who started the program as well."""
    _log.error("%s", error)
    if not is_on_console():
        sys.stderr.write(f"{error}\n")


def run_in_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine in the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


async def _serve(
    roles: Sequence[Role],
    reporting: Reporting,
    limits: tuple[float, int],
    configs: Sequence[RoleConfig] = (),
    worker: Worker | None = None,
) -> int:
    grace, memory = limits
    stop = watch_signals()
    Driver.current().core.limit_memory(memory)
    _offer_counters(worker)
    try:
        await reporting.start()
        await start_all(roles, configs)
    except TransportError as error:
        _report_failed_start(error)
        await reporting.stop()
        return START_FAILED
    await stop.wait()
    _log.info("stopping: transfers have %g s to end, a second signal ends them at once", grace)
    stop.clear()
    stopping = asyncio.create_task(stop_all(roles, max(0.0, grace - LAST_WORDS)))
    hurry = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not stopping.done():
        _log.warning("second signal: breaking connections off")
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await stop_all(roles, 0)
    await reporting.stop()
    return 0


def _offer_counters(worker: Worker | None) -> None:
    """Log the core's counters on SIGUSR1; a worker tells its supervisor, who adds them up."""
    loop, core = asyncio.get_running_loop(), Driver.current().core
    if worker is None or worker.control is None:
        loop.add_signal_handler(signal.SIGUSR1, lambda: log_counters(core.stats()))
        return
    control = worker.control

    def answer() -> None:
        if not control.recv(1):  # the supervisor is gone, and nobody would replace us
            loop.remove_reader(control)
            signal.raise_signal(signal.SIGTERM)
            return
        control.send(json.dumps(core.stats()).encode())

    loop.add_reader(control, answer)
