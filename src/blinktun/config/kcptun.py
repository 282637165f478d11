"""From flags, file and environment to a kcptun role (kcptun wire, section 8)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from blinktun._core import StreamClass
from blinktun.address import Address
from blinktun.config.addresses import port_range, stream_address
from blinktun.config.advice import advice_towards_auto
from blinktun.config.document import read_document
from blinktun.config.durations import parse_duration
from blinktun.config.explain import COMMAND_LINE, Origin, shown
from blinktun.config.files import output_path
from blinktun.config.flags import CommandLine, flag_value, split_flags
from blinktun.config.kcp_check import OPTION_OF, check_together
from blinktun.config.kinds import KCPTUN, refuse_other_program
from blinktun.config.model import (
    BY_HAND,
    KcpLink,
    KcpSettings,
    KcptunClient,
    KcptunServer,
    LogSettings,
    ReportSettings,
)
from blinktun.config.options import CLIENT, SERVER, by_flag
from blinktun.config.options_kcptun import AUTO, KCPTUN_OPTIONS, MODES
from blinktun.config.settings import Settings
from blinktun.config.sizes import memory_of
from blinktun.config.tolerance import as_kcptun, as_kcptun_group
from blinktun.config.weaknesses import weaknesses_of_kcp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from blinktun.config.document import Document
    from blinktun.config.flags import Flag
    from blinktun.config.model import PortRange, StreamAddress, UdpClass
    from blinktun.config.sip003 import Plugin
    from blinktun.errors import ConfigError

KEY_VARIABLE = "KCPTUN_KEY"
"""The environment variable that replaces the default key."""

_SHORTEST_HOP = 1.0
_HOP_FIX = "write a time of at least a second, for example 30s"

ROLE_OF_ADDRESS: Mapping[str, str] = {
    "localaddr": CLIENT,
    "remoteaddr": CLIENT,
    "listen": SERVER,
    "target": SERVER,
}
"""The options that decide which side a configuration is for."""


def kcptun_flags(arguments: Sequence[str]) -> CommandLine:
    """Cut a command line into flags, of whichever side.

    Raises:
        ConfigError: it has something that is no flag.
    """
    return split_flags(arguments, by_flag(KCPTUN_OPTIONS))


def secret_values(command: CommandLine) -> list[str]:
    """The values of flags that other users must not see."""
    known = by_flag(KCPTUN_OPTIONS)
    return [flag.text for flag in command.flags if known[flag.name].secret and flag.text]


def kcptun_from_flags(
    command: CommandLine,
    side: str | None,
    environment: Mapping[str, str],
    plugin: Plugin | None = None,
) -> KcptunClient | KcptunServer:
    """The role that flags, and the file of ``-c`` over them, describe.

    Args:
        command: From `kcptun_flags`.
        side: ``client``, ``server``, or None to let the addresses decide.
        environment: Looked up for `KEY_VARIABLE` alone.
        plugin: What shadowsocks says; flags override it.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    path = next((flag.text for flag in reversed(command.flags) if flag.name == "c"), None)
    path = path or (plugin.file if plugin else None)
    document = read_document(Path(path)) if path else None
    return _build(command, document, side, environment, plugin)


def kcptun_from_document(
    document: Document, side: str | None, environment: Mapping[str, str]
) -> KcptunClient | KcptunServer:
    """The role that a file describes; arguments and errors as in `kcptun_from_flags`."""
    return _build(CommandLine(), document, side, environment)


def _build(
    command: CommandLine,
    document: Document | None,
    side: str | None,
    environment: Mapping[str, str],
    plugin: Plugin | None = None,
) -> KcptunClient | KcptunServer:
    source = document.source if document else COMMAND_LINE
    values = document.values if document else {}
    if document:
        refuse_other_program(document, KCPTUN)
    side = _decide_side(side, command.flags, values, source)
    settings = Settings(KCPTUN_OPTIONS, side, source=source, taken_for=as_kcptun)
    settings.warnings.extend(command.warnings)
    names = by_flag(KCPTUN_OPTIONS, side)
    if KEY_VARIABLE in environment:
        origin = Origin(KEY_VARIABLE, shown=shown("", secret=True))
        settings.put(names["key"], environment[KEY_VARIABLE], origin)
    if plugin:
        plugin.put(settings)
    for flag in command.flags:
        option = names.get(flag.name) or _refuse_other_side(flag, side)
        settings.put(option, *flag_value(option, flag))
    settings.read(values, any_case=True)
    settings.warnings.extend(document.warnings if document else ())
    if document and document.rest:
        settings.warnings.append(f"goes on after its first value, at {document.rest}: not read")
    return _client(settings, source) if side == CLIENT else _server(settings, source)


