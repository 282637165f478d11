"""The settings of KCP sessions, checked: those of files, flags and URLs, and those of programs."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from blinktun._core import MAX_MTU, least_mtu
from blinktun.config.explain import Origin, shown
from blinktun.config.model import KcpSettings
from blinktun.config.options import by_key
from blinktun.config.options_kcptun import KCPTUN_OPTIONS, MODES
from blinktun.config.rates import RATE_FIX, parse_rate
from blinktun.config.shares import SHARE_FIX, parse_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.config.options import Option
    from blinktun.errors import ConfigError

    Refuse = Callable[[str, str, str], ConfigError]
    """Makes the error about a setting of a name, from a problem and a fix."""


def check_settings(settings: KcpSettings) -> None:
    """Refuse settings that a configuration file could not have either.

    Raises:
        ConfigError: a value is of the wrong type, out of range, unknown, or impossible together
            with another.
        TypeError: they are no `KcpSettings`.
    """
    if not isinstance(settings, KcpSettings):
        raise TypeError(f"KcpSettings are needed, not {type(settings).__name__}")
    for field, option in OPTION_OF.items():
        value = getattr(settings, field)
        if value is None and None in option.defaults.values():
            continue
        if field == "mode" and isinstance(value, str) and value in MODES:
            problem = "is no mode of the library"
            fix = "write auto, or manual with nodelay, interval, resend and nc"
            raise _origin(settings, field, option).error(problem, fix=fix)
        option.check(value, _origin(settings, field, option))

    for name in _WITHOUT_OPTION:
        given: object = getattr(settings, name)
        if not isinstance(given, bool):
            origin = Origin("KcpSettings", name, shown(given))
            raise origin.error("is not true or false", fix="write True or False")

    def refuse(name: str, problem: str, fix: str) -> ConfigError:
        return _origin(settings, name, OPTION_OF[name]).error(problem, fix=fix)

    check_together(settings, refuse)


def check_together(settings: KcpSettings, refuse: Refuse) -> None:
    """Refuse values that are fine alone and impossible together.

    Raises:
        ConfigError: what ``refuse`` makes.
    """
    is_auto, datashard, parityshard = settings.is_auto, settings.datashard, settings.parityshard
    if datashard + parityshard > 255:
        problem = f"makes a group of {datashard} + {parityshard} packets"
        raise refuse("datashard", problem, "write at most 255 for both together")
    for name in ("up", "down"):
        try:
            parse_rate(getattr(settings, name))
        except ValueError as error:
            raise refuse(name, str(error), RATE_FIX) from None
    try:
        share = parse_share(settings.max_overhead)
    except ValueError as error:
        raise refuse("max_overhead", str(error), SHARE_FIX) from None
    if settings.stream_buffer > settings.session_buffer:
        problem = "makes a stream's buffer larger than its session's"
        raise refuse("streambuf", problem, "write a streambuf of at most smuxbuf bytes")
    has_parity = share != 0 if is_auto else datashard > 0 and parityshard > 0
    least = least_mtu(settings.crypt, has_parity)
    if settings.mtu < least:
        problem = "leaves no room for data beside the headers of this crypt and error correction"
        raise refuse("mtu", problem, f"write {least}..{MAX_MTU} (bytes)")


def _origin(settings: KcpSettings, field: str, option: Option) -> Origin:
    value = getattr(settings, field)
    scalar = isinstance(value, str | int | float | None)
    text = shown(value, secret=option.secret) if scalar else type(value).__name__
    return Origin("KcpSettings", field, text)


def _options() -> dict[str, Option]:
    by_name = {key.replace("-", "_"): option for key, option in by_key(KCPTUN_OPTIONS).items()}
    names = [field.name for field in fields(KcpSettings)]
    return {name: by_name[name] for name in names if name not in _WITHOUT_OPTION}


_WITHOUT_OPTION = ("datagrams", "follows")
"""Fields that follow from other options: ``udp``, ``workers``."""


OPTION_OF = _options()
"""The option of each field of `KcpSettings`."""
