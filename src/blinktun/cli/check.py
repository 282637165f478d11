"""What a configuration means, in sentences a person can check."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.cli.common import CONFIG_STATUS, fail, say
from blinktun.config.load import load
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    KcptunClient,
    KcptunServer,
    RoleConfig,
)
from blinktun.config.pairs import differences, shared_ports
from blinktun.config.protection import (
    Level,
    integrity_of_crypt,
    integrity_of_link,
    preset_text,
    replays_of_crypt,
    replays_of_link,
)
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blinktun.config.model import (
        Dns,
        KcpSettings,
        LogSettings,
        PortRange,
        ReportSettings,
        ServerLink,
        StreamAddress,
    )


def check_all(paths: Sequence[str]) -> int:
    """Look at every file, whatever the one before was, and at all of them together."""
    from blinktun.app import make_role

    status, configs = 0, list[RoleConfig]()
    for path in paths:
        try:
            config = load(path)
            make_role(config)  # the parameters of presets are looked at here
        except ConfigError as error:
            status = fail("blinktun", error)
            continue
        configs.append(config)
        if say("\n".join((describe(config), *_readable_by_others(config, path)))):
            return 1  # its reader has left
    problems = list(differences(configs))
    for problem in (*problems, *shared_ports(configs)):
        if say(f"warning: {problem}"):
            return 1
    return CONFIG_STATUS if problems else status


def _readable_by_others(config: RoleConfig, path: str) -> Iterator[str]:
    """A warning about keys that every user of the machine can read."""
    files = [(Path(path), "this file, which holds the key,")]
    if isinstance(config, BlinksocksServer) and config.server.tls.key:
        files.append((config.server.tls.key, f"the private key {config.server.tls.key}"))
    if isinstance(config, BlinksocksClient) and config.https.key:
        files.append((config.https.key, f"the private key {config.https.key}"))
    for file, name in files:
        with contextlib.suppress(OSError):
            if file.stat().st_mode & stat.S_IROTH:
                text = f"every user of this machine can read {name.rstrip(',')}"
                yield f"  {'warning':<12}{text}: chmod o-rwx {file}"


def describe(config: RoleConfig) -> str:
    """The meaning of a configuration, several lines, secrets left out."""
    name, lines = _meaning(config)
    facts = [f"  {title:<12}{text}" for title, text in lines if text]
    warnings = [f"  {'warning':<12}{text}" for text in config.warnings]
    titles = ("advice", *[""] * len(config.advice))
    advice = [f"  {title:<12}{text}" for title, text in zip(titles, config.advice, strict=False)]
    return "\n".join([f"{config.source}: {name}", *facts, *warnings, *advice])


def _meaning(config: RoleConfig) -> tuple[str, Iterator[tuple[str, str]]]:
    match config:
        case KcptunClient():
            return "kcptun client", _kcptun_client(config)
        case KcptunServer():
            return "kcptun server", _kcptun_server(config)
        case BlinksocksClient():
            return "blinksocks client", _blinksocks_client(config)
        case BlinksocksServer():
            return "blinksocks server", _blinksocks_server(config)


def _kcptun_client(config: KcptunClient) -> Iterator[tuple[str, str]]:
    yield "listens", _stream(config.localaddr)
    yield "server", _ports(config.remoteaddr)
    link = config.link
    expiry = f"replaced after {link.autoexpire} s, closed {link.scavengettl} s later"
    yield "sessions", f"{link.conn}, {expiry if link.autoexpire else 'never replaced'}"
    yield "hop", f"to other ports every {link.hop:g} s" if link.hop else ""
    yield from _kcp(link.kcp)
    yield from _log(config.log, console="standard error")
    yield from _reports(config.reports)


def _kcptun_server(config: KcptunServer) -> Iterator[tuple[str, str]]:
    yield "listens", _ports(config.listen)
    yield "target", _stream(config.target)
    yield "workers", f"{config.workers} processes" if config.workers > 1 else ""
    yield from _kcp(config.kcp)
    yield from _log(config.log, console="standard error")
    yield from _reports(config.reports)


def _blinksocks_client(config: BlinksocksClient) -> Iterator[tuple[str, str]]:
    asks = ", asks for user and password" if config.credentials else ""
    yield "listens", f"{config.scheme} {config.listen}{asks}"
    yield "forwards to", str(config.forward or "")
    yield "server", f"{config.server.transport} {config.server.address}{config.server.path}"
    yield from _link(config.server, config.timeout)
    yield "mux", f"{config.server.mux_concurrency} connections at most" if config.server.mux else ""
    yield "names", _names(config.dns)
    yield from _log(config.log, console="standard output")


def _blinksocks_server(config: BlinksocksServer) -> Iterator[tuple[str, str]]:
    yield "listens", f"{config.server.transport} {config.server.address}{config.server.path}"
    yield from _link(config.server, config.timeout)
    yield "rules", "" if config.acl is None else f"{len(config.acl)}, the last that fits counts"
    yield "without key", _without_key(config)
    yield "mux", "connections are shared" if config.server.mux else ""
    yield "names", _names(config.dns)
    yield from _log(config.log, console="standard output")


def _kcp(kcp: KcpSettings) -> Iterator[tuple[str, str]]:
    yield "disguise", "datagrams look like segments of TCP" if kcp.tcp else ""
    yield "crypt", kcp.crypt
    yield "integrity", integrity_of_crypt(kcp.crypt).value
    yield "replays", _replays(replays_of_crypt(kcp.crypt))
    yield "QPP", f"{kcp.qpp_count} pads of revision {kcp.qpp_revision}" if kcp.qpp else ""
    yield "compression", "no" if kcp.nocomp else "yes"
    yield "smux", f"version {kcp.smuxver or '1 or 2, as the client speaks'}"
    yield from _tuning(kcp)
    yield "mtu", "searched" if kcp.searches_mtu else f"{kcp.mtu} bytes"
    yield "rate limit", f"{kcp.ratelimit} bytes a second a session" if kcp.ratelimit else ""
    yield "end of file", f"passed on after {kcp.closewait} s" if kcp.closewait else ""


def _tuning(kcp: KcpSettings) -> Iterator[tuple[str, str]]:
    if kcp.is_auto:
        yield "mode", "auto: rate, windows and retransmission are found while sessions run"
        yield "at most", ", ".join(f"{n} {r}" for n in ("up", "down") if (r := getattr(kcp, n)))
        yield "correction", _overhead(kcp.overhead_share)
        return
    corrected = kcp.datashard and kcp.parityshard
    yield "correction", f"{kcp.datashard} data + {kcp.parityshard} parity" if corrected else "none"
    yield "windows", f"send {kcp.sndwnd}, receive {kcp.rcvwnd} segments"
    timing = f"nodelay {kcp.nodelay}, interval {kcp.interval} ms, resend {kcp.resend}, nc {kcp.nc}"
    yield "timing", timing


def _overhead(share: float) -> str:
    return f"copies and parity, at most {share:.4g} of the payload" if share else "none"


def _replays(level: Level) -> str:
    return {Level.YES: "refused", Level.NO: "not refused"}.get(level, level.value)


def _without_key(config: BlinksocksServer) -> str:
    """What a peer that does not show the key meets."""
    if config.redirect:
        return f"answered by {config.redirect}"
    return "kept waiting 5 to 10 s, then reset"


def _link(link: ServerLink, timeout: float) -> Iterator[tuple[str, str]]:
    yield "presets", " > ".join(map(preset_text, link.presets))
    yield "integrity", integrity_of_link(link).value
    yield "replays", _replays(replays_of_link(link))
    yield "certificate", str(link.tls.cert or "")
    if link.kcp:
        yield from _kcp(link.kcp.kcp)
    yield "timeout", f"{timeout:g} s without a byte"


def _names(dns: Dns) -> str:
    return f"{', '.join(dns.servers)} are asked" if dns.servers else ""


def _log(log: LogSettings, *, console: str) -> Iterator[tuple[str, str]]:
    quiet = ", connections not shown" if log.quiet else ""
    yield "log", f"{log.path or console}, level {log.level}{quiet}"


def _reports(reports: ReportSettings) -> Iterator[tuple[str, str]]:
    often = f"every {reports.snmpperiod} s" if reports.snmpperiod else "never"
    yield "counters", f"{reports.snmplog}, {often}" if reports.snmplog else ""
    yield "profiles", "http://127.0.0.1:6060/debug/pprof/" if reports.pprof else ""


def _stream(address: StreamAddress) -> str:
    if isinstance(address, Path):
        return f"UNIX socket {address}"
    return f"tcp {address}" if address.host else f"tcp {address} (every address)"


def _ports(ports: PortRange) -> str:
    return f"udp {ports}{'' if ports.host else ' (every address)'}"