def _decide_side(
    side: str | None, flags: Sequence[Flag], values: Mapping[str, object], source: str
) -> str:
    """The side that is fixed, or the one that the addresses speak for."""
    spoken = {ROLE_OF_ADDRESS[name]: name for name in _addresses_given(flags, values)}
    fix = "run kcptun-client (localaddr, remoteaddr) or kcptun-server (listen, target)"
    if side is not None:
        wrong = next((name for role, name in spoken.items() if role != side), None)
        if wrong:
            raise Origin(source, wrong).error(f"is not for a {side}", fix=fix)
        return side
    if len(spoken) == 1:
        return next(iter(spoken))
    if not spoken:
        raise Origin(source).error("does not say whether it is for a client or a server", fix=fix)
    problem = f"has {spoken[CLIENT]} of a client and {spoken[SERVER]} of a server"
    raise Origin(source).error(problem, fix=f"remove one of them, or {fix}")


def _addresses_given(flags: Sequence[Flag], values: Mapping[str, object]) -> list[str]:
    """Which of the four were written; ``-l`` means either side and does not count."""
    aliases = {"r": "remoteaddr", "t": "target"}
    written = {aliases.get(flag.name, flag.name) for flag in flags}
    written |= {name.casefold() for name, value in values.items() if value is not None}
    return [name for name in ROLE_OF_ADDRESS if name in written]


def _refuse_other_side(flag: Flag, side: str) -> NoReturn:
    origin = Origin(COMMAND_LINE, f"-{flag.name}")
    raise origin.error(f"is not for a {side}", fix="remove it (--help lists what there is)")


def _client(settings: Settings, source: str) -> KcptunClient:
    link, log, reports = client_link(settings), _log(settings), _reports(settings)
    warnings = [*settings.warnings, *weaknesses_of_kcp(link.kcp)]
    if settings.given("scavengettl") and 0 < link.autoexpire < link.scavengettl:
        warnings.append(
            f"scavengettl {link.scavengettl} s exceeds autoexpire {link.autoexpire} s:"
            " several expired sessions may live beside each new one"
        )
    localaddr = stream_address(settings, "localaddr")
    udp = _udp(settings, localaddr, "localaddr")
    if udp is None and settings.given("udpclass"):
        warnings.append(f"{settings.origin('udpclass').key} has no effect without udp")
    remoteaddr = port_range(settings, "remoteaddr", empty_host="127.0.0.1")
    link = replace(link, hop=_hop(settings, remoteaddr, is_tcp=link.kcp.tcp))
    return KcptunClient(
        localaddr=localaddr,
        remoteaddr=remoteaddr,
        link=link,
        udp=udp,
        udp_class=cast("UdpClass", settings.text("udpclass")),
        log=log,
        reports=reports,
        grace=float(settings.integer("grace")),
        memory=memory_of(settings),
        source=source,
        warnings=tuple(warnings),
        advice=tuple(settings.advice),
    )


def _hop(settings: Settings, remote: PortRange, *, is_tcp: bool) -> float:
    """How often sessions change their ports, in seconds."""
    try:
        hop = parse_duration(settings.text("hop"))
    except ValueError as error:
        raise settings.error("hop", str(error), fix=_HOP_FIX) from None
    if 0 < hop < _SHORTEST_HOP:
        raise settings.error("hop", "is shorter than a second", fix=_HOP_FIX)
    if hop and remote.first == remote.last:
        problem = f"needs several ports, and remoteaddr has one, {remote.first}"
        fix = "write a range, for example example.com:3000-4000, which the server listens on"
        raise settings.error("hop", problem, fix=fix)
    if hop and is_tcp:
        problem = "cannot move a session whose datagrams are disguised as TCP"
        raise settings.error("hop", problem, fix="leave out one of hop and tcp")
    return hop


def _server(settings: Settings, source: str) -> KcptunServer:
    kcp, log, reports = kcp_settings(settings), _log(settings), _reports(settings)
    if settings.integer("workers") > 1 and settings.boolean("pprof"):
        problem = "shows one process, and workers makes several"
        raise settings.error("pprof", problem, fix="leave out one of the two")
    if kcp.tcp and settings.integer("workers") > 1:
        problem = "cannot share a port on which datagrams are disguised as TCP"
        raise settings.error("workers", problem, fix="write 1, or leave tcp out")
    target = _target(settings)
    udp = _udp(settings, target, "target")
    return KcptunServer(
        listen=port_range(settings, "listen"),
        target=target,
        kcp=kcp,
        udp=udp,
        workers=settings.integer("workers"),
        state_dir=settings.text("statedir"),
        log=log,
        reports=reports,
        grace=float(settings.integer("grace")),
        memory=memory_of(settings),
        source=source,
        warnings=(*settings.warnings, *weaknesses_of_kcp(kcp)),
        advice=tuple(settings.advice),
    )


