"""The settings in effect, as each role says them at start, so that ends can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.config.model import KcpLink, KcptunClient
from blinktun.config.protection import (
    integrity_of_crypt,
    integrity_of_link,
    preset_text,
    replays_of_crypt,
    replays_of_link,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blinktun.config.model import KcpSettings, KcptunServer, ServerLink


def start_line(config: KcptunClient | KcptunServer, where: object) -> str:
    """One line in the words of Go's start block, which other programs wait for; no key is in it.

    First where it listens, then what has to be alike at both ends, then what each end chooses.

    Args:
        config: The role's.
        where: Where it listens now.
    """
    if isinstance(config, KcptunClient):
        side, peer, learned = "client", f"remote address: {config.remoteaddr}", "1"
    else:
        side, peer, learned = "server", f"target: {config.target}", "1 or 2"
    facts = (peer, *_alike(config.kcp, learned), *_own(config.kcp), *_role(config))
    return ", ".join((f"kcptun {side} listening on: {where}", *facts))


def link_line(link: ServerLink) -> str:
    """What a blinksocks client and server agree on, and what that protects; no key is in it."""
    presets = " > ".join(preset_text(preset) for preset in link.presets)
    facts = (
        f"{link.transport}://{link.address}{link.path}",
        f"presets: {presets}",
        f"integrity: {integrity_of_link(link).value}",
        f"replay protection: {replays_of_link(link).value}",
        f"mux: {_go(link.mux)}",
    )
    return ", ".join(facts)


def _alike(kcp: KcpSettings, learned: str) -> Iterator[str]:
    yield f"encryption: {kcp.crypt}"
    yield f"integrity: {integrity_of_crypt(kcp.crypt).value}"
    yield f"replay protection: {replays_of_crypt(kcp.crypt).value}"
    yield f"smux version: {kcp.smuxver or learned}"
    yield f"compression: {_go(not kcp.nocomp)}"
    if not kcp.is_auto:
        yield f"datashard: {kcp.datashard} parityshard: {kcp.parityshard}"
    yield f"tcp: {_go(kcp.tcp)}"
    if kcp.qpp:
        yield f"QPP: {kcp.qpp_count} pads of revision {kcp.qpp_revision}"


def _own(kcp: KcpSettings) -> Iterator[str]:
    yield f"mtu: {'search' if kcp.searches_mtu else kcp.mtu}"
    if kcp.ratelimit:
        yield f"ratelimit: {kcp.ratelimit}"
    if kcp.is_auto:
        yield "mode: auto"
        names = ("up", "down", "max_overhead")
        yield from (f"{name}: {value}" for name in names if (value := getattr(kcp, name)))
    else:
        yield f"sndwnd: {kcp.sndwnd} rcvwnd: {kcp.rcvwnd}"
        yield f"nodelay parameters: {kcp.nodelay} {kcp.interval} {kcp.resend} {kcp.nc}"
    yield f"acknodelay: {_go(kcp.acknodelay)}"
    yield f"dscp: {kcp.dscp}"
    yield f"sockbuf: {kcp.sockbuf}"
    yield f"smuxbuf: {kcp.session_buffer}"
    yield f"framesize: {kcp.framesize}"
    yield f"streambuf: {kcp.stream_buffer}"
    yield f"keepalive: {kcp.keepalive}"
    if kcp.closewait:
        yield f"closewait: {kcp.closewait}"


def _role(config: KcptunClient | KcptunServer) -> Iterator[str]:
    if config.memory is not None:
        yield f"memory: {config.memory}"
    if isinstance(config, KcptunClient):
        yield f"conn: {config.link.conn}"
        yield f"autoexpire: {config.link.autoexpire}"
        yield f"scavengettl: {config.link.scavengettl}"
        if config.link.stream_class is not KcpLink().stream_class:
            yield f"class: {config.link.stream_class.value}"
    yield f"snmplog: {config.reports.snmplog}"
    yield f"snmpperiod: {config.reports.snmpperiod}"
    yield f"pprof: {_go(config.reports.pprof)}"
    yield f"quiet: {_go(config.log.quiet)}"


def _go(value: bool) -> str:
    """A boolean as Go prints it."""
    return str(value).lower()
