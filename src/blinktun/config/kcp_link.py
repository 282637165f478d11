"""The settings of a ``kcp://`` service: kcptun's flags behind the ``?``.

Both ends are blinktun, so the defaults are what serves best and not what the Go program has:
streams with windows of their own, no compression of bytes that presets encrypted, and wide windows
where the mode is not auto.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from blinktun.config.explain import Origin, shown, suggestion
from blinktun.config.flags import value_of_text
from blinktun.config.kcptun import client_link, kcp_settings
from blinktun.config.model import KcpLink
from blinktun.config.options import CLIENT, both, by_flag, sides
from blinktun.config.options_kcptun import KCPTUN_OPTIONS
from blinktun.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_OF_A_LINK = frozenset({"Addresses", "Log and counters", "Program"})
_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "sndwnd": both(2048),
    "rcvwnd": both(2048),
    "nocomp": both(True),
    "smuxver": sides(client=2, server=None),
}
_OPTIONS = tuple(
    replace(option, defaults=_DEFAULTS.get(option.name, option.defaults))
    for option in KCPTUN_OPTIONS
    if option.group not in _NOT_OF_A_LINK and option.name not in {"workers", "statedir", "hop"}
)


def kcp_link(link: Settings, params: Mapping[str, str], key: str) -> KcpLink:
    """Read the settings of a service.

    Args:
        link: What the service is a part of.
        params: Names and values, as text.
        key: The secret of the blinksocks link, which is KCP's too unless ``key`` says otherwise.

    Raises:
        ConfigError: a parameter is unknown, or its value is not accepted.
    """
    origin = link.origin("service")
    settings = Settings(_OPTIONS, link.side, source=origin.source, prefix=f"{origin.key}?")
    known = by_flag(_OPTIONS, link.side)
    settings.put(known["key"], key, Origin(origin.source, origin.key))
    for name, text in params.items():
        option = known.get(name)
        where = Origin(origin.source, f"{origin.key}?{name}")
        if option is None:
            fix = suggestion(name, [option.name for option in known.values()])
            raise where.error("there is no such option", fix=fix)
        where = replace(where, shown=shown(text, secret=option.secret))
        settings.put(option, value_of_text(option, text, where), where)
    kcp = client_link(settings) if link.side == CLIENT else KcpLink(kcp_settings(settings))
    link.warnings.extend(settings.warnings)
    link.advice.extend(settings.advice)
    return kcp
