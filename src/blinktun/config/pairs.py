"""Files beside each other: what two ends must have alike, and ports that two files want."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    KcptunClient,
    KcptunServer,
)
from blinktun.config.protection import DEFAULT_METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blinktun.address import Address
    from blinktun.config.model import KcpSettings, PresetSpec, RoleConfig, ServerLink

_CLIENT_PARAMS = frozenset({"security", "sni", "info"})
"""Parameters of presets that one end alone needs."""
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - to recognise, not to bind


class Claim(NamedTuple):
    """An address that a file listens on."""

    source: str
    protocol: str
    host: str
    port: int


def differences(configs: Sequence[RoleConfig]) -> Iterator[str]:
    """A sentence for each client and server that lead to each other and cannot talk."""
    for near, far in itertools.product(configs, configs):
        unlike: list[str] = []
        match near, far:
            case KcptunClient(), KcptunServer() if _leads_to(near, far):
                unlike = list(_unlike_kcp(near.kcp, far.kcp))
            case BlinksocksClient(), BlinksocksServer() if _reaches(near, far, configs):
                unlike = list(_unlike_links(near.server, far.server))
        if unlike:
            both = f"{near.source} and {far.source}"
            yield f"{both} will not understand each other: {', '.join(unlike)}"


def shared_ports(configs: Sequence[RoleConfig]) -> Iterator[str]:
    """A sentence for each two files that listen on one port."""
    claims = [claim for config in configs for claim in _claims(config)]
    for one, other in itertools.combinations(claims, 2):
        is_same = one.protocol == other.protocol and one.port == other.port != 0
        if is_same and (one.host == other.host or {one.host, other.host} & _EVERYWHERE):
            both = f"{one.source} and {other.source}"
            yield f"{both} listen on one port, {one.protocol} {one.port}: change one of them"


def _leads_to(near: KcptunClient, far: KcptunServer) -> bool:
    return bool(set(near.remoteaddr.ports) & set(far.listen.ports))


def _reaches(near: BlinksocksClient, far: BlinksocksServer, configs: Sequence[RoleConfig]) -> bool:
    """Whether a client's server address leads to this server, perhaps through a kcptun pair."""
    to, there = near.server.address, far.server.address
    if to.port == there.port:
        return True
    return any(
        isinstance(begin, KcptunClient)
        and isinstance(end, KcptunServer)
        and _port_of(begin.localaddr) == to.port
        and _port_of(end.target) == there.port
        and _leads_to(begin, end)
        for begin, end in itertools.product(configs, configs)
    )


def _port_of(address: Address | Path) -> int | None:
    return None if isinstance(address, Path) else address.port


def _unlike_kcp(near: KcpSettings, far: KcpSettings) -> Iterator[str]:
    if near.crypt not in {"none", "null"} or far.crypt not in {"none", "null"}:
        yield from ("key",) if near.key != far.key else ()
    names = ("crypt", "nocomp", "qpp", "tcp")
    yield from (name for name in names if getattr(near, name) != getattr(far, name))
    if near.qpp and far.qpp:
        pads = (near.qpp_count, near.qpp_revision) != (far.qpp_count, far.qpp_revision)
        yield from ("qpp-count or qpp-revision",) if pads else ()
    if far.smuxver and (near.smuxver or 1) != far.smuxver:
        yield "smuxver"
    is_by_hand = not (near.is_auto or far.is_auto)
    if is_by_hand and (near.datashard, near.parityshard) != (far.datashard, far.parityshard):
        yield "datashard and parityshard (no error correction)"


def _unlike_links(near: ServerLink, far: ServerLink) -> Iterator[str]:
    names = ("transport", "key", "path", "mux")
    yield from (name for name in names if getattr(near, name) != getattr(far, name))
    if list(map(_alike, near.presets)) != list(map(_alike, far.presets)):
        yield "presets"
    if near.kcp and far.kcp:
        yield from _unlike_kcp(near.kcp.kcp, far.kcp.kcp)


def _alike(preset: PresetSpec) -> tuple[str, dict[str, object]]:
    """What both ends must have alike of a preset."""
    defaults = {"method": DEFAULT_METHODS[preset.name]} if preset.name in DEFAULT_METHODS else {}
    given = {name: value for name, value in preset.params.items() if name not in _CLIENT_PARAMS}
    return preset.name, {**defaults, **given}


def _claims(config: RoleConfig) -> Iterator[Claim]:
    match config:
        case KcptunClient():
            if not isinstance(config.localaddr, Path):
                yield Claim(config.source, "tcp", config.localaddr.host, config.localaddr.port)
        case KcptunServer():
            for address in config.listen.addresses:
                yield Claim(config.source, "udp", address.host, address.port)
        case BlinksocksClient():
            yield Claim(config.source, "tcp", config.listen.host, config.listen.port)
        case BlinksocksServer():
            protocol = "udp" if config.server.kcp else "tcp"
            yield Claim(
                config.source, protocol, config.server.address.host, config.server.address.port
            )
