"""kcptun as a plugin of shadowsocks: what the host program says through variables (SIP003).

Variables come after defaults and ``KCPTUN_KEY``, and before flags and the file, which override
them. That is the order of the forks that have this (kcptun wire, 8.10).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blinktun.config.explain import Origin, shown, suggestion
from blinktun.config.flags import value_of_text
from blinktun.config.options import CLIENT, by_flag
from blinktun.config.options_kcptun import KCPTUN_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blinktun.config.options import Option
    from blinktun.config.settings import Settings

OPTIONS_VARIABLE = "SS_PLUGIN_OPTIONS"
_VARIABLES = ("SS_REMOTE_HOST", "SS_REMOTE_PORT", "SS_LOCAL_HOST", "SS_LOCAL_PORT")
_HOST_FLAGS = frozenset({"--fast-open", "-V"})
"""What shadowsocks programs add to the command line of any plugin; neither has a meaning here."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a host program said.

    Attributes:
        remote: ``host:port`` where the shadowsocks server is reached by its clients; several hosts
            are joined by ``|``, as Debian's own configuration of shadowsocks has two.
        local: ``host:port`` where the host program is, or wants us to be.
        options: Names and values of `OPTIONS_VARIABLE`, in its order.
    """

    remote: str
    local: str
    options: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def file(self) -> str | None:
        """The file that the option ``c`` names."""
        return dict(self.options).get("c")

    def put(self, settings: Settings) -> None:
        """Set the options of one side.

        Raises:
            ConfigError: an option does not exist, or does not accept its value.
        """
        known = _by_any_name(settings.side)
        near, far = ("localaddr", "remoteaddr") if settings.side == CLIENT else ("target", "listen")
        near_text, ignored = _first_host(self.local)
        if ignored:
            settings.warnings.append(
                f"SS_LOCAL_HOST: of several hosts the first counts: {near_text}"
            )
        for name, text, variables in (
            (far, self.remote, "SS_REMOTE_HOST, SS_REMOTE_PORT"),
            (near, near_text, "SS_LOCAL_HOST, SS_LOCAL_PORT"),
        ):
            settings.put(known[name], text, Origin(variables, shown=shown(text)))
        for name, text in self.options:
            if name == "c":
                continue
            option = known.get(name) or known.get(name.casefold())
            if option is None:
                fix = suggestion(name, [option.name for option in known.values()])
                raise Origin(OPTIONS_VARIABLE, name).error("there is no such option", fix=fix)
            origin = Origin(OPTIONS_VARIABLE, name, shown(text, secret=option.secret))
            settings.put(option, value_of_text(option, text, origin), origin)


def plugin_of(environment: Mapping[str, str]) -> Plugin | None:
    """What a host program said; None unless all four addresses are set.

    Raises:
        ConfigError: a variable cannot be read.
    """
    values = [environment.get(name, "") for name in _VARIABLES]
    if not all(values):
        return None
    remote_host, remote_port, local_host, local_port = values
    return Plugin(
        _join(remote_host, remote_port, "SS_REMOTE"),
        _join(local_host, local_port, "SS_LOCAL"),
        _split_options(environment.get(OPTIONS_VARIABLE, "")),
    )


def without_host_flags(arguments: Sequence[str]) -> list[str]:
    """A plugin's command line without what its host program adds."""
    return [argument for argument in arguments if argument not in _HOST_FLAGS]


def _join(host: str, port: str, variable: str) -> str:
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        origin = Origin(f"{variable}_PORT", shown=shown(port))
        raise origin.error("is no port", fix="set it to a number, 1..65535")
    hosts = [text for text in host.split("|") if text]
    if not hosts:
        origin = Origin(f"{variable}_HOST", shown=shown(host))
        raise origin.error("names no host", fix="set it to a name or an address")
    return f"{'|'.join(map(_bracketed, hosts))}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _first_host(text: str) -> tuple[str, bool]:
    """``host:port`` of the first host, and whether there are others."""
    first, bar, rest = text.partition("|")
    return (f"{first}:{rest.rpartition(':')[2]}", True) if bar else (text, False)


def _split_options(text: str) -> tuple[tuple[str, str], ...]:
    r"""``name=value;name=value``; ``\`` takes the next character as it is."""
    options: list[tuple[str, str]] = []
    name, value = "", None
    characters = iter(f"{text};" if text else "")
    for character in characters:
        if character == ";" and not name and value is None:
            continue  # one too many, often at the end
        if character == ";":
            options.append(_option(name, value, len(options) + 1))
            name, value = "", None
            continue
        if character == "=" and value is None:
            value = ""
            continue
        plain = next(characters, "") if character == "\\" else character
        name, value = (name + plain, None) if value is None else (name, value + plain)
    if name or value is not None:
        fix = "write \\\\ for a backslash"
        raise Origin(OPTIONS_VARIABLE).error("ends with a backslash", fix=fix)
    return tuple(options)


def _option(name: str, value: str | None, number: int) -> tuple[str, str]:
    if not name:
        fix = "write name=value;name=value, with no ; at the end"
        raise Origin(OPTIONS_VARIABLE).error(f"has no name in option {number}", fix=fix)
    return name, "1" if value is None else value


def _by_any_name(side: str) -> dict[str, Option]:
    """Options by flag and, in any letter case, by key; without those that only a flag can be."""
    named = by_flag(KCPTUN_OPTIONS, side)
    keyed = {option.json_key.casefold(): option for option in named.values() if option.json_key}
    return keyed | {name: option for name, option in named.items() if option.json_key}
