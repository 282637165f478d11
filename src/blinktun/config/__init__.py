"""Files, flags and URLs into frozen values.

What the two programs know is written in tables of options (`options_kcptun`,
`options_blinksocks`), from which flags, files, help, the reference pages and the errors all follow.
`document` and `flags` read, `settings` keeps what was given over the defaults, `kcptun` and
`blinksocks` make a role of it, `load` finds out whose file it is. The result is `model`.

This room reads files and nothing else; it imports only the vocabulary, and from ``_core``
what the core knows of its own limits.
"""

from __future__ import annotations

from blinktun.config.load import load
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    KcptunClient,
    KcptunServer,
    RoleConfig,
)

__all__ = [
    "BlinksocksClient",
    "BlinksocksServer",
    "KcptunClient",
    "KcptunServer",
    "RoleConfig",
    "load",
]
