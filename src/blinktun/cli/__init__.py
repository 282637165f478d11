"""The commands: ``blinktun``, ``kcptun``, ``kcptun-client``, ``kcptun-server`` and ``blinksocks``.

Each reads its arguments into configurations, sets up the log and hands over to `blinktun.app`. A
configuration that cannot be used ends a command with one line on standard error and status 2,
before anything listens.
"""

from __future__ import annotations
