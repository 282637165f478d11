"""What all commands share: their end, good or bad."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from blinktun import logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.config.model import RoleConfig
    from blinktun.errors import ConfigError

CONFIG_STATUS = 2
"""Exit status of a configuration or a command line that cannot be used."""


def launch(configs: Sequence[RoleConfig], *, grace: float | None = None) -> int:
    """Set up the log, run the roles until they end, and return the exit status.

    Args:
        configs: What to run.
        grace: Seconds that connections get to end after a signal; None: the usual ones.

    Raises:
        ConfigError: something in a configuration turned out to be unusable.
    """
    from blinktun import app

    logs.set_up(configs)
    return app.run(configs) if grace is None else app.run(configs, grace=grace)


def fail(program: str, error: ConfigError) -> int:
    """Say on standard error what is wrong, and return the exit status."""
    print(f"{program}: {error}", file=sys.stderr)
    return CONFIG_STATUS


def say(text: str) -> int:
    """Print on standard output; returns the exit status, 1 where that cannot be written."""
    try:
        print(text, flush=True)
    except OSError:
        # The interpreter tries once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def version() -> str:
    """The versions of the package and of Python, for reports of errors."""
    import platform
    from importlib import metadata  # 1 MB, and few ask

    try:
        ours = metadata.version("blinktun")
    except metadata.PackageNotFoundError:  # run from a source tree
        ours = "unknown"
    system = f"{platform.system()} {platform.machine()}"
    return f"{ours} ({platform.python_implementation()} {platform.python_version()}, {system})"
