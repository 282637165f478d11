"""Settings and addresses as a person writes them into those that the core takes."""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun import _core
from blinktun.config.kcp_check import check_settings
from blinktun.errors import ConfigError
from blinktun.net.dial import numeric
from blinktun.net.system_names import ip_text

if TYPE_CHECKING:
    from blinktun.config.model import KcpSettings

TRACE_VARIABLE = "QLOGDIR"
"""The environment variable that names the folder of traces; other programs have it, too."""


def core_config(settings: KcpSettings) -> _core.Config:
    """The core's form of ``settings``.

    Raises:
        ConfigError: a setting cannot be used, as in a configuration file, or the folder of traces
            cannot be written.
        TypeError: they are no `KcpSettings`.
    """
    check_settings(settings)
    try:
        pass_, pads = _derived(settings.key.encode()), _pads_of(settings)
        return _core.Config(settings, pass_, pads, _trace_folder())
    except ValueError as error:
        raise ConfigError(str(error), fix="change the KCP settings") from error


def core_host(ip: str) -> str:
    """An IP address as the core reads it: with the scope's number, if any.

    Raises:
        OSError: there is no such scope.
    """
    return ip_text(numeric(ip, 0)[1]) if "%" in ip else ip


def _trace_folder() -> Path | None:
    """Where traces go, if somebody wants them; made if it is not there."""
    value = os.environ.get(TRACE_VARIABLE)
    if not value:
        return None
    folder = Path(value)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(
            f"no file can be made there ({error.strerror})",
            fix="name a folder that this user may write, or remove the variable",
            source=TRACE_VARIABLE,
            value=value,
        ) from error
    return folder


@lru_cache(maxsize=32)
def _derived(key: bytes) -> bytes:
    """4096 rounds of PBKDF2 take milliseconds: once a key is enough."""
    return _core.derive_key(key)


def _pads_of(settings: KcpSettings) -> _core.Pads | None:
    if not settings.qpp:
        return None
    return _pads(settings.key.encode(), settings.qpp_count, settings.qpp_revision)


@lru_cache(maxsize=8)
def _pads(key: bytes, count: int, revision: str) -> _core.Pads:
    """61 pads take 5 to 10 ms: a moment at start, then shared."""
    return _core.Pads(key, count, revision)
