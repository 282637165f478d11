"""``kcptun``, ``kcptun-client`` and ``kcptun-server``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from blinktun.cli.common import fail, launch, say, version
from blinktun.cli.help import kcptun_help
from blinktun.cli.process_list import hide_arguments, hide_variables
from blinktun.config.kcptun import KEY_VARIABLE, kcptun_flags, kcptun_from_flags, secret_values
from blinktun.config.options import CLIENT, SERVER
from blinktun.config.sip003 import OPTIONS_VARIABLE, plugin_of, without_host_flags
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a kcptun whose side its addresses decide; returns the exit status."""
    return _command("kcptun", None, argv)


def client_main(argv: Sequence[str] | None = None) -> int:
    """Run a kcptun client; returns the exit status."""
    return _command("kcptun-client", CLIENT, argv)


def server_main(argv: Sequence[str] | None = None) -> int:
    """Run a kcptun server; returns the exit status."""
    return _command("kcptun-server", SERVER, argv)


def _command(program: str, side: str | None, argv: Sequence[str] | None) -> int:
    try:
        plugin = plugin_of(os.environ)
        arguments = sys.argv[1:] if argv is None else argv
        command = kcptun_flags(without_host_flags(arguments) if plugin else arguments)
        asked = {flag.name for flag in command.flags}
        if asked & {"help", "h"}:
            return say(kcptun_help(program, side))
        if asked & {"version", "v"}:
            return say(f"{program} (blinktun) {version()}")
        config = kcptun_from_flags(command, side, os.environ, plugin)
        hide_arguments(secret_values(command))
        hide_variables((KEY_VARIABLE, OPTIONS_VARIABLE))
        # The host program of a plugin ends its own connections, and waits for nobody.
        return launch([config]) if plugin is None else launch([config], grace=0)
    except ConfigError as error:
        return fail(program, error)
