"""The composition root: configurations to running roles, signals, workers, orderly shutdown.

The nouns of the room: a **role** is what a configuration asks for (`make_role`); `run` keeps roles
going until a signal ends them; a kcptun server with ``workers`` becomes a **supervisor** and that
many **worker** processes, which share one UDP port.
"""

from __future__ import annotations

from blinktun.app.roles import Role, make_role, start_all, stop_all
from blinktun.app.runner import START_FAILED, run, run_in_loop
from blinktun.app.signals import watch_signals

__all__ = [
    "START_FAILED",
    "Role",
    "make_role",
    "run",
    "run_in_loop",
    "start_all",
    "stop_all",
    "watch_signals",
]