def _target(settings: Settings) -> StreamAddress:
    target = stream_address(settings, "target")
    if isinstance(target, Path):
        return target
    if target.port == 0:
        raise settings.error("target", "has no port to connect to", fix="write a port 1..65535")
    return Address(target.host or "127.0.0.1", target.port)


def _udp(settings: Settings, where: StreamAddress, name: str) -> tuple[int, ...] | None:
    """On which ports UDP goes beside the TCP of an address."""
    ports = settings.ports("udp")
    if ports is not None and not isinstance(where, Address):
        problem = f"goes to and from ports, and {name} is the path of a UNIX socket"
        raise settings.error("udp", problem, fix=f"write host:port for {name}, or leave udp out")
    return ports


def client_link(settings: Settings) -> KcpLink:
    """What settings say about a client's sessions.

    Raises:
        ConfigError: some that are fine alone are impossible together.
    """
    return KcpLink(
        kcp=kcp_settings(settings),
        conn=settings.integer("conn"),
        autoexpire=settings.integer("autoexpire"),
        scavengettl=settings.integer("scavengettl"),
        stream_class=StreamClass(settings.text("class")),
    )


def kcp_settings(settings: Settings) -> KcpSettings:
    """What settings say about sessions.

    Raises:
        ConfigError: some that are fine alone are impossible together.
    """
    # The table has checked the kind of each value. The fields that mean something else than what
    # was written stand below.
    values: dict[str, Any] = {
        field: settings.value(option.name) for field, option in OPTION_OF.items()
    }
    mode = _mode(settings)
    if mode == AUTO:
        values |= {"mode": AUTO, **BY_HAND}
    else:
        values["mode"] = "manual"
        if mode in MODES:
            values.update(zip(("nodelay", "interval", "resend", "nc"), MODES[mode], strict=True))
        values["datashard"], values["parityshard"] = _shards(settings)
    kcp = KcpSettings(**values)
    check_together(kcp, partial(_refuse, settings))
    settings.warnings.extend(_without_effect(settings, is_auto=kcp.is_auto))
    settings.advice.extend(advice_towards_auto(settings, kcp, mode))
    return kcp


def _mode(settings: Settings) -> str:
    """The mode that counts. A file of kcptun with settings by hand and no mode means ``fast``."""
    is_by_hand = any(settings.given(name) for name in BY_HAND)
    return "fast" if is_by_hand and not settings.given("mode") else settings.text("mode")


def _without_effect(settings: Settings, *, is_auto: bool) -> Iterator[str]:
    for name in BY_HAND if is_auto else _OF_AUTO:
        if settings.given(name):
            key = settings.origin(name).key
            fix = "remove it, or write another mode" if is_auto else _OF_AUTO[name]
            yield f"{key} has no effect with{'' if is_auto else 'out'} mode auto: {fix}"
    if settings.given("memory") and not is_auto:
        key = settings.origin("memory").key
        fix = "rcvwnd, smuxbuf and streambuf bound each session"
        yield f"{key} has no effect without mode auto: {fix}"
    mine, other = ("up", "down") if settings.side == CLIENT else ("down", "up")
    if is_auto and settings.given(other) and not settings.given(mine):
        key, end = settings.origin(other).key, SERVER if settings.side == CLIENT else CLIENT
        yield f"{key} has no effect on a {settings.side}: write it into the file of the {end}"


def _shards(settings: Settings) -> tuple[int, int]:
    """How many packets a group has; none at all if kcptun cannot make one as large."""
    given = settings.integer("datashard"), settings.integer("parityshard")
    group = as_kcptun_group(*given) if settings.is_tolerant else given
    if group != given:
        settings.warnings.append(
            f"{given[0]} + {given[1]} packets make no group, so there is no error correction, as in"
            " kcptun: write at most 255 for datashard and parityshard together"
        )
    return group


def _refuse(settings: Settings, name: str, problem: str, fix: str) -> ConfigError:
    """The error about a setting, or about the other one of a pair if that was given alone."""
    other = _PAIRS.get(name, name)
    if settings.given(other) and not settings.given(name):
        name = other
    return settings.error(name, problem, fix=fix)


def _log(settings: Settings) -> LogSettings:
    return LogSettings(path=output_path(settings, "log"), quiet=settings.boolean("quiet"))


def _reports(settings: Settings) -> ReportSettings:
    return ReportSettings(
        snmplog=str(output_path(settings, "snmplog") or ""),
        snmpperiod=settings.integer("snmpperiod"),
        pprof=settings.boolean("pprof"),
    )


_OF_AUTO: Mapping[str, str] = {
    "up": "ratelimit limits each session",
    "down": "ratelimit limits each session",
    "max_overhead": "datashard and parityshard add parity",
}
"""Settings that have an effect with mode auto alone, and what to use with another mode."""

_PAIRS: Mapping[str, str] = {"datashard": "parityshard", "streambuf": "smuxbuf"}
"""Settings that are refused for each other's sake."""
